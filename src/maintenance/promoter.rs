//! Moves due jobs to waiting. Claims do the same on their way; this duty is
//! for queues whose workers are all busy.

use crate::error::Result;
use crate::partition::Partition;
use crate::queue::JobQueue;

/// The most steps for one partition in one round.
const STEPS: usize = 50;

pub(super) async fn step(queue: &JobQueue, part: &Partition) -> Result<()> {
    for _ in 0..STEPS {
        let moved = queue.promote_in(part).await?;
        crate::failpoint!("promote.stepped");
        if moved == 0 {
            break;
        }
    }
    Ok(())
}
