//! Takes jobs back whose worker was lost.

use crate::error::Result;
use crate::job::QueueName;
use crate::queue::{JobQueue, Reaped};

/// The most steps for one queue in one round.
const STEPS: usize = 50;

pub(super) async fn step(queue: &JobQueue, name: &QueueName) -> Result<()> {
    for _ in 0..STEPS {
        let Reaped { put_back, failed } = queue.reap(name).await?;
        crate::failpoint!("reap.stepped");
        if put_back + failed == 0 {
            break;
        }
        tracing::warn!(queue = %name, put_back, failed, "leases ran out");
    }
    Ok(())
}
