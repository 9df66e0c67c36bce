//! How a handle is set up.

use std::fmt;
use std::time::Duration;

use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::job::Namespace;
use crate::options::{DEFAULT_CRASH_CAP, Retention};
use crate::redis::RedisAccess;

const MAX_REPLICAS: u32 = 16;
const MAX_DURABILITY_TIMEOUT: Duration = Duration::from_secs(60);

/// How to reach the store, and the rules of this process.
#[derive(Clone)]
pub struct QueueConfig {
    /// For example `redis://127.0.0.1:6379/`.
    pub redis_url: String,
    /// Certificates, and a login that the URL does not have.
    pub redis_access: RedisAccess,
    /// Separates installations in one Redis.
    pub namespace: Namespace,
    /// What is kept of finished jobs.
    pub retention: Retention,
    /// At how many lost workers a job fails.
    pub crash_cap: u32,
    /// Work with a store that may throw jobs away.
    pub allow_eviction: bool,
    /// How safe a job is before its submit is acknowledged, where neither it
    /// nor its queue says otherwise.
    pub durability: Durability,
    /// How many replicas must have a job of class `replicated`: 1 to 16.
    pub replicas: u32,
    /// How long a submit waits for disk or replicas: 1 ms to 60 s.
    pub durability_timeout: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            redis_url: "redis://127.0.0.1:6379/".to_owned(),
            redis_access: RedisAccess::default(),
            namespace: Namespace::default(),
            retention: Retention::default(),
            crash_cap: DEFAULT_CRASH_CAP,
            allow_eviction: false,
            durability: Durability::default(),
            replicas: 1,
            durability_timeout: Duration::from_secs(2),
        }
    }
}

/// All but the URL, which may have a password.
impl fmt::Debug for QueueConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueConfig")
            .field("namespace", &self.namespace)
            .field("retention", &self.retention)
            .field("crash_cap", &self.crash_cap)
            .field("allow_eviction", &self.allow_eviction)
            .field("durability", &self.durability)
            .field("replicas", &self.replicas)
            .field("durability_timeout", &self.durability_timeout)
            .finish_non_exhaustive()
    }
}

impl QueueConfig {
    pub(super) fn check(&self) -> Result<()> {
        if !(1..=MAX_REPLICAS).contains(&self.replicas) {
            let message = format!("must be 1 to {MAX_REPLICAS}");
            return Err(Error::invalid("replicas", message));
        }
        let timeout = self.durability_timeout;
        if timeout < Duration::from_millis(1) || timeout > MAX_DURABILITY_TIMEOUT {
            return Err(Error::invalid("durability_timeout", "must be 1 ms to 60 s"));
        }
        Ok(())
    }
}
