//! Create jobs.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::error::{Error, Result};
use crate::job::{JobId, QueueName, StoreTime};
use crate::keys::{self, QueueKeys};
use crate::lua::{self, Call, MAX_JOBS};
use crate::new_job::NewJob;
use crate::options::{Priority, RunAt};
use crate::queue::{Core, JobQueue};
use crate::spec::{Spec, millis};
use crate::state::JobState;

/// The most bytes of payloads in one call, so that one batch of large payloads
/// does not hold up everybody else.
const MAX_CALL_BYTES: usize = 4 * 1024 * 1024;
/// Calls of one batch under way at once.
const CALLS_IN_FLIGHT: usize = 2;

/// What a submit stored, or found stored already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The job's id.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// `Waiting` or `Scheduled`; any state for a duplicate.
    pub state: JobState,
    /// When it was submitted, by the clock of the store.
    pub time: StoreTime,
    /// The job existed under the id, request id or idempotency key.
    pub duplicate: bool,
}

impl JobQueue {
    /// Creates a job, or returns the one that exists under its id, request id
    /// or idempotency key. Calls made at the same time share a round trip.
    ///
    /// # Errors
    /// `STORE_OUT_OF_MEMORY`: nothing was stored. `STORE_UNAVAILABLE` and the
    /// like: it may or may not have been stored; submit again under the same
    /// id or key.
    pub async fn submit(&self, job: NewJob) -> Result<Submitted> {
        let submitted = self.submits.call(Prepared::new(job)).await?;
        self.with_present_state(submitted).await
    }

    /// Creates many jobs. Each has a result of its own, in order.
    ///
    /// # Errors
    /// Per job, as for [`JobQueue::submit`].
    pub async fn submit_batch(&self, jobs: Vec<NewJob>) -> Vec<Result<Submitted>> {
        let prepared = jobs.into_iter().map(Prepared::new).collect();
        let mut results = send(Arc::clone(&self.core), prepared).await;
        for result in &mut results {
            if let Ok(submitted) = result
                && submitted.duplicate
            {
                *result = self.with_present_state(submitted.clone()).await;
            }
        }
        results
    }

    /// A duplicate may be in any state by now.
    async fn with_present_state(&self, submitted: Submitted) -> Result<Submitted> {
        if !submitted.duplicate {
            return Ok(submitted);
        }
        let job = self.get_in(&submitted.queue, submitted.id).await?;
        let job = job.ok_or(Error::JobNotFound { id: submitted.id })?;
        Ok(Submitted {
            state: job.state,
            time: job.created,
            ..submitted
        })
    }
}

/// A job and its id.
pub(crate) struct Prepared {
    id: JobId,
    /// The id was made just now.
    fresh: bool,
    job: NewJob,
}

impl Prepared {
    fn new(job: NewJob) -> Self {
        Self {
            fresh: job.id.is_none(),
            id: job.id.unwrap_or_else(|| JobId::generate(&job.queue)),
            job,
        }
    }

    /// The verdict, unless the job existed already.
    fn stored(&self, now: StoreTime) -> Submitted {
        Submitted {
            id: self.id,
            queue: self.job.queue.clone(),
            state: self.job.run_at.state_at(now),
            time: now,
            duplicate: false,
        }
    }
}

/// What the script has to know of a job beyond its spec; nothing when all is
/// as usual.
fn extras(job: &NewJob) -> Vec<u8> {
    let (clock, ms) = match job.run_at {
        RunAt::Now => (0, 0),
        RunAt::After(delay) => (1, millis(delay)),
        RunAt::At(time) => (2, time.0),
    };
    // A request that carries a key can be repeated under that; it needs no second entry.
    let entry = match (&job.idempotency_key, job.request_id) {
        (Some(key), _) => keys::idempotency_entry(key),
        (None, Some(request_id)) => keys::request_entry(request_id),
        (None, None) => String::new(),
    };
    if job.priority == Priority::default() && clock == 0 && entry.is_empty() {
        return Vec::new();
    }
    let ms = &ms.to_le_bytes()[..6];
    [&[job.priority.get(), clock], ms, entry.as_bytes()].concat()
}

