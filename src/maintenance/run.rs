//! The loop around a duty: period, jitter, and going on after any error.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{promoter, pruner, reaper};
use crate::error::Result;
use crate::job::QueueName;
use crate::queue::JobQueue;

/// How often each duty looks at every queue; `None` leaves it to others.
///
/// Claims promote and reap on their way, so a worker needs the pruner only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duties {
    /// Moves due jobs to waiting.
    pub promote_every: Option<Duration>,
    /// Takes jobs back whose lease ran out.
    pub reap_every: Option<Duration>,
    /// Drops finished jobs over their count or age.
    pub prune_every: Option<Duration>,
}

/// Runs all duties until `stop`. Survives every error: it is logged when it
/// begins and when it ends, and the next round tries again.
pub async fn run(queue: JobQueue, duties: Duties, stop: impl Future<Output = ()>) {
    let stopped = CancellationToken::new();
    let all = async {
        tokio::join!(
            every(
                "promoter",
                duties.promote_every,
                &queue,
                &stopped,
                promoter::step
            ),
            every("reaper", duties.reap_every, &queue, &stopped, reaper::step),
            every("pruner", duties.prune_every, &queue, &stopped, pruner::step),
        )
    };
    tokio::pin!(all);
    tokio::select! {
        _ = &mut all => return,
        () = stop => stopped.cancel(),
    }
    all.await;
}

async fn every<F>(
    duty: &str,
    period: Option<Duration>,
    queue: &JobQueue,
    stopped: &CancellationToken,
    step: F,
) where
    F: AsyncFn(&JobQueue, &QueueName) -> Result<()>,
{
    let Some(period) = period else { return };
    let mut healthy = true;
    loop {
        // Jitter keeps the rounds of many processes apart.
        let pause = period.mul_f64(rand::random_range(0.75..1.0));
        if stopped
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
        match round(queue, &step).await {
            Ok(()) if !healthy => tracing::info!(duty, "the duty is at work again"),
            Err(error) if healthy => tracing::warn!(duty, %error, "the duty can not do its work"),
            other => {
                healthy = other.is_ok();
                continue;
            }
        }
        healthy = !healthy;
    }
}

async fn round<F>(queue: &JobQueue, step: &F) -> Result<()>
where
    F: AsyncFn(&JobQueue, &QueueName) -> Result<()>,
{
    for name in queue.queues().await? {
        step(queue, &name).await?;
    }
    Ok(())
}
