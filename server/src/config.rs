//! What an operator can set: flags first, then the environment, then a TOML file.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum, builder::BoolishValueParser};
use jobflow::{Durability, Namespace, QueueConfig};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::auth::CallLimits;
use crate::gate::ConnectionLimits;
use crate::tls::TlsFiles;

const MAX_CONNECTIONS: usize = 1_024;
const MAX_CONNECTIONS_PER_ADDRESS: usize = 64;
const MAX_CALL_RATE: u32 = 10_000;
const MAX_CALLS: usize = 1_024;
const MAX_STREAMS: usize = 64;
/// The port the server listens on unless told otherwise.
const DEFAULT_PORT: u16 = 4000;

/// gRPC, REST and the dashboard in front of the JobFlow queue, on one port.
#[derive(Debug, Default, Parser)]
#[command(name = "jobflow-server", version)]
pub struct Args {
    /// The Redis server [default: redis://127.0.0.1:6379/]
    #[arg(
        long,
        env = "JOBFLOW_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub redis: Option<String>,
    /// Separates installations in one Redis [default: default]
    #[arg(long, env = "JOBFLOW_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<Namespace>,
    /// Where to listen; may be given several times, or separated by commas [default: 127.0.0.1:4000]
    #[arg(
        long,
        env = "JOBFLOW_LISTEN",
        value_name = "ADDR:PORT",
        value_delimiter = ','
    )]
    pub listen: Vec<SocketAddr>,
    /// The form of the log on standard error [default: text]
    #[arg(long, env = "JOBFLOW_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Start although the store's eviction policy could delete jobs
    #[arg(long, env = "JOBFLOW_ALLOW_EVICTION", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub allow_eviction: bool,
    /// How safe a job is before its submit is acknowledged, unless it or its queue says
    /// otherwise: memory, fsync or replicated [default: memory]
    #[arg(long, env = "JOBFLOW_DURABILITY", value_name = "CLASS")]
    pub durability: Option<Durability>,
    /// How many replicas must have a job that is to be replicated [default: 1]
    #[arg(long, env = "JOBFLOW_REPLICAS", value_name = "N")]
    pub replicas: Option<u32>,
    /// How long a submit waits for disk or replicas [default: 2s]
    #[arg(long, env = "JOBFLOW_DURABILITY_TIMEOUT", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub durability_timeout: Option<Duration>,
    /// Do not offer gRPC reflection
    #[arg(long, env = "JOBFLOW_NO_REFLECTION", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub no_reflection: bool,
    /// Who may call: everybody, or holders of a token [default: none]
    #[arg(long, env = "JOBFLOW_AUTH", value_name = "MODE")]
    pub auth: Option<AuthMode>,
    /// A file with tokens of admins, one a line; made with a new one if it is not there
    #[arg(long, env = "JOBFLOW_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// The certificate chain to serve TLS with, as PEM; read again on SIGHUP
    #[arg(long, env = "JOBFLOW_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM
    #[arg(long, env = "JOBFLOW_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Only take connections that show a certificate signed by one of these, as PEM
    #[arg(long, env = "JOBFLOW_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
    /// Listen where others can reach it although TLS or tokens are missing: a proxy has them
    #[arg(long, env = "JOBFLOW_INSECURE_BEHIND_PROXY", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub insecure_behind_proxy: bool,
    /// An origin whose pages may call, `https://HOST[:PORT]`; may be given several times, or
    /// separated by commas
    #[arg(
        long,
        env = "JOBFLOW_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub allow_origin: Vec<String>,
    /// Connections in all [default: 1024]
    #[arg(long, env = "JOBFLOW_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,
    /// Connections from one address [default: 64, and any number from this machine]
    #[arg(long, env = "JOBFLOW_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub max_connections_per_address: Option<usize>,
    /// Calls a second of one token; 0 for any number [default: 10000]
    #[arg(long, env = "JOBFLOW_MAX_CALL_RATE", value_name = "N")]
    pub max_call_rate: Option<u32>,
    /// Calls of one token under way [default: 1024]
    #[arg(long, env = "JOBFLOW_MAX_CALLS", value_name = "N")]
    pub max_calls: Option<usize>,
    /// Streams and waits that one token has open [default: 64]
    #[arg(long, env = "JOBFLOW_MAX_STREAMS", value_name = "N")]
    pub max_streams: Option<usize>,
    /// A TOML file with these settings, spelled with `_`; flags and environment win
    #[arg(long, env = "JOBFLOW_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Whoever reaches the port.
    #[default]
    None,
    /// Holders of a token.
    Tokens,
}

