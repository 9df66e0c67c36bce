//! What is known of a job: its record, its attempts and what its handlers said.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::backoff::Backoff;
use crate::job::{JobId, Kind, QueueName, StoreTime};
use crate::options::Priority;
use crate::state::JobState;

/// Why an attempt errored or a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// A stable word, for example `HANDLER_ERROR`.
    pub code: String,
    /// For people; at most 8 KiB are kept.
    pub message: String,
}

/// What a handler returned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobResult {
    /// Opaque bytes, at most 256 KiB.
    pub bytes: Bytes,
    /// Media type of the bytes.
    pub content_type: String,
}

/// Everything that is known of a job at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Which handler it is for.
    pub kind: Kind,
    /// Where it is in its life.
    pub state: JobState,
    /// Its band: 0 runs first.
    pub priority: Priority,
    /// What the producer sent.
    pub payload: Bytes,
    /// Media type of the payload.
    pub content_type: String,
    /// The producer's own metadata.
    pub headers: BTreeMap<String, String>,
    /// The current or last attempt, counted from 1; 0 before the first.
    pub attempt: u32,
    /// After this many errored attempts it fails.
    pub max_attempts: u32,
    /// How often a worker was lost while it ran this job.
    pub crash_count: u32,
    /// How long one attempt may run.
    pub timeout: Duration,
    /// The delay between attempts.
    pub backoff: Backoff,
    /// When it was submitted.
    pub created: StoreTime,
    /// When it became or becomes ready to run, after a delay, a snooze or a backoff.
    pub ready: Option<StoreTime>,
    /// When the current or last attempt was claimed.
    pub started: Option<StoreTime>,
    /// When it became final.
    pub finished: Option<StoreTime>,
    /// When the lease of an active job ends unless it is extended.
    pub lease_expires: Option<StoreTime>,
    /// The worker of the current or last attempt.
    pub worker: Option<String>,
    /// What the handler of a completed job returned.
    pub result: Option<JobResult>,
    /// Why the last attempt errored or the job failed.
    pub error: Option<JobError>,
    /// The caller's idempotency key, while the job holds it.
    pub idempotency_key: Option<String>,
    /// Words by which it is found.
    pub tags: Vec<String>,
    /// Not started by then, it fails with `EXPIRED`.
    pub start_before: Option<StoreTime>,
    /// Somebody asked for the end of this active job.
    pub cancel_requested: bool,
    /// What its handler last said of its progress.
    pub progress: Option<Progress>,
    /// The attempts that have ended, oldest first, at most 20.
    pub attempts: Vec<Attempt>,
    /// Payloads that were replaced, oldest first, at most 2.
    pub previous_payloads: Vec<PreviousPayload>,
    /// Changes whenever the job does; `None` where it was not read whole.
    pub etag: Option<Etag>,
}

/// How far a handler has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// For people; at most 1 KiB.
    pub message: String,
    /// When it was said.
    pub time: StoreTime,
}

/// One run of a job that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// Who ran it.
    pub worker: String,
    /// When it was claimed.
    pub started: StoreTime,
    /// When it ended.
    pub ended: StoreTime,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why it errored; the message is cut to 1 KiB.
    pub error: Option<JobError>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// The handler succeeded.
    Acked,
    /// The handler errored, panicked or ran out of time.
    Errored,
    /// The handler put the job off.
    Snoozed,
    /// The worker gave the job back.
    Released,
    /// The worker was lost.
    Lost,
    /// The job was called off while it ran.
    Cancelled,
}

/// A payload that a retry or update has replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousPayload {
    /// The bytes.
    pub payload: Bytes,
    /// Their media type.
    pub content_type: String,
    /// When they were replaced.
    pub replaced: StoreTime,
}

/// One line that a handler logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Counted from 0 for the job.
    pub number: u64,
    /// When the store took it in.
    pub time: StoreTime,
    /// At most 4 KiB.
    pub text: String,
}

/// Names one version of a job or of a queue's settings: a change that brings
/// an old one is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Etag(Box<str>);

impl Etag {
    /// From the text that was given out.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().into())
    }

    /// The text to give out.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
