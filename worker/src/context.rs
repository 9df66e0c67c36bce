//! What a handler knows of its attempt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jobflow::{ClaimedJob, JobId, Kind, LeaseToken, QueueName};
use tokio_util::sync::CancellationToken;

/// One attempt, as its handler sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    job: Arc<ClaimedJob>,
    deadline: Instant,
    cancel: CancellationToken,
}

impl Context {
    pub(crate) const fn new(
        job: Arc<ClaimedJob>,
        deadline: Instant,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            job,
            deadline,
            cancel,
        }
    }

    /// The job's id. The same in every attempt, so fit to be an idempotency
    /// key towards other systems.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.job.id
    }

    /// The queue the job came from.
    #[must_use]
    pub fn queue(&self) -> &QueueName {
        &self.job.queue
    }

    /// The kind that picked this handler.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.job.kind
    }

    /// The payload, byte for byte as the producer sent it.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.job.payload
    }

    /// Media type of the payload.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.job.content_type
    }

    /// The producer's own metadata.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.job.headers
    }

    /// Which attempt this is, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.job.attempt
    }

    /// After this many errored attempts the job fails.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.job.max_attempts
    }

    /// How often a worker was lost while it ran this job: over 0, an earlier
    /// run may have done part of the work.
    #[must_use]
    pub fn crash_count(&self) -> u32 {
        self.job.crash_count
    }

    /// The fence of this attempt's lease: grows with every claim of the queue,
    /// so another system can refuse writes with an older one.
    #[must_use]
    pub fn lease_token(&self) -> LeaseToken {
        self.job.token
    }

    /// When the attempt ends as timed out.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The time left until the deadline.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Resolves when this attempt should end: its lease is lost, or the worker
    /// is stopping and its grace is over. A handler that goes on is dropped two
    /// seconds later. What it returns then costs no attempt.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Whether [`cancelled`](Self::cancelled) has resolved; for code that blocks.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// The token behind [`cancelled`](Self::cancelled), to hand to other code.
    #[must_use]
    pub const fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }
}
