//! The way to Redis, beside its URL.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use jobflow::RedisAccess;

/// How the server shows itself to Redis, and by what it knows it.
#[derive(Debug, Default, Args)]
pub struct RedisArgs {
    /// Who signs the certificate of Redis, as PEM [default: the authorities of the system]
    #[arg(long, env = "JOBFLOW_REDIS_CA", value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,
    /// The certificate chain that Redis is shown, as PEM
    #[arg(long, env = "JOBFLOW_REDIS_CERT", value_name = "FILE")]
    pub redis_cert: Option<PathBuf>,
    /// The private key of that certificate, as PEM
    #[arg(long, env = "JOBFLOW_REDIS_KEY", value_name = "FILE")]
    pub redis_key: Option<PathBuf>,
    /// The ACL user of Redis to log in as
    #[arg(long, env = "JOBFLOW_REDIS_USER", value_name = "NAME")]
    pub redis_user: Option<String>,
    /// A file whose first line is the password of Redis
    #[arg(long, env = "JOBFLOW_REDIS_PASSWORD_FILE", value_name = "FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// Send the password of Redis unencrypted to another machine
    #[arg(long, env = "JOBFLOW_REDIS_PLAINTEXT_PASSWORD", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub redis_plaintext_password: bool,
}

impl RedisArgs {
    /// Lays the flags over what the file says.
    pub(super) fn over(self, file: RedisAccess) -> RedisAccess {
        RedisAccess {
            ca: self.redis_ca.or(file.ca),
            cert: self.redis_cert.or(file.cert),
            key: self.redis_key.or(file.key),
            user: self.redis_user.or(file.user),
            password_file: self.redis_password_file.or(file.password_file),
            plaintext_password: self.redis_plaintext_password || file.plaintext_password,
        }
    }
}
