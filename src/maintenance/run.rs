//! The loop around a duty: period, jitter, and going on after any error.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{promoter, pruner, reaper};
use crate::error::Result;
use crate::partition::{MAX_PARTITIONS, Partition};
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

/// How many partitions of a queue a round of the pruner looks at: of many some at
/// a time, as other processes look, too. Where jobs end they are counted anyway,
/// so only those that are too old wait for it.
const PRUNED: usize = 4;

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
            every(promotes, &queue, &stopped, usize::MAX, promoter::step),
            every(reaps, &queue, &stopped, usize::MAX, reaper::step),
            every(prunes, &queue, &stopped, PRUNED, pruner::step),
        )
    });
    tokio::select! {
        _ = &mut all => return,
        () = stop => stopped.cancel(),
    }
    all.await;
}

/// Takes a step in at most `most` partitions of each queue, again and again.
async fn every<F>(
    duty: Option<(Duration, Arc<Pulse>)>,
    queue: &JobQueue,
    stopped: &CancellationToken,
    most: usize,
    step: F,
) where
    F: AsyncFn(&JobQueue, &Partition) -> Result<()>,
{
    let Some((period, pulse)) = duty else { return };
    let mut worked = true;
    let mut turn: usize = rand::random_range(0..usize::from(MAX_PARTITIONS));
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
        worked = pulse.round(round(queue, most, turn, &step)).await.is_ok();
        turn = turn.wrapping_add(1);
    }
}

/// Goes on with the other partitions when one fails.
async fn round<F>(queue: &JobQueue, most: usize, turn: usize, step: &F) -> Result<()>
where
    F: AsyncFn(&JobQueue, &Partition) -> Result<()>,
{
    let mut outcome = Ok(());
    for part in whose_turn_it_is(&queue.all_partitions().await?, most, turn) {
        let stepped = step(queue, part).await;
        outcome = outcome.and(stepped);
    }
    outcome
}

/// At most so many partitions of each queue: each comes, turn by turn.
fn whose_turn_it_is(
    all: &[Partition],
    most: usize,
    turn: usize,
) -> impl Iterator<Item = &Partition> {
    let queues = all.chunk_by(|a, b| a.queue() == b.queue());
    queues.flat_map(move |parts| {
        let most = most.min(parts.len());
        let first = turn.wrapping_mul(most) % parts.len();
        parts.iter().cycle().skip(first).take(most)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn of_many_partitions_some_have_their_turn_and_each_has_one() {
        let names = (1..14).map(|number| format!("mail/{number}"));
        let all: Vec<_> = ["mail".to_owned()]
            .into_iter()
            .chain(names)
            .chain(["video".to_owned()])
            .map(|name| Partition::parse(&name).unwrap())
            .collect();
        let of_turn = |most, turn| whose_turn_it_is(&all, most, turn).collect::<BTreeSet<_>>();
        assert_eq!(of_turn(usize::MAX, 3).len(), all.len());
        let mut seen = BTreeSet::new();
        for turn in 0..7 {
            let some = of_turn(PRUNED, turn);
            assert_eq!(some.len(), PRUNED + 1, "{turn}");
            seen.extend(some);
        }
        assert_eq!(seen.len(), all.len());
    }
}
