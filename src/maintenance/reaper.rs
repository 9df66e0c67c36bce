//! Takes jobs back whose worker was lost.

use crate::error::Result;
use crate::partition::Partition;
use crate::queue::{JobQueue, Reaped};

/// The most steps for one partition in one round.
const STEPS: usize = 50;

pub(super) async fn step(queue: &JobQueue, part: &Partition) -> Result<()> {
    for _ in 0..STEPS {
        let Reaped { put_back, failed } = queue.reap_in(part).await?;
        crate::failpoint!("reap.stepped");
        if put_back + failed == 0 {
            break;
        }
        tracing::warn!(queue = %part, put_back, failed, "leases ran out");
    }
    Ok(())
}
