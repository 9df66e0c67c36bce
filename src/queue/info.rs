//! What `INFO` of the store answers.

use crate::error::Result;
use crate::queue::Core;
use crate::redis::Node;

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
