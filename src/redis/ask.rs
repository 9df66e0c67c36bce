//! Asking the servers of a cluster who owns what, of whom any may stand still.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{ErrorKind, RedisError, RedisResult, Value};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::node::Node;
use super::topology::{Range, read_slots};

/// How long one server may take to say who owns what.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_millis(500);
/// When the next one is asked as well: one that stands still is asked by chance, and
/// calls wait for the answer.
pub(super) const ASK_NEXT_AFTER: Duration = Duration::from_millis(50);

/// The answer of the first server that gives one. The next is asked as soon as one
/// has failed, or has not answered for a moment.
pub(super) async fn ask_each(nodes: &[Arc<Node>]) -> RedisResult<Vec<Range>> {
    let mut command = ::redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let command = &command;
    let ask = |node: &Arc<Node>| {
        let node = Arc::clone(node);
        async move {
            let answer = timeout(ASK_TIMEOUT, node.query::<Value>(command)).await;
            (node, answer)
        }
    };
    let mut last = RedisError::from((ErrorKind::Io, "no server of the cluster answers"));
    let mut nodes = nodes.iter();
    let mut under_way = FuturesUnordered::new();
    loop {
        under_way.extend(nodes.next().map(ask));
        let next = under_way.next();
        let next = if nodes.len() > 0 {
            timeout(ASK_NEXT_AFTER, next).await
        } else {
            Ok(next.await)
        };
        let (node, answer) = match next {
            Ok(Some(answered)) => answered,
            Ok(None) => return Err(last),
            Err(_) => continue,
        };
        match answer {
            Ok(Ok(reply)) => match read_slots(reply, node.address()) {
                Some(ranges) if !ranges.is_empty() => return Ok(ranges),
                // One that has been removed from the cluster knows of nobody.
                _ => {}
            },
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
}
