//! One job a call, many callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;

use crate::setting::{job, print_rate, queue};

pub(crate) async fn run(n: usize, callers: usize) -> Result<()> {
    let queue = queue("enqueue")?;
    queue.submit(job()?).await?;
    let left = Arc::new(AtomicUsize::new(n));
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (queue, left) = (queue.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let take = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    queue.submit(job()?).await?;
                }
                Ok::<_, jobflow::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    print_rate("enqueue", n, ("c", callers), began.elapsed());
    Ok(())
}