/// The settings of one server, complete.
#[derive(Debug, Clone)]
pub struct Config {
    /// The Redis server.
    pub redis_url: String,
    /// Separates installations in one Redis.
    pub namespace: Namespace,
    /// Where the binary listens; [`crate::run`] is given the listeners.
    pub listen: Vec<SocketAddr>,
    /// The form of the log.
    pub log_format: LogFormat,
    /// Whether a store that may evict jobs is accepted.
    pub allow_eviction: bool,
    /// How safe jobs are that do not say.
    pub durability: Durability,
    /// How many replicas must have a job that is to be replicated.
    pub replicas: u32,
    /// How long a submit waits for disk or replicas.
    pub durability_timeout: Duration,
    /// Whether gRPC reflection is offered.
    pub reflection: bool,
    /// Who may call.
    pub auth: AuthMode,
    /// Tokens of admins that are not in the store.
    pub admin_token_file: Option<PathBuf>,
    /// The server speaks TLS alone.
    pub tls: Option<TlsFiles>,
    /// Something else sees to authentication and TLS.
    pub insecure_behind_proxy: bool,
    /// Origins whose pages may call.
    pub allow_origin: Vec<String>,
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// What each token may do at once.
    pub calls: CallLimits,
}

impl Default for Config {
    fn default() -> Self {
        let nothing = Args::default().over(File::default());
        nothing.expect("what is not set contradicts nothing")
    }
}

/// Why the settings can not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or may not be read.
    #[error("can not read {}: {source}", path.display())]
    Read {
        /// As given with `--config`.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or sets what does not exist.
    #[error("{}: {source}", path.display())]
    Parse {
        /// As given with `--config`.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// One setting needs another.
    #[error("{setting} needs {needs}")]
    Incomplete {
        /// What is given.
        setting: &'static str,
        /// What is missing.
        needs: &'static str,
    },
    /// A value in the file is out of its range.
    #[error("{}: {source}", path.display())]
    Value {
        /// As given with `--config`.
        path: PathBuf,
        /// Which one and why.
        source: jobflow::Error,
    },
}

/// What the file may set. Unknown names are refused, so that a typing error
/// does not pass as a setting.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    redis: Option<String>,
    namespace: Option<String>,
    listen: Vec<SocketAddr>,
    log_format: Option<LogFormat>,
    allow_eviction: bool,
    #[serde(deserialize_with = "spelled")]
    durability: Option<Durability>,
    replicas: Option<u32>,
    #[serde(deserialize_with = "spelled")]
    durability_timeout: Option<humantime::Duration>,
    no_reflection: bool,
    auth: Option<AuthMode>,
    admin_token_file: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    insecure_behind_proxy: bool,
    allow_origin: Vec<String>,
    max_connections: Option<usize>,
    max_connections_per_address: Option<usize>,
    max_call_rate: Option<u32>,
    max_calls: Option<usize>,
    max_streams: Option<usize>,
}

/// A value that the file spells as the command line does.
fn spelled<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

impl Args {
    /// Reads the file, if one is given, and fills in the defaults.
    ///
    /// # Errors
    /// When the file can not be read or sets what does not exist.
    pub fn into_config(mut self) -> Result<Config, ConfigError> {
        let Some(path) = self.config.take() else {
            return self.over(File::default());
        };
        let file = File::read(&path)?;
        if let (None, Some(namespace)) = (&self.namespace, &file.namespace) {
            let namespace = Namespace::new(namespace);
            self.namespace = Some(namespace.map_err(|source| ConfigError::Value { path, source })?);
        }
        self.over(file)
    }

