//! Look at one job.

use ::redis::Value;
use bytes::Bytes;

use crate::error::{Error, Result};
use crate::history::History;
use crate::job::{JobId, QueueName, StoreTime};
use crate::keys;
use crate::lua::{self, Call};
use crate::meta::{Flags, Meta};
use crate::options::{JobDefaults, Priority};
use crate::outcome::{self, Stored};
use crate::partition::Partition;
use crate::queue::{JobQueue, settings};
use crate::record::{Attempt, AttemptOutcome, Etag, JobRecord};
use crate::report_codec::decode_progress;
use crate::spec::Spec;
use crate::state::JobState;

impl JobQueue {
    /// Everything that is stored of a job.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `CORRUPT_RECORD`, and any fault of the store.
    pub async fn get(&self, id: JobId) -> Result<JobRecord> {
        let all = self.core.known_partitions().await?;
        for part in keys::candidates(id, &all) {
            if let Some(job) = self.get_in(part, id).await? {
                return Ok(job);
            }
        }
        Err(Error::JobNotFound { id })
    }

    /// The job, if this partition has it.
    pub(crate) async fn get_in(&self, part: &Partition, id: JobId) -> Result<Option<JobRecord>> {
        Ok(self.find(part, id).await?.map(|(job, _)| job))
    }

    /// The job and its spec, which a change writes anew.
    pub(crate) async fn find(
        &self,
        part: &Partition,
        id: JobId,
    ) -> Result<Option<(JobRecord, Spec)>> {
        let keys = self.core.keys(part);
        let mut call = Call::new(&lua::GET, &keys);
        call.arg(id.as_bytes());
        let Value::Array(parts) = call.run(&self.core.store).await? else {
            return Err(Error::CorruptRecord { id });
        };
        if parts.is_empty() {
            return Ok(None);
        }
        let corrupt = || Error::CorruptRecord { id };
        let found: Found = ::redis::from_redis_value(Value::Array(parts)).map_err(|_| corrupt())?;
        read(id, part.queue(), found).map(Some).ok_or_else(corrupt)
    }
}

/// State, score, etag, then spec, meta, result, tags, progress and history,
/// empty where there is none, and what the queue says for jobs that do not.
type Found = (
    String,
    f64,
    String,
    Bytes,
    Bytes,
    Bytes,
    String,
    Bytes,
    Bytes,
    [String; 3],
);

fn read(id: JobId, queue: &QueueName, found: Found) -> Option<(JobRecord, Spec)> {
    let (state, score, etag, spec, meta, stored, tags, progress, history, defaults) = found;
    let (state, spec) = (JobState::from_word(&state)?, Spec::decode(spec)?);
    let meta = read_meta(&meta, state, score)?;
    let defaults = settings::job_defaults(&defaults);
    let history = History::unpack(&history)?;
    let mut job = record(id, queue, state, score, &spec, meta, defaults)?;
    if !stored.is_empty() {
        match outcome::decode(&stored)? {
            Stored::Result(result) => job.result = Some(result),
            Stored::Error(error) => job.error = Some(error),
        }
    }
    job.payload = spec.payload.clone();
    job.tags = tags.lines().map(str::to_owned).collect();
    job.progress = decode_progress(&progress);
    job.attempts = history.attempts;
    job.attempts.extend(acked(&job));
    job.previous_payloads = history.payloads;
    job.etag = Some(Etag::new(etag));
    Some((job, spec))
}

/// Only a waiting or scheduled job may have no record yet: the score of the one tells
/// its band, and the other is of the usual priority.
pub(crate) fn read_meta(packed: &[u8], state: JobState, score: f64) -> Option<Meta> {
    if !packed.is_empty() {
        return Meta::unpack(packed);
    }
    let priority = match state {
        JobState::Scheduled => Priority::default().get(),
        _ => band(score)?,
    };
    Some(Meta {
        priority,
        ..Meta::default()
    })
}

/// What spec and record tell of a job; its payload, result and the like are
/// left to those who read them.
pub(crate) fn record(
    id: JobId,
    queue: &QueueName,
    state: JobState,
    score: f64,
    spec: &Spec,
    meta: Meta,
    defaults: JobDefaults,
) -> Option<JobRecord> {
    let entry = meta.entry.as_deref();
    Some(JobRecord {
        id,
        queue: queue.clone(),
        kind: spec.kind.clone(),
        state,
        priority: Priority::new(i64::from(meta.priority)).ok()?,
        payload: Bytes::new(),
        content_type: spec.content_type.clone(),
        headers: spec.headers.clone(),
        attempt: meta.attempt,
        max_attempts: spec.max_attempts.unwrap_or(defaults.max_attempts),
        crash_count: meta.crashes,
        timeout: spec.timeout.unwrap_or(defaults.timeout),
        backoff: spec.backoff.unwrap_or(defaults.backoff),
        created: spec.created,
        ready: match state {
            JobState::Scheduled | JobState::Retrying => Some(instant(score)?),
            _ => meta.ready,
        },
        started: meta.claimed,
        finished: meta.finished,
        lease_expires: match state {
            JobState::Active => Some(instant(score)?),
            _ => None,
        },
        idempotency_key: entry.and_then(keys::key_of_entry).map(str::to_owned),
        worker: meta.worker,
        result: None,
        error: None,
        tags: Vec::new(),
        start_before: spec.start_before,
        cancel_requested: state == JobState::Active && meta.flags.has(Flags::CANCEL),
        progress: None,
        attempts: Vec::new(),
        previous_payloads: Vec::new(),
        etag: None,
    })
}

/// History does not tell of an attempt that succeeded: the record does.
fn acked(job: &JobRecord) -> Option<Attempt> {
    Some(Attempt {
        number: job.attempt,
        worker: job.worker.clone()?,
        started: job.started?,
        ended: job.finished.filter(|_| job.state == JobState::Completed)?,
        outcome: AttemptOutcome::Acked,
        error: None,
    })
}

/// A waiting job's score is (band - 5) * 2^48 + seq.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a band"
)]
fn band(score: f64) -> Option<u8> {
    let band =
        (score / f64::from(2_u32.pow(24)).powi(2)).floor() + f64::from(Priority::default().get());
    (0.0..=f64::from(Priority::MAX))
        .contains(&band)
        .then_some(band as u8)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a small whole number"
)]
fn instant(score: f64) -> Option<StoreTime> {
    (0.0..9e15)
        .contains(&score)
        .then_some(StoreTime(score as u64))
}
