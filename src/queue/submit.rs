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
use crate::options::{KeyScope, OnConflict, Priority, RunAt, StartLimit};
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
    /// The job that held the idempotency key and had to make way.
    pub replaced: Option<JobId>,
}

impl JobQueue {
    /// Creates a job, or returns the one that exists under its id, request id
    /// or idempotency key. Calls made at the same time share a round trip.
    ///
    /// # Errors
    /// `QUEUE_DRAINING`, `QUEUE_FULL`, `IDEMPOTENCY_CONFLICT`,
    /// `STORE_OUT_OF_MEMORY`: nothing was stored. `STORE_UNAVAILABLE` and the
    /// like: it may or may not have been stored; submit again under the same
    /// id or key.
    pub async fn submit(&self, job: NewJob) -> Result<Submitted> {
        let rejected = Rejected::by(&job);
        let submitted = self.submits.call(Prepared::new(job)).await?;
        self.with_present_state(submitted, rejected).await
    }

    /// Creates many jobs. Each has a result of its own, in order.
    ///
    /// # Errors
    /// Per job, as for [`JobQueue::submit`].
    pub async fn submit_batch(&self, jobs: Vec<NewJob>) -> Vec<Result<Submitted>> {
        let rejected: Vec<_> = jobs.iter().map(Rejected::by).collect();
        let prepared = jobs.into_iter().map(Prepared::new).collect();
        let mut results = send(Arc::clone(&self.core), prepared).await;
        for (result, rejected) in results.iter_mut().zip(rejected) {
            if let Ok(submitted) = result
                && submitted.duplicate
            {
                *result = self.with_present_state(submitted.clone(), rejected).await;
            }
        }
        results
    }

    /// A duplicate may be in any state by now.
    async fn with_present_state(
        &self,
        submitted: Submitted,
        rejected: Rejected,
    ) -> Result<Submitted> {
        if !submitted.duplicate {
            return Ok(submitted);
        }
        let job = self.get_in(&submitted.queue, submitted.id).await?;
        let job = job.ok_or(Error::JobNotFound { id: submitted.id })?;
        if rejected.includes(job.id) {
            return Err(Error::IdempotencyConflict {
                id: job.id,
                state: job.state,
            });
        }
        Ok(Submitted {
            state: job.state,
            time: job.created,
            ..submitted
        })
    }
}

/// Which existing jobs are no answer to a submit.
#[derive(Clone, Copy)]
enum Rejected {
    None,
    /// All that hold its key. The job itself does when the submit is repeated.
    AllBut(Option<JobId>),
}

impl Rejected {
    fn by(job: &NewJob) -> Self {
        match job.on_conflict {
            OnConflict::Reject if job.idempotency_key.is_some() => Self::AllBut(job.id),
            _ => Self::None,
        }
    }

