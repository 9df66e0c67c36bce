//! Drops finished jobs over their count or age.

use crate::error::Result;
use crate::job::QueueName;
use crate::queue::JobQueue;

/// The most steps for one queue in one round.
const STEPS: usize = 50;

pub(super) async fn step(queue: &JobQueue, name: &QueueName) -> Result<()> {
    for _ in 0..STEPS {
        let dropped = queue.prune(name).await?;
        crate::failpoint!("prune.stepped");
        if dropped == 0 {
            break;
        }
    }
    Ok(())
}
