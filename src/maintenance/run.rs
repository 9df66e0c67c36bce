//! The loop around a duty: period, jitter, and going on after any error.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{promoter, pruner, reaper};
use crate::error::Result;
use crate::partition::Partition;
use crate::pulse::{Pulse, Pulses};
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

/// How much longer than two of its periods a duty may be silent: a round over
/// many queues takes its time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs all duties until `stop`. Survives every error: it is logged when it
/// begins and when it ends, counted in `pulses`, and the next round tries again.
pub async fn run(queue: JobQueue, duties: Duties, pulses: Pulses, stop: impl Future<Output = ()>) {
    let stopped = CancellationToken::new();
    let begin = |name, period: Option<Duration>| {
        period.map(|period| (period, pulses.begin(name, 2 * period + PATIENCE)))
    };
    let promotes = begin("promoter", duties.promote_every);
    let reaps = begin("reaper", duties.reap_every);
    let prunes = begin("pruner", duties.prune_every);
    let mut all = Box::pin(async {
        tokio::join!(
            every(promotes, &queue, &stopped, promoter::step),
            every(reaps, &queue, &stopped, reaper::step),
            every(prunes, &queue, &stopped, pruner::step),
        )
    });
    tokio::select! {
        _ = &mut all => return,
        () = stop => stopped.cancel(),
    }
    all.await;
}

async fn every<F>(
    duty: Option<(Duration, Arc<Pulse>)>,
    queue: &JobQueue,
    stopped: &CancellationToken,
    step: F,
) where
    F: AsyncFn(&JobQueue, &Partition) -> Result<()>,
{
    let Some((period, pulse)) = duty else { return };
    let mut worked = true;
    loop {
        // Jitter keeps the rounds of many processes apart.
        let jittered = period.mul_f64(rand::random_range(0.75..1.0));
        let pause = if worked {
            jittered
        } else {
            pulse.pause().min(jittered)
        };
        if stopped
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
        worked = pulse.round(round(queue, &step)).await.is_ok();
    }
}

/// Goes on with the other partitions when one fails.
async fn round<F>(queue: &JobQueue, step: &F) -> Result<()>
where
    F: AsyncFn(&JobQueue, &Partition) -> Result<()>,
{
    let mut outcome = Ok(());
    for part in queue.all_partitions().await? {
        let stepped = step(queue, &part).await;
        outcome = outcome.and(stepped);
    }
    outcome
}
