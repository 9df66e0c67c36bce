//! A job and its parts, on the wire.

use bytes::Bytes;

use super::values::int;
use super::{duration, known, timestamp};
use crate::error::{Error, Result};
use crate::proto;
use crate::record::{
    Attempt, AttemptOutcome, Etag, JobError, JobRecord, LogLine, PreviousPayload, Progress,
};
use crate::state::JobState;

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
            tags: job.tags,
            start_before_time: job.start_before.map(timestamp),
            cancel_requested: job.cancel_requested,
            progress: job.progress.map(Into::into),
            attempts: job.attempts.into_iter().map(Into::into).collect(),
            previous_payloads: job.previous_payloads.into_iter().map(Into::into).collect(),
            etag: job
                .etag
                .as_ref()
                .map_or_else(String::new, |etag| Etag::as_str(etag).to_owned()),
            payload_hidden: false,
        }
    }
}

impl From<Progress> for proto::Progress {
    fn from(progress: Progress) -> Self {
        Self {
            percent: i32::from(progress.percent),
            message: progress.message,
            update_time: Some(timestamp(progress.time)),
        }
    }
}

impl From<Attempt> for proto::Attempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            number: int(attempt.number),
            worker: attempt.worker,
            start_time: Some(timestamp(attempt.started)),
            end_time: Some(timestamp(attempt.ended)),
            outcome: proto::AttemptOutcome::from(attempt.outcome).into(),
            error: attempt.error.map(Into::into),
        }
    }
}

impl From<AttemptOutcome> for proto::AttemptOutcome {
    fn from(outcome: AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Acked => Self::Acked,
            AttemptOutcome::Errored => Self::Errored,
            AttemptOutcome::Snoozed => Self::Snoozed,
            AttemptOutcome::Released => Self::Released,
            AttemptOutcome::Lost => Self::Lost,
            AttemptOutcome::Cancelled => Self::Cancelled,
        }
    }
}

impl From<PreviousPayload> for proto::PreviousPayload {
    fn from(previous: PreviousPayload) -> Self {
        Self {
            payload: previous.payload,
            content_type: previous.content_type,
            replace_time: Some(timestamp(previous.replaced)),
        }
    }
}

impl From<LogLine> for proto::LogLine {
    fn from(line: LogLine) -> Self {
        Self {
            number: i64::try_from(line.number).unwrap_or(i64::MAX),
            time: Some(timestamp(line.time)),
            text: line.text,
        }
    }
}

impl proto::Job {
    /// This job as the view tells it; the default view tells all.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming `view` for one that is not known.
    pub fn in_view(self, view: i32) -> Result<Self> {
        Ok(match known("view", proto::JobView::try_from(view))? {
            proto::JobView::Unspecified | proto::JobView::Full => self,
            proto::JobView::Basic => self.basic(),
        })
    }

    /// As a caller sees it whose role may not see what jobs carry.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        for before in &mut self.previous_payloads {
            before.payload = Bytes::new();
        }
        Self {
            payload: Bytes::new(),
            result: Bytes::new(),
            headers: std::collections::HashMap::new(),
            payload_hidden: true,
            ..self
        }
    }

    /// Without payload, result and history.
    #[must_use]
    pub fn basic(self) -> Self {
        Self {
            payload: Bytes::new(),
            result: Bytes::new(),
            result_content_type: String::new(),
            attempts: Vec::new(),
            previous_payloads: Vec::new(),
            ..self
        }
    }
}