/// Sends jobs of any queues, one call per queue and chunk; while one is under
/// way the next is written, in order.
pub(crate) async fn send(core: Arc<Core>, jobs: Vec<Prepared>) -> Vec<Result<Submitted>> {
    let mut results: Vec<Option<Result<Submitted>>> = jobs.iter().map(|_| None).collect();
    let mut calls = Vec::new();
    for (queue, places) in by_queue(&jobs, |job| &job.job.queue) {
        calls.extend(
            chunks(&jobs, &places)
                .into_iter()
                .map(|chunk| (queue.clone(), chunk)),
        );
    }
    let calls = calls
        .into_iter()
        .map(|(queue, chunk)| submit_chunk(&core, queue, &jobs, chunk));
    let mut answers = stream::iter(calls).buffered(CALLS_IN_FLIGHT);
    while let Some((verdicts, chunk)) = answers.next().await {
        match verdicts {
            Ok(submitted) => {
                for (at, submitted) in chunk.into_iter().zip(submitted) {
                    results[at] = Some(Ok(submitted));
                }
            }
            Err(error) => chunk
                .into_iter()
                .for_each(|at| results[at] = Some(Err(error.clone()))),
        }
    }
    drop(answers);
    let missing = || {
        Err(Error::Internal {
            message: "a job of a batch got no verdict".to_owned(),
        })
    };
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(missing))
        .collect()
}

/// The places of the items of each queue, in order.
pub(crate) fn by_queue<T>(
    items: &[T],
    queue: impl Fn(&T) -> &QueueName,
) -> HashMap<&QueueName, Vec<usize>> {
    let mut groups = HashMap::<_, Vec<_>>::new();
    for (at, item) in items.iter().enumerate() {
        groups.entry(queue(item)).or_default().push(at);
    }
    groups
}

/// Calls of about the same size, none over the limits.
fn chunks(jobs: &[Prepared], places: &[usize]) -> Vec<Vec<usize>> {
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

/// The answer, and the places of the jobs it is about.
async fn submit_chunk(
    core: &Core,
    queue: QueueName,
    jobs: &[Prepared],
    chunk: Vec<usize>,
) -> (Result<Vec<Submitted>>, Vec<usize>) {
    let chunk_jobs: Vec<_> = chunk.iter().map(|at| &jobs[*at]).collect();
    (submit_jobs(core, &queue, &chunk_jobs).await, chunk)
}

async fn submit_jobs(core: &Core, queue: &QueueName, jobs: &[&Prepared]) -> Result<Vec<Submitted>> {
    let keys = core.register(queue).await?;
    // An id that was made for this call can not be there before it.
    let fresh = jobs.iter().all(|job| job.fresh);
    let reply = match submit_call(&keys, jobs, fresh).run_once(&core.store).await {
        // It may have been stored: from now on the ids must be looked for.
        Err(Error::StoreUnavailable) => {
            submit_call(&keys, jobs, false)
                .run_once(&core.store)
                .await?
        }
        other => other?,
    };
    let (now, existed): (u64, Vec<(usize, Bytes)>) = reply;
    let now = StoreTime(now);
    let mut submitted: Vec<_> = jobs.iter().map(|job| job.stored(now)).collect();
    for (place, id) in existed {
        let existing = JobId::from_slice(&id);
        let at = place.wrapping_sub(1);
        let (Some(existing), Some(job), Some(submitted)) =
            (existing, jobs.get(at), submitted.get_mut(at))
        else {
            return Err(Error::Internal {
                message: "submit answered for another job".to_owned(),
            });
        };
        // The job's own id, made just now: stored by this very call, whose
        // first answer was lost.
        if !(job.fresh && existing == job.id) {
            submitted.id = existing;
            submitted.duplicate = true;
        }
    }
    Ok(submitted)
}

fn submit_call(keys: &QueueKeys, jobs: &[&Prepared], fresh: bool) -> Call {
    let mut call = Call::new(&lua::SUBMIT, keys);
    call.arg(if fresh { "fresh" } else { "check" });
    for Prepared { id, job, .. } in jobs {
        call.arg(id.as_bytes())
            .arg(&Spec::encode(job)[..])
            .arg(&extras(job)[..]);
    }
    call
}
