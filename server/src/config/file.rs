//! What the file may set.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jobflow::{Durability, RedisAccess};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{AuthMode, ConfigError, LogFormat};

/// The settings of the file. Unknown names are refused, so that a typing error
/// does not pass as a setting.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) redis: Option<String>,
    pub(super) redis_ca: Option<PathBuf>,
    pub(super) redis_cert: Option<PathBuf>,
    pub(super) redis_key: Option<PathBuf>,
    pub(super) redis_user: Option<String>,
    pub(super) redis_password_file: Option<PathBuf>,
    pub(super) redis_plaintext_password: bool,
    pub(super) namespace: Option<String>,
    pub(super) listen: Vec<SocketAddr>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) allow_eviction: bool,
    #[serde(deserialize_with = "spelled")]
    pub(super) durability: Option<Durability>,
    pub(super) replicas: Option<u32>,
    #[serde(deserialize_with = "spelled")]
    pub(super) durability_timeout: Option<humantime::Duration>,
    pub(super) no_reflection: bool,
    pub(super) auth: Option<AuthMode>,
    pub(super) admin_token_file: Option<PathBuf>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) tls_client_ca: Option<PathBuf>,
    pub(super) tls_client_crl: Option<PathBuf>,
    pub(super) tls_principals: Option<PathBuf>,
    pub(super) insecure_behind_proxy: bool,
    pub(super) allow_origin: Vec<String>,
    pub(super) max_connections: Option<usize>,
    pub(super) max_connections_per_address: Option<usize>,
    pub(super) max_call_rate: Option<u32>,
    pub(super) max_calls: Option<usize>,
    pub(super) max_streams: Option<usize>,
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

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// What it says of the way to Redis, beside the URL.
    pub(super) fn redis_access(&mut self) -> RedisAccess {
        RedisAccess {
            ca: self.redis_ca.take(),
            cert: self.redis_cert.take(),
            key: self.redis_key.take(),
            user: self.redis_user.take(),
            password_file: self.redis_password_file.take(),
            plaintext_password: self.redis_plaintext_password,
        }
    }
}
