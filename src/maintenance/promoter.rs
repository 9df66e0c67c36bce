//! Moves due jobs to waiting. Claims do the same on their way; this duty is
//! for queues whose workers are all busy.

use crate::error::Result;
use crate::job::QueueName;
use crate::queue::JobQueue;

/// The most steps for one queue in one round.
const STEPS: usize = 50;

pub(super) async fn step(queue: &JobQueue, name: &QueueName) -> Result<()> {
    for _ in 0..STEPS {
        let moved = queue.promote(name).await?;
        crate::failpoint!("promote.stepped");
        if moved == 0 {
            break;
        }
    }
    Ok(())
}
