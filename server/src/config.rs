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
}

impl Default for Config {
    fn default() -> Self {
        Args::default().over(File::default())
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
            return Ok(self.over(File::default()));
        };
        let file = File::read(&path)?;
        if let (None, Some(namespace)) = (&self.namespace, &file.namespace) {
            let namespace = Namespace::new(namespace);
            self.namespace = Some(namespace.map_err(|source| ConfigError::Value { path, source })?);
        }
        Ok(self.over(file))
    }

    /// Lays the flags over the file, and both over the defaults.
    fn over(self, file: File) -> Config {
        let mut listen = if self.listen.is_empty() {
            file.listen
        } else {
            self.listen
        };
        if listen.is_empty() {
            listen.push((Ipv4Addr::LOCALHOST, DEFAULT_PORT).into());
        }
        let default = QueueConfig::default();
        Config {
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
        }
    }
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
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn file(text: &str) -> File {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let args = Args::parse_from(["jobflow-server", "--redis", "redis://flag/"]);
        let config = args.over(file(
            "redis = 'redis://file/'\nlisten = ['127.0.0.1:1']\nlog_format = 'json'",
        ));
        assert_eq!(config.redis_url, "redis://flag/");
        assert_eq!(config.listen, ["127.0.0.1:1".parse().unwrap()]);
        assert_eq!(config.log_format, LogFormat::Json);
        assert!(config.reflection && !config.allow_eviction);
    }

    #[test]
    fn nothing_set_means_the_local_machine() {
        let config = Config::default();
        assert_eq!(config.redis_url, "redis://127.0.0.1:6379/");
        assert_eq!(config.listen, ["127.0.0.1:4000".parse().unwrap()]);
        assert_eq!(config.namespace.as_str(), "default");
    }

    #[test]
    fn a_listener_can_be_given_several_times() {
        let args = Args::parse_from(["x", "--listen", "127.0.0.1:4000", "--listen", "[::1]:4000"]);
        assert_eq!(args.over(File::default()).listen.len(), 2);
    }

    #[test]
    fn durability_is_spelled_in_the_file_as_on_the_command_line() {
        let text = "durability = 'replicated'\nreplicas = 2\ndurability_timeout = '250ms'";
        let args = Args::parse_from(["x", "--replicas", "3"]);
        let config = args.over(file(text));
        assert_eq!(config.durability, Durability::Replicated);
        assert_eq!(config.replicas, 3);
        assert_eq!(config.durability_timeout, Duration::from_millis(250));
        let error = toml::from_str::<File>("durability = 'disk'").unwrap_err();
        assert!(error.to_string().contains("replicated"), "{error}");
        assert_eq!(Config::default().durability, Durability::Memory);
    }

    #[test]
    fn a_typing_error_in_the_file_is_not_a_setting() {
        let error = toml::from_str::<File>("lissten = []").unwrap_err();
        assert!(error.to_string().contains("lissten"), "{error}");
    }
}