    fn includes(self, id: JobId) -> bool {
        matches!(self, Self::AllBut(own) if own != Some(id))
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

    /// Another job may have to make way.
    fn replaces(&self) -> bool {
        let policy = self.job.on_conflict;
        matches!(
            policy,
            OnConflict::ReplaceWaiting | OnConflict::CancelActive
        ) && self.job.idempotency_key.is_some()
    }

    /// The verdict, unless the script says otherwise.
    fn stored(&self, now: StoreTime) -> Submitted {
        Submitted {
            id: self.id,
            queue: self.job.queue.clone(),
            state: self.job.run_at.state_at(now),
            time: now,
            duplicate: false,
            replaced: None,
        }
    }
}

/// What the script has to know of a job beyond its spec, in the form that
/// `prelude_submit.lua` reads; nothing when all is as usual.
fn extras(prepared: &Prepared) -> Vec<u8> {
    let job = &prepared.job;
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
    let rider = rider(prepared);
    if job.priority == Priority::default() && clock == 0 && entry.is_empty() && rider.is_empty() {
        return Vec::new();
    }
    let ms = &ms.to_le_bytes()[..6];
    [&[job.priority.get(), clock], ms, &rider, entry.as_bytes()].concat()
}

/// What few jobs have; nothing for an ordinary one.
fn rider(prepared: &Prepared) -> Vec<u8> {
    let job = &prepared.job;
    let frees_key = job.key_scope == KeyScope::Unfinished && job.idempotency_key.is_some();
    let plain = !prepared.replaces() && !frees_key && job.tags.is_empty();
    if plain && job.start_limit == StartLimit::Never {
        return Vec::new();
    }
    let policy = match job.on_conflict {
        OnConflict::ReturnExisting | OnConflict::Reject => 0,
        OnConflict::ReplaceWaiting => 2,
        OnConflict::CancelActive => 3,
    };
    let (limit_kind, limit) = match job.start_limit {
        StartLimit::Never => (0, 0),
        StartLimit::Within(time) => (1, millis(time)),
        // Zero says that there is none.
        StartLimit::Before(time) => (2, time.0.max(1)),
    };
    let tags = job.tags.join("\n");
    let tags_len = u16::try_from(tags.len()).expect("8 tags of 64 bytes each");
    [
        &[0, policy, u8::from(frees_key), limit_kind],
        &limit.to_le_bytes()[..6],
        &tags_len.to_le_bytes(),
        tags.as_bytes(),
    ]
    .concat()
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
                    results[at] = Some(submitted);
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
) -> (Result<Vec<Result<Submitted>>>, Vec<usize>) {
    let chunk_jobs: Vec<_> = chunk.iter().map(|at| &jobs[*at]).collect();
    (submit_jobs(core, &queue, &chunk_jobs).await, chunk)
}

async fn submit_jobs(
    core: &Core,
    queue: &QueueName,
    jobs: &[&Prepared],
) -> Result<Vec<Result<Submitted>>> {
    let keys = core.register(queue).await?;
    let control = keys::control(&core.config.namespace);
    // An id that was made for this call can not be there before it.
    let fresh = jobs.iter().all(|job| job.fresh);
    let reply = match submit_call(&keys, &control, jobs, fresh)
        .run_once(&core.store)
        .await
    {
        // It may have been stored: from now on the ids must be looked for.
        Err(Error::StoreUnavailable) => {
            submit_call(&keys, &control, jobs, false)
                .run_once(&core.store)
                .await?
        }
        other => other?,
    };
    let (now, told, replaced, first): Reply = reply;
    if first {
        // The queue may have been deleted since this process made it known.
        core.forget_queue(queue);
        core.register(queue).await?;
    }
    let now = StoreTime(now);
    let mut results: Vec<_> = jobs.iter().map(|job| Ok(job.stored(now))).collect();
    for (place, verdict) in told {
        let at = place.wrapping_sub(1);
        let (Some(job), Some(result)) = (jobs.get(at), results.get_mut(at)) else {
            return Err(odd_answer());
        };
        *result = not_created(job, &verdict, now);
    }
    for (place, id) in replaced {
        let Some(Ok(submitted)) = results.get_mut(place.wrapping_sub(1)) else {
            return Err(odd_answer());
        };
        submitted.replaced = JobId::from_slice(&id);
    }
    Ok(results)
}

/// Now, the place and id or error word of each job that was not created, the
/// place and id of each that was replaced, and whether these are the queue's
/// first jobs.
type Reply = (u64, Vec<(usize, Bytes)>, Vec<(usize, Bytes)>, bool);

fn odd_answer() -> Error {
    Error::Internal {
        message: "submit answered for another job".to_owned(),
    }
}

fn not_created(job: &Prepared, verdict: &[u8], now: StoreTime) -> Result<Submitted> {
    let queue = || job.job.queue.clone();
    match verdict {
        b"QUEUE_DRAINING" => return Err(Error::QueueDraining { queue: queue() }),
        b"QUEUE_FULL" => return Err(Error::QueueFull { queue: queue() }),
        _ => {}
    }
    let existing = JobId::from_slice(verdict).ok_or_else(odd_answer)?;
    // The job's own id, made just now: stored by this very call, whose first
    // answer was lost.
    let duplicate = !(job.fresh && existing == job.id);
    Ok(Submitted {
        id: existing,
        duplicate,
        ..job.stored(now)
    })
}

fn submit_call(keys: &QueueKeys, control: &str, jobs: &[&Prepared], fresh: bool) -> Call {
    let mut call = if jobs.iter().any(|job| job.replaces()) {
        let mut call = Call::new(&lua::REPLACE, keys);
        call.arg(control);
        call
    } else {
        Call::new(&lua::SUBMIT, keys)
    };
    call.arg(if fresh { "fresh" } else { "check" });
    for prepared in jobs {
        call.arg(prepared.id.as_bytes())
            .arg(&Spec::encode(&prepared.job)[..])
            .arg(&extras(prepared)[..]);
    }
    call
}
