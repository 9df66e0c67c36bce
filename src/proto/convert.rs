//! Between the wire and the model.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::job::{JobError, JobRecord, StoreTime};
use crate::new_job::NewJob;
use crate::options::{Priority, RunAt};
use crate::proto;
use crate::state::JobState;

/// An instant on the wire.
#[must_use]
pub fn timestamp(time: StoreTime) -> prost_types::Timestamp {
    let (seconds, millis) = (time.0 / 1_000, time.0 % 1_000);
    prost_types::Timestamp {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanos: i32::try_from(millis * 1_000_000).unwrap_or_default(),
    }
}

/// An instant from the wire.
///
/// # Errors
/// `INVALID_FIELD` naming `field` when it lies before 1970 or is malformed.
pub fn timestamp_from(field: &str, time: &prost_types::Timestamp) -> Result<StoreTime> {
    let seconds = u64::try_from(time.seconds)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000));
    let nanos = u64::try_from(time.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Some(millis), Some(nanos)) => Ok(StoreTime(millis.saturating_add(nanos / 1_000_000))),
        _ => Err(Error::invalid(field, "must be a valid time after 1970")),
    }
}

/// A duration on the wire.
#[must_use]
pub fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// A duration from the wire.
///
/// # Errors
/// `INVALID_FIELD` naming `field` when it is negative or malformed.
pub fn duration_from(field: &str, duration: &prost_types::Duration) -> Result<Duration> {
    let seconds = u64::try_from(duration.seconds).ok();
    let nanos = u32::try_from(duration.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Some(seconds), Some(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(Error::invalid(field, "must not be negative")),
    }
}

impl TryFrom<proto::SubmitJobRequest> for NewJob {
    type Error = Error;

    fn try_from(request: proto::SubmitJobRequest) -> Result<Self> {
        let mut job = Self::new(request.kind, request.payload)?.headers(request.headers)?;
        if !request.queue.is_empty() {
            job = job.queue(request.queue)?;
        }
        if !request.content_type.is_empty() {
            job = job.content_type(request.content_type)?;
        }
        if let Some(priority) = request.priority {
            job = job.priority(Priority::new(i64::from(priority))?);
        }
        if let Some(when) = request.when {
            job = job.run_at(run_at(&when)?)?;
        }
        if let Some(attempts) = request.max_attempts {
            // A negative number is out of range like any other.
            job = job.max_attempts(u32::try_from(attempts).unwrap_or(0))?;
        }
        if let Some(backoff) = request.backoff {
            job = job.backoff(Backoff::try_from(backoff)?);
        }
        if let Some(timeout) = request.timeout {
            job = job.timeout(duration_from("timeout", &timeout)?)?;
        }
        if !request.request_id.is_empty() {
            let id = uuid::Uuid::try_parse(&request.request_id);
            job = job.request_id(id.map_err(|_| Error::invalid("request_id", "must be a UUID"))?);
        }
        if !request.idempotency_key.is_empty() {
            job = job.idempotency_key(request.idempotency_key)?;
        }
        Ok(job)
    }
}

fn run_at(when: &proto::submit_job_request::When) -> Result<RunAt> {
    use proto::submit_job_request::When;
    match when {
        When::Delay(delay) => duration_from("delay", delay).map(RunAt::After),
        When::RunTime(time) => timestamp_from("run_time", time).map(RunAt::At),
    }
}

impl TryFrom<proto::Backoff> for Backoff {
    type Error = Error;

    fn try_from(backoff: proto::Backoff) -> Result<Self> {
        let default = Self::default();
        let or = |field: &str, given: Option<prost_types::Duration>, default| {
            given.map_or(Ok(default), |given| duration_from(field, &given))
        };
        Self::new(
            or("backoff.initial", backoff.initial, default.initial())?,
            if backoff.multiplier == 0.0 {
                default.multiplier()
            } else {
                backoff.multiplier
            },
            or("backoff.max", backoff.max, default.max())?,
        )
    }
}

impl From<Backoff> for proto::Backoff {
    fn from(backoff: Backoff) -> Self {
        Self {
            initial: Some(duration(backoff.initial())),
            multiplier: backoff.multiplier(),
            max: Some(duration(backoff.max())),
        }
    }
}

impl From<JobState> for proto::JobState {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Scheduled => Self::Scheduled,
            JobState::Blocked => Self::Blocked,
            JobState::Waiting => Self::Waiting,
            JobState::Active => Self::Active,
            JobState::Retrying => Self::Retrying,
            JobState::Completed => Self::Completed,
            JobState::Failed => Self::Failed,
            JobState::Cancelled => Self::Cancelled,
        }
    }
}

