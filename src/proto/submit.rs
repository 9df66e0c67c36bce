//! A job to submit, from the wire.

use super::{duration, duration_from, known, timestamp_from};
use crate::backoff::Backoff;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::new_job::NewJob;
use crate::options::{KeyScope, OnConflict, Priority, RunAt, StartLimit};
use crate::proto;

impl TryFrom<proto::SubmitJobRequest> for NewJob {
    type Error = Error;

    fn try_from(request: proto::SubmitJobRequest) -> Result<Self> {
        let (on_conflict, key_scope) = (request.on_conflict, request.key_scope);
        let mut job = Self::new(request.kind, request.payload)?
            .headers(request.headers)?
            .tags(request.tags)?
            .on_conflict(on_conflict_from(on_conflict)?)
            .key_scope(key_scope_from(key_scope)?);
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
        if let Some(limit) = request.start_limit {
            job = job.start_limit(start_limit(&limit)?)?;
        }
        if let Some(durability) = durability_from("durability", request.durability)? {
            job = job.durability(durability);
        }
        Ok(job)
    }
}

/// A class, or nothing where none is given.
pub(super) fn durability_from(field: &str, class: i32) -> Result<Option<Durability>> {
    use proto::Durability as Wire;
    Ok(match known(field, Wire::try_from(class))? {
        Wire::Unspecified => None,
        Wire::Memory => Some(Durability::Memory),
        Wire::Fsync => Some(Durability::Fsync),
        Wire::Replicated => Some(Durability::Replicated),
    })
}

impl From<Durability> for proto::Durability {
    fn from(class: Durability) -> Self {
        match class {
            Durability::Memory => Self::Memory,
            Durability::Fsync => Self::Fsync,
            Durability::Replicated => Self::Replicated,
        }
    }
}

fn on_conflict_from(policy: i32) -> Result<OnConflict> {
    use proto::OnConflict as Wire;
    Ok(match known("on_conflict", Wire::try_from(policy))? {
        Wire::Unspecified | Wire::ReturnExisting => OnConflict::ReturnExisting,
        Wire::Reject => OnConflict::Reject,
        Wire::ReplaceWaiting => OnConflict::ReplaceWaiting,
        Wire::CancelActive => OnConflict::CancelActive,
    })
}

fn key_scope_from(scope: i32) -> Result<KeyScope> {
    use proto::KeyScope as Wire;
    Ok(match known("key_scope", Wire::try_from(scope))? {
        Wire::Unspecified | Wire::Kept => KeyScope::Kept,
        Wire::Unfinished => KeyScope::Unfinished,
    })
}

fn start_limit(limit: &proto::submit_job_request::StartLimit) -> Result<StartLimit> {
    use proto::submit_job_request::StartLimit as Wire;
    match limit {
        Wire::StartWithin(time) => duration_from("start_within", time).map(StartLimit::Within),
        Wire::StartBeforeTime(time) => {
            timestamp_from("start_before_time", time).map(StartLimit::Before)
        }
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
