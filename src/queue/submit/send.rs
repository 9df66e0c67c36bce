//! From a batch of any jobs to calls of one partition and one durability each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::call::{Answer, Chunk, submit_shared};
use super::place::place;
use super::{Prepared, Submitted, durable};
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::job::{JobId, QueueName};
use crate::lua::MAX_JOBS;
use crate::partition::Partition;
use crate::queue::Core;
use crate::queue::reach::is_out_of_reach;

/// The most bytes of payloads in one call, so that one batch of large payloads
/// does not hold up everybody else.
const MAX_CALL_BYTES: usize = 4 * 1024 * 1024;
/// Calls of one batch under way at once.
const CALLS_IN_FLIGHT: usize = 2;
/// How often jobs are sent again because their queue has got another durability
/// or is spread otherwise, or their keys are free now.
const MAX_TURNS: usize = 5;

pub(super) type Verdicts = Vec<Option<Result<Submitted>>>;

/// Sends jobs of any queues, one call per partition, durability and chunk.
pub(crate) async fn send(core: Arc<Core>, mut jobs: Vec<Prepared>) -> Vec<Result<Submitted>> {
    let mut verdicts: Verdicts = jobs.iter().map(|_| None).collect();
    for _ in 0..MAX_TURNS {
        place(&core, &mut jobs, &mut verdicts).await;
        let [memory, fsync, replicated] = chunks_by_durability(&core, &jobs, &verdicts);
        let mut sent = send_shared(&core, &jobs, memory, &mut verdicts).await;
        for (class, chunks) in [
            (Durability::Fsync, fsync),
            (Durability::Replicated, replicated),
        ] {
            if !chunks.is_empty() {
                // Boxed, so that those who do not need it do not carry its size.
                for (chunk, answer) in Box::pin(durable::send(&core, class, &jobs, chunks)).await {
                    // On two connections in turn: the first may have stored it.
                    sent.extend(&chunk.places);
                    note(&core, chunk, answer, &mut verdicts);
                }
            }
        }
        if verdicts.iter().all(Option::is_some) {
            break;
        }
        sent.into_iter().for_each(|at| jobs[at].sent = true);
    }
    // Nothing was stored of those that are left: somebody changes their queue without end.
    verdicts
        .into_iter()
        .map(|verdict| verdict.unwrap_or(Err(Error::StoreUnavailable)))
        .collect()
}

/// While one call is under way the next is written, in order. Returns the places
/// of those that may be stored.
async fn send_shared(
    core: &Core,
    jobs: &[Prepared],
    chunks: Vec<Chunk>,
    verdicts: &mut Verdicts,
) -> Vec<usize> {
    let calls = chunks.into_iter().map(async |chunk| {
        let mut was_lost = false;
        let answer = submit_shared(core, jobs, &chunk, &mut was_lost).await;
        (chunk, answer, was_lost)
    });
    let mut answers = stream::iter(calls).buffered(CALLS_IN_FLIGHT);
    let mut sent = Vec::new();
    while let Some((chunk, answer, was_lost)) = answers.next().await {
        if was_lost {
            sent.extend(&chunk.places);
        }
        note(core, chunk, answer, verdicts);
    }
    sent
}

fn note(core: &Core, chunk: Chunk, answer: Result<Answer>, verdicts: &mut Verdicts) {
    match answer {
        Ok(Answer::Verdicts(submitted)) => {
            for (at, submitted) in chunk.places.into_iter().zip(submitted) {
                verdicts[at] = submitted;
            }
        }
        Ok(Answer::Moved) => {}
        Err(error) => {
            if is_out_of_reach(&error) {
                core.spreads.avoid(&chunk.queue);
            }
            for at in chunk.places {
                verdicts[at] = Some(Err(error.clone()));
            }
        }
    }
}

/// The jobs without a verdict.
fn chunks_by_durability(
    core: &Core,
    jobs: &[Prepared],
    verdicts: &Verdicts,
) -> [Vec<Chunk>; Durability::ALL.len()] {
    let mut all = Durability::ALL.map(|_| Vec::new());
    let groups = grouped(jobs, |job| (&job.job.queue, job.id.partition(), job.bound));
    for ((queue, number, bound), places) in groups {
        let queue = Partition::new(queue.clone(), number);
        let found = core.durability_of(&queue);
        let epoch = core.spreads.of(queue.queue()).epoch_text();
        let of_queue = found.unwrap_or(core.config.durability);
        let mut by_class = Durability::ALL.map(|_| Vec::new());
        for at in places {
            if verdicts[at].is_none() {
                let class = jobs[at].job.durability.unwrap_or(of_queue);
                by_class[class as usize].push(at);
            }
        }
        for (all, places) in all.iter_mut().zip(by_class) {
            all.extend(chunks(jobs, &places).into_iter().map(|places| Chunk {
                queue: queue.clone(),
                epoch: epoch.clone(),
                bound,
                places,
                found,
            }));
        }
    }
    all
}

/// The places of the items of each partition, in order.
pub(crate) fn by_partition<'a, T>(
    items: &'a [T],
    address: impl Fn(&'a T) -> (&'a QueueName, JobId),
) -> impl Iterator<Item = (Partition, Vec<usize>)> {
    let groups = grouped(items, |item| {
        let (queue, id) = address(item);
        (queue, id.partition())
    });
    let groups = groups.into_iter();
    groups.map(|((queue, number), places)| (Partition::new(queue.clone(), number), places))
}

fn grouped<'a, T, K: Eq + Hash>(
    items: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> HashMap<K, Vec<usize>> {
    let mut groups = HashMap::<_, Vec<_>>::new();
    for (at, item) in items.iter().enumerate() {
        groups.entry(key(item)).or_default().push(at);
    }
    groups
}

/// Calls of about the same size, none over the limits.
fn chunks(jobs: &[Prepared], places: &[usize]) -> Vec<Vec<usize>> {
    if places.is_empty() {
        return Vec::new();
    }
    let most = places.len().div_ceil(places.len().div_ceil(MAX_JOBS));
    let mut chunks = vec![Vec::with_capacity(most)];
    let mut bytes = 0;
    for at in places {
        let chunk = chunks.last_mut().expect("starts with one chunk");
        let size = jobs[*at].job.payload.len();
        bytes += size;
        if chunk.len() == most || (bytes > MAX_CALL_BYTES && !chunk.is_empty()) {
            bytes = size;
            chunks.push(vec![*at]);
        } else {
            chunk.push(*at);
        }
    }
    chunks
}
