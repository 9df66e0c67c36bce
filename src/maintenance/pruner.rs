//! Drops finished jobs over their count or age.

use crate::error::Result;
use crate::partition::Partition;
use crate::queue::JobQueue;

/// The most steps for one partition in one round.
const STEPS: usize = 50;

pub(super) async fn step(queue: &JobQueue, part: &Partition) -> Result<()> {
    let mut spread = String::new();
    for _ in 0..STEPS {
        let dropped;
        (dropped, spread) = queue.prune_in(part).await?;
        crate::failpoint!("prune.stepped");
        if dropped == 0 {
            break;
        }
    }
    if part.number() > 0 {
        queue.settle(part, &spread).await?;
    }
    Ok(())
}
