//! Create jobs.

use std::collections::HashMap;
use std::sync::Arc;

use ::redis::ToRedisArgs;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use crate::error::{Error, Result};
use crate::job::{JobId, QueueName, StoreTime};
use crate::keys::{self, QueueKeys};
use crate::lua::{self, Call};
use crate::new_job::NewJob;
use crate::options::RunAt;
use crate::queue::{Core, JobQueue};
use crate::spec::{Spec, millis};
use crate::state::JobState;

/// The most jobs in one call: more gain nothing, and hold up everybody else
/// when Redis has to grow its tables for them.
const MAX_CALL_JOBS: usize = 125;
/// The most bytes of jobs in one call, so that one batch of large payloads
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

/// A job in the form of the script's arguments.
#[derive(Clone)]
pub(crate) struct Prepared {
    id: JobId,
    /// The id was made just now.
    fresh: bool,
    queue: QueueName,
    spec: BytesMut,
    priority: u8,
    run_at: RunAt,
    entry: String,
}

impl Prepared {
    fn new(job: NewJob) -> Self {
        // A request that carries a key can be repeated under that; it needs no second entry.
        let entry = match (&job.idempotency_key, job.request_id) {
            (Some(key), _) => keys::idempotency_entry(key),
            (None, Some(request_id)) => keys::request_entry(request_id),
            (None, None) => String::new(),
        };
        Self {
            fresh: job.id.is_none(),
            id: job.id.unwrap_or_else(|| JobId::generate(&job.queue)),
            spec: Spec::encode(&job),
            priority: job.priority.get(),
            run_at: job.run_at,
            entry,
            queue: job.queue,
        }
    }
}

/// The script reads `''` as now, `+ms` as from now, and `ms` as an instant.
struct Due(RunAt);

impl ToRedisArgs for Due {
    fn write_redis_args<W: ?Sized + ::redis::RedisWrite>(&self, out: &mut W) {
        match self.0 {
            RunAt::Now => out.write_arg(b""),
            RunAt::After(delay) => out.write_arg_fmt(format_args!("+{}", millis(delay))),
            RunAt::At(time) => out.write_arg_fmt(time.0),
        }
    }
}

impl ::redis::ToSingleRedisArg for Due {}

/// Sends jobs of any queues, one call per queue and chunk; while one is under
/// way the next is written, in order.
pub(crate) async fn send(core: Arc<Core>, jobs: Vec<Prepared>) -> Vec<Result<Submitted>> {
    let mut results: Vec<Option<Result<Submitted>>> = jobs.iter().map(|_| None).collect();
    let mut calls = Vec::new();
    for (queue, places) in by_queue(&jobs, |job| &job.queue) {
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

fn chunks(jobs: &[Prepared], places: &[usize]) -> Vec<Vec<usize>> {
    let mut chunks = vec![Vec::new()];
    let mut bytes = 0;
    for at in places {
        let chunk = chunks.last_mut().expect("starts with one chunk");
        bytes += jobs[*at].spec.len();
        if chunk.len() == MAX_CALL_JOBS || (bytes > MAX_CALL_BYTES && !chunk.is_empty()) {
            bytes = jobs[*at].spec.len();
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
    let (now, verdicts): (u64, Vec<Bytes>) = reply;
    if verdicts.len() != jobs.len() {
        return Err(Error::Internal {
            message: "submit answered for another number of jobs".to_owned(),
        });
    }
    jobs.iter()
        .zip(verdicts)
        .map(|(job, verdict)| submitted(job, &verdict, StoreTime(now)))
        .collect()
}

fn submit_call(keys: &QueueKeys, jobs: &[&Prepared], fresh: bool) -> Call {
    let mut call = Call::new(&lua::SUBMIT, keys);
    call.arg(if fresh { "fresh" } else { "check" });
    for job in jobs {
        call.arg(job.id.as_bytes())
            .arg(&job.spec[..])
            .arg(job.priority);
        call.arg(Due(job.run_at)).arg(&job.entry);
    }
    call
}

fn submitted(job: &Prepared, verdict: &[u8], time: StoreTime) -> Result<Submitted> {
    let (id, state, duplicate) = match verdict {
        // Stored by this very call, whose first answer was lost.
        own if job.fresh && own == job.id.as_bytes() => (job.id, job.run_at.first_state(), false),
        b"waiting" => (job.id, JobState::Waiting, false),
        b"scheduled" => (job.id, JobState::Scheduled, false),
        existing => {
            let unknown = || Error::Internal {
                message: "submit answered with an unknown word".to_owned(),
            };
            (
                JobId::from_slice(existing).ok_or_else(unknown)?,
                JobState::Waiting,
                true,
            )
        }
    };
    Ok(Submitted {
        id,
        queue: job.queue.clone(),
        state,
        time,
        duplicate,
    })
}
