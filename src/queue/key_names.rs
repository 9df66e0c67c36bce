//! The names of all keys of a namespace, on all servers, in bounded steps.

use std::sync::Arc;

use crate::error::Result;
use crate::keys;
use crate::queue::Core;
use crate::redis::Node;

/// A walk through the names. One that is there from its beginning to its end
/// comes at least once; one that moves to another server meanwhile may not.
pub(crate) struct KeyNames {
    step: usize,
    /// What is left to go through, the last first.
    left: Vec<(Arc<Node>, String)>,
    cursor: u64,
}

impl Core {
    /// Goes through the names, looking at about `step` keys at a time.
    pub(crate) async fn key_names(&self, step: usize) -> Result<KeyNames> {
        let patterns = keys::pattern(&self.config.namespace);
        let nodes = self.store.nodes().await?;
        let of_node = |node: &Arc<Node>| patterns.clone().map(|all| (Arc::clone(node), all));
        Ok(KeyNames {
            step,
            left: nodes.iter().flat_map(of_node).collect(),
            cursor: 0,
        })
    }
}

impl KeyNames {
    /// The next names, possibly none; `None` at the end.
    pub(crate) async fn next(&mut self, core: &Core) -> Result<Option<Vec<String>>> {
        let Some((node, pattern)) = self.left.last() else {
            return Ok(None);
        };
        let mut scan = ::redis::cmd("SCAN");
        scan.arg(self.cursor).arg("MATCH").arg(pattern);
        scan.arg("COUNT").arg(self.step);
        let (next, found): (u64, Vec<String>) = core.store.run_at(node, &scan).await?;
        self.cursor = next;
        if next == 0 {
            self.left.pop();
        }
        Ok(Some(found))
    }
}