    /// Lays the flags over the file, and both over the defaults.
    fn over(self, file: File) -> Result<Config, ConfigError> {
        let mut listen = if self.listen.is_empty() {
            file.listen
        } else {
            self.listen
        };
        if listen.is_empty() {
            listen.push((Ipv4Addr::LOCALHOST, DEFAULT_PORT).into());
        }
        let tls = tls_files(
            self.tls_cert.or(file.tls_cert),
            self.tls_key.or(file.tls_key),
            self.tls_client_ca.or(file.tls_client_ca),
        )?;
        let auth = self.auth.or(file.auth).unwrap_or_default();
        let admin_token_file = self.admin_token_file.or(file.admin_token_file);
        let connections = connection_limits(
            self.max_connections.or(file.max_connections),
            self.max_connections_per_address
                .or(file.max_connections_per_address),
        );
        let calls = CallLimits {
            rate: (self.max_call_rate.or(file.max_call_rate)).unwrap_or(MAX_CALL_RATE),
            in_flight: (self.max_calls.or(file.max_calls)).unwrap_or(MAX_CALLS),
            streams: (self.max_streams.or(file.max_streams)).unwrap_or(MAX_STREAMS),
        };
        admin_file_needs_tokens(admin_token_file.as_ref(), auth)?;
        let default = QueueConfig::default();
        Ok(Config {
            redis_url: self.redis.or(file.redis).unwrap_or(default.redis_url),
            namespace: self.namespace.unwrap_or_default(),
            listen,
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            allow_eviction: self.allow_eviction || file.allow_eviction,
            durability: self
                .durability
                .or(file.durability)
                .unwrap_or(default.durability),
            replicas: self.replicas.or(file.replicas).unwrap_or(default.replicas),
            durability_timeout: self
                .durability_timeout
                .or_else(|| file.durability_timeout.map(Into::into))
                .unwrap_or(default.durability_timeout),
            reflection: !(self.no_reflection || file.no_reflection),
            auth,
            admin_token_file,
            tls,
            insecure_behind_proxy: self.insecure_behind_proxy || file.insecure_behind_proxy,
            connections,
            calls,
            allow_origin: if self.allow_origin.is_empty() {
                file.allow_origin
            } else {
                self.allow_origin
            },
        })
    }
}

fn connection_limits(total: Option<usize>, per_address: Option<usize>) -> ConnectionLimits {
    let total = total.unwrap_or(MAX_CONNECTIONS);
    ConnectionLimits {
        total,
        per_address: per_address.unwrap_or(MAX_CONNECTIONS_PER_ADDRESS),
        loopback: per_address.unwrap_or(total),
    }
}

/// Tokens that nobody would ask for are a misunderstanding.
fn admin_file_needs_tokens(file: Option<&PathBuf>, auth: AuthMode) -> Result<(), ConfigError> {
    if file.is_some() && auth == AuthMode::None {
        return Err(ConfigError::Incomplete {
            setting: "--admin-token-file",
            needs: "--auth tokens",
        });
    }
    Ok(())
}

/// Certificate and key come together, and callers' certificates need both.
fn tls_files(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
) -> Result<Option<TlsFiles>, ConfigError> {
    let (setting, needs) = match (cert, key, client_ca) {
        (Some(cert), Some(key), client_ca) => {
            return Ok(Some(TlsFiles {
                cert,
                key,
                client_ca,
            }));
        }
        (None, None, None) => return Ok(None),
        (Some(_), None, _) => ("--tls-cert", "--tls-key"),
        (None, Some(_), _) => ("--tls-key", "--tls-cert"),
        (None, None, Some(_)) => ("--tls-client-ca", "--tls-cert and --tls-key"),
    };
    Err(ConfigError::Incomplete { setting, needs })
}

impl File {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
