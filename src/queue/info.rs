//! What `INFO` of the store answers.

use std::time::Duration;

use crate::error::Result;
use crate::queue::Core;
use crate::redis::Node;

/// What is known of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// Of the Redis server, for example `7.0.15`.
    pub version: String,
    /// How long it took to answer.
    pub round_trip: Duration,
    /// How many bytes it uses; those of all servers that share the store.
    pub used_memory: u64,
    /// How many it may use; 0 when nothing but the machine limits it.
    pub max_memory: u64,
}

impl StoreInfo {
    pub(crate) fn read(info: &Info, round_trip: Duration) -> Self {
        Self {
            version: info.text("redis_version").to_owned(),
            round_trip,
            used_memory: info.number("used_memory"),
            max_memory: info.number("maxmemory"),
        }
    }

    /// With the memory of another server. Where one has no limit, both
    /// together have none.
    pub(crate) fn and(self, other: &Self) -> Self {
        let is_limited = self.max_memory > 0 && other.max_memory > 0;
        let both = self.max_memory + other.max_memory;
        Self {
            used_memory: self.used_memory + other.used_memory,
            max_memory: if is_limited { both } else { 0 },
            ..self
        }
    }
}

/// Fields by name, as the store spells them.
pub(crate) struct Info(String);

impl Info {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Asks one server for all of it.
    pub(crate) async fn read(core: &Core, node: &Node) -> Result<Self> {
        let mut info = ::redis::cmd("INFO");
        core.store
            .run_at(node, info.arg("everything"))
            .await
            .map(Self)
    }

    /// The value of a field; empty when there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// Whether the store is of this version or newer.
    pub(crate) fn is_since(&self, version: [u32; 2]) -> bool {
        let found = self.text("redis_version");
        let mut numbers = found.split('.').map(|part| part.parse().unwrap_or(0));
        version.map(|_| numbers.next().unwrap_or(0)) >= version
    }
}
