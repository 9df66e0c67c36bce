//! What an operator can set: flags first, then the environment, then a TOML file.

mod file;
mod redis;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum, builder::BoolishValueParser};
use jobflow::{Durability, Namespace, QueueConfig, RedisAccess};
use serde::Deserialize;

use self::file::File;
pub use self::redis::RedisArgs;
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
#[derive(Default, Parser)]
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
    /// Certificates, and a login that the URL does not have
    #[command(flatten)]
    pub redis_access: RedisArgs,
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
    /// Certificates of callers that hold no more, as PEM; read again on SIGHUP
    #[arg(long, env = "JOBFLOW_TLS_CLIENT_CRL", value_name = "FILE")]
    pub tls_client_crl: Option<PathBuf>,
    /// A TOML file that says which certificates of callers stand for whom; read again on SIGHUP
    #[arg(long, env = "JOBFLOW_TLS_PRINCIPALS", value_name = "FILE")]
    pub tls_principals: Option<PathBuf>,
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
#[derive(Clone)]
pub struct Config {
    /// The Redis server.
    pub redis_url: String,
    /// Certificates, and a login that the URL does not have.
    pub redis_access: RedisAccess,
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
    /// Which certificates of callers stand for whom.
    pub tls_principals: Option<PathBuf>,
    /// Something else sees to authentication and TLS.
    pub insecure_behind_proxy: bool,
    /// Origins whose pages may call.
    pub allow_origin: Vec<String>,
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// What each token may do at once.
    pub calls: CallLimits,
}

/// Nothing of it: the URL may have a password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").finish_non_exhaustive()
    }
}

/// For tests: reads a file of settings.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_settings(text: &str) {
    if let Ok(file) = toml::from_str(text) {
        let _refused = Args::default().over(file);
    }
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
    fn over(self, mut file: File) -> Result<Config, ConfigError> {
        let redis_access = self.redis_access.over(file.redis_access());
        let listen = first_given(self.listen, file.listen);
        let listen = first_given(listen, vec![(Ipv4Addr::LOCALHOST, DEFAULT_PORT).into()]);
        let tls = tls_files(
            self.tls_cert.or(file.tls_cert),
            self.tls_key.or(file.tls_key),
            self.tls_client_ca.or(file.tls_client_ca),
            self.tls_client_crl.or(file.tls_client_crl),
        )?;
        let auth = self.auth.or(file.auth).unwrap_or_default();
        let tls_principals = self.tls_principals.or(file.tls_principals);
        principals_need_certificates(tls_principals.as_ref(), tls.as_ref(), auth)?;
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
            redis_access,
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
            tls_principals,
            insecure_behind_proxy: self.insecure_behind_proxy || file.insecure_behind_proxy,
            connections,
            calls,
            allow_origin: first_given(self.allow_origin, file.allow_origin),
        })
    }
}

/// The first of two lists, unless there is nothing in it.
fn first_given<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
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

/// Who is nobody without a certificate has to show one, and to be somebody has
/// to mean something.
fn principals_need_certificates(
    file: Option<&PathBuf>,
    tls: Option<&TlsFiles>,
    auth: AuthMode,
) -> Result<(), ConfigError> {
    let needs = match (file, tls.and_then(|tls| tls.client_ca.as_ref()), auth) {
        (None, _, _) | (Some(_), Some(_), AuthMode::Tokens) => return Ok(()),
        (Some(_), None, _) => "--tls-client-ca",
        (Some(_), Some(_), AuthMode::None) => "--auth tokens",
    };
    Err(ConfigError::Incomplete {
        setting: "--tls-principals",
        needs,
    })
}

/// Certificate and key come together, and what is about callers' certificates
/// needs what is in front of it.
fn tls_files(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    client_crl: Option<PathBuf>,
) -> Result<Option<TlsFiles>, ConfigError> {
    let (setting, needs) = match (cert, key, client_ca, client_crl) {
        (_, _, None, Some(_)) => ("--tls-client-crl", "--tls-client-ca"),
        (Some(cert), Some(key), client_ca, client_crl) => {
            return Ok(Some(TlsFiles {
                cert,
                key,
                client_ca,
                client_crl,
            }));
        }
        (None, None, None, None) => return Ok(None),
        (Some(_), None, ..) => ("--tls-cert", "--tls-key"),
        (None, Some(_), ..) => ("--tls-key", "--tls-cert"),
        (None, None, Some(_), _) => ("--tls-client-ca", "--tls-cert and --tls-key"),
    };
    Err(ConfigError::Incomplete { setting, needs })
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
