//! The command line and environment of `jobflow-worker`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, ValueEnum};
use jobflow::{Kind, Namespace, QueueConfig, QueueName, RedisAccess};
use jobflow_worker::handlers::HandlerSpec;

/// Runs JobFlow jobs by commands, or by calling processes in any language.
#[derive(Parser)]
#[command(name = "jobflow-worker", version)]
pub(crate) struct Config {
    /// The Redis to claim jobs from.
    #[arg(
        long,
        value_name = "URL",
        env = "JOBFLOW_REDIS_URL",
        hide_env_values = true
    )]
    #[arg(default_value = "redis://127.0.0.1:6379/")]
    pub(crate) redis: String,

    #[command(flatten)]
    pub(crate) redis_access: RedisArgs,

    /// The installation within that Redis.
    #[arg(
        long,
        value_name = "NAME",
        env = "JOBFLOW_NAMESPACE",
        default_value = "default"
    )]
    pub(crate) namespace: Namespace,

    /// A queue to claim from; may be given several times.
    #[arg(long = "queue", value_name = "NAME", default_value = "default")]
    pub(crate) queues: Vec<QueueName>,

    /// How many attempts run at once.
    #[arg(long, value_name = "N", default_value_t = jobflow_worker::DEFAULT_CONCURRENCY)]
    pub(crate) concurrency: usize,

    /// What runs jobs of a kind (`*` = any other): `grpc:http://127.0.0.1:50061`,
    /// `http:https://example.com/hook`, `exec:./command` or
    /// `simulate:50ms..500ms,fail=5%`; may be given several times.
    #[arg(long = "handler", value_name = "KIND=SPEC", value_parser = handler)]
    pub(crate) handlers: Vec<(String, HandlerSpec)>,

    /// Secrets that requests of `http:` handlers are signed with, one a line.
    #[arg(long, value_name = "FILE", env = "JOBFLOW_HTTP_SECRET_FILE")]
    pub(crate) http_secret_file: Option<PathBuf>,

    /// Keys that open sealed payloads, one a line; the first seals results.
    #[arg(long, value_name = "FILE", env = "JOBFLOW_PAYLOAD_KEYS_FILE")]
    pub(crate) payload_keys_file: Option<PathBuf>,

    /// How long a lease holds without being extended.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = humantime::parse_duration)]
    pub(crate) lease: Duration,

    /// How long running attempts may go on after SIGTERM.
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = humantime::parse_duration)]
    pub(crate) grace: Duration,

    /// Where to serve health and metrics [default: 127.0.0.1:4001, or a free port if that is taken].
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,

    /// The form of log lines.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "JOBFLOW_LOG_FORMAT",
        default_value = "text"
    )]
    pub(crate) log_format: LogFormat,

    /// Work with a Redis that evicts keys, which can lose jobs.
    #[arg(long)]
    pub(crate) allow_eviction: bool,
}

/// How the worker shows itself to Redis, and by what it knows it.
#[derive(Debug, Args)]
pub(crate) struct RedisArgs {
    /// Who signs the certificate of Redis, as PEM [default: the authorities of the system].
    #[arg(long, value_name = "FILE", env = "JOBFLOW_REDIS_CA")]
    redis_ca: Option<PathBuf>,

    /// The certificate chain that Redis is shown, as PEM.
    #[arg(long, value_name = "FILE", env = "JOBFLOW_REDIS_CERT")]
    redis_cert: Option<PathBuf>,

    /// The private key of that certificate, as PEM.
    #[arg(long, value_name = "FILE", env = "JOBFLOW_REDIS_KEY")]
    redis_key: Option<PathBuf>,

    /// The ACL user of Redis to log in as.
    #[arg(long, value_name = "NAME", env = "JOBFLOW_REDIS_USER")]
    redis_user: Option<String>,

    /// A file whose first line is the password of Redis.
    #[arg(long, value_name = "FILE", env = "JOBFLOW_REDIS_PASSWORD_FILE")]
    redis_password_file: Option<PathBuf>,

    /// Send the password of Redis unencrypted to another machine.
    #[arg(long, env = "JOBFLOW_REDIS_PLAINTEXT_PASSWORD", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    redis_plaintext_password: bool,
}

impl RedisArgs {
    fn access(&self) -> RedisAccess {
        RedisAccess {
            ca: self.redis_ca.clone(),
            cert: self.redis_cert.clone(),
            key: self.redis_key.clone(),
            user: self.redis_user.clone(),
            password_file: self.redis_password_file.clone(),
            plaintext_password: self.redis_plaintext_password,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Config {
    pub(crate) fn queue(&self) -> QueueConfig {
        QueueConfig {
            redis_url: self.redis.clone(),
            redis_access: self.redis_access.access(),
            namespace: self.namespace.clone(),
            allow_eviction: self.allow_eviction,
            ..QueueConfig::default()
        }
    }
}

fn handler(text: &str) -> Result<(String, HandlerSpec), String> {
    let (kind, spec) = text
        .split_once('=')
        .ok_or("must be KIND=SPEC, for example '*=simulate:50ms..500ms'")?;
    if kind != "*" {
        Kind::new(kind).map_err(|error| error.to_string())?;
    }
    let spec = spec
        .parse::<HandlerSpec>()
        .map_err(|error| error.to_string())?;
    Ok((kind.to_owned(), spec))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Config::command().debug_assert();
    }

    #[test]
    fn handlers_are_read_with_their_kind() {
        assert_eq!(handler("resize=exec:./resize.sh a=b").unwrap().0, "resize");
        assert_eq!(handler("*=simulate:1s").unwrap().0, "*");
        for bad in ["simulate:1s", "=simulate:1s", "a b=simulate:1s", "a=b"] {
            assert!(handler(bad).is_err(), "{bad}");
        }
    }
}