impl TryFrom<proto::JobState> for JobState {
    type Error = Error;

    fn try_from(state: proto::JobState) -> Result<Self> {
        match state {
            proto::JobState::Unspecified => Err(Error::invalid("state", "must be given")),
            proto::JobState::Scheduled => Ok(Self::Scheduled),
            proto::JobState::Blocked => Ok(Self::Blocked),
            proto::JobState::Waiting => Ok(Self::Waiting),
            proto::JobState::Active => Ok(Self::Active),
            proto::JobState::Retrying => Ok(Self::Retrying),
            proto::JobState::Completed => Ok(Self::Completed),
            proto::JobState::Failed => Ok(Self::Failed),
            proto::JobState::Cancelled => Ok(Self::Cancelled),
        }
    }
}

impl From<JobError> for proto::JobError {
    fn from(error: JobError) -> Self {
        Self {
            code: error.code,
            message: error.message,
        }
    }
}

/// Limits keep these numbers far below the 31 bits of the wire.
fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl From<JobRecord> for proto::Job {
    fn from(job: JobRecord) -> Self {
        let (result, result_content_type) = job
            .result
            .map(|r| (r.bytes, r.content_type))
            .unwrap_or_default();
        let due = matches!(job.state, JobState::Scheduled | JobState::Retrying);
        Self {
            id: job.id.to_string(),
            queue: job.queue.to_string(),
            kind: job.kind.to_string(),
            state: proto::JobState::from(job.state).into(),
            priority: i32::from(job.priority.get()),
            payload: job.payload,
            content_type: job.content_type,
            headers: job.headers.into_iter().collect(),
            attempt: int(job.attempt),
            max_attempts: int(job.max_attempts),
            crash_count: int(job.crash_count),
            timeout: Some(duration(job.timeout)),
            backoff: Some(job.backoff.into()),
            create_time: Some(timestamp(job.created)),
            run_time: job.ready.filter(|_| due).map(timestamp),
            start_time: job.started.map(timestamp),
            finish_time: job.finished.map(timestamp),
            lease_expire_time: job.lease_expires.map(timestamp),
            worker: job.worker.unwrap_or_default(),
            result,
            result_content_type,
            error: job.error.map(Into::into),
            idempotency_key: job.idempotency_key.unwrap_or_default(),
        }
    }
}

#[cfg(feature = "queue")]
mod numbers {
    use super::{duration, int, timestamp};
    use crate::proto;
    use crate::stats::{Counts, FinishedJob, QueueSnapshot, Totals};

    fn wide(number: u64) -> i64 {
        i64::try_from(number).unwrap_or(i64::MAX)
    }

    impl From<Counts> for proto::JobCounts {
        fn from(counts: Counts) -> Self {
            Self {
                scheduled: wide(counts.scheduled),
                blocked: wide(counts.blocked),
                waiting: wide(counts.waiting),
                active: wide(counts.active),
                retrying: wide(counts.retrying),
                completed: wide(counts.completed),
                failed: wide(counts.failed),
                cancelled: wide(counts.cancelled),
            }
        }
    }

    impl From<Totals> for proto::QueueTotals {
        fn from(totals: Totals) -> Self {
            Self {
                submitted: wide(totals.submitted),
                completed: wide(totals.completed),
                failed: wide(totals.failed),
                cancelled: wide(totals.cancelled),
                errored: wide(totals.errored),
                lease_expired: wide(totals.lease_expired),
                lease_lost: wide(totals.lease_lost),
                unhandled: wide(totals.unhandled),
                released: wide(totals.released),
                snoozed: wide(totals.snoozed),
            }
        }
    }

    impl From<&QueueSnapshot> for proto::Queue {
        fn from(queue: &QueueSnapshot) -> Self {
            Self {
                name: queue.name.to_string(),
                counts: Some(queue.counts.into()),
                totals: Some(queue.totals.into()),
                oldest_waiting_age: queue.oldest_waiting.map(duration),
            }
        }
    }

    impl From<&FinishedJob> for proto::FinishedJob {
        fn from(job: &FinishedJob) -> Self {
            Self {
                id: job.id.to_string(),
                queue: job.queue.to_string(),
                kind: job.kind.to_string(),
                state: proto::JobState::from(job.state).into(),
                attempt: int(job.attempt),
                worker: job.worker.clone().unwrap_or_default(),
                finish_time: Some(timestamp(job.finished)),
                wait_duration: Some(duration(job.waited)),
                run_duration: Some(duration(job.ran)),
                error: job.error.clone().map(Into::into),
            }
        }
    }
}
