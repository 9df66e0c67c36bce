//! Many jobs a call, one caller.

use std::time::Instant;

use anyhow::Result;
use jobflow::JobQueue;

use crate::setting::{job, print_rate, queue};

pub(crate) async fn run(n: usize, size: usize) -> Result<()> {
    let queue = queue("bulk")?;
    queue.submit(job()?).await?;
    let began = Instant::now();
    submit(&queue, n, size).await?;
    print_rate("bulk", n, ("size", size), began.elapsed());
    Ok(())
}

/// Submits `n` jobs, `size` a call.
pub(crate) async fn submit(queue: &JobQueue, n: usize, size: usize) -> Result<()> {
    let mut left = n;
    while left > 0 {
        let batch = (0..left.min(size))
            .map(|_| job())
            .collect::<jobflow::Result<Vec<_>>>()?;
        left -= batch.len();
        for submitted in queue.submit_batch(batch).await {
            submitted?;
        }
    }
    Ok(())
}
