//! Look at one job.

use ::redis::Value;
use bytes::Bytes;

use crate::error::{Error, Result};
use crate::job::{JobId, JobRecord, QueueName, StoreTime};
use crate::keys;
use crate::lua::{self, Call};
use crate::meta::Meta;
use crate::options::Priority;
use crate::outcome::{self, Stored};
use crate::queue::JobQueue;
use crate::spec::Spec;
use crate::state::JobState;

impl JobQueue {
    /// Everything that is stored of a job.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `CORRUPT_RECORD`, and any fault of the store.
    pub async fn get(&self, id: JobId) -> Result<JobRecord> {
        let queues = self.queues().await?;
        for queue in keys::candidates(id, &queues) {
            if let Some(job) = self.get_in(queue, id).await? {
                return Ok(job);
            }
        }
        Err(Error::JobNotFound { id })
    }

    /// The job, if this queue has it.
    pub(crate) async fn get_in(&self, queue: &QueueName, id: JobId) -> Result<Option<JobRecord>> {
        let keys = self.core.keys(queue);
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
        read(id, queue, found).map(Some).ok_or_else(corrupt)
    }
}

/// State, score, spec, meta, result.
type Found = (String, f64, Option<Bytes>, Option<Bytes>, Option<Bytes>);

fn read(
    id: JobId,
    queue: &QueueName,
    (state, score, spec, meta, stored): Found,
) -> Option<JobRecord> {
    let state = JobState::from_word(&state)?;
    let spec = Spec::decode(spec?)?;
    let meta = match meta {
        Some(packed) => Meta::unpack(&packed)?,
        // Only a waiting job has none yet; its score tells its band.
        None => Meta {
            priority: band(score)?,
            ..Meta::default()
        },
    };
    let (result, error) = match stored.as_ref().map(outcome::decode) {
        None => (None, None),
        Some(Some(Stored::Result(result))) => (Some(result), None),
        Some(Some(Stored::Error(error))) => (None, Some(error)),
        Some(None) => return None,
    };
    Some(JobRecord {
        id,
        queue: queue.clone(),
        kind: spec.kind,
        state,
        priority: Priority::new(i64::from(meta.priority)).ok()?,
        payload: spec.payload,
        content_type: spec.content_type,
        headers: spec.headers,
        attempt: meta.attempt,
        max_attempts: spec.max_attempts,
        crash_count: meta.crashes,
        timeout: spec.timeout,
        backoff: spec.backoff,
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
        worker: meta.worker,
        result,
        error,
        idempotency_key: meta
            .entry
            .as_deref()
            .and_then(keys::key_of_entry)
            .map(str::to_owned),
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
