//! What a handler knows of its attempt.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jobflow::payload::Opened;
use jobflow::{ClaimedJob, Error, JobId, JobQueue, Kind, LeaseToken, QueueName, Report, Result};
use tokio_util::sync::CancellationToken;

use crate::lease::Lease;

/// Of one report.
const REPORT_LINES: usize = 100;
const REPORT_BYTES: usize = 64 * 1024;

/// Why an attempt should end before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// Somebody asked for the end of the job.
    CalledOff,
    /// Others may have the job by now.
    LeaseLost,
    /// The worker is stopping and its grace is over.
    Stopping,
}

impl CancelReason {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CalledOff => "cancel",
            Self::LeaseLost => "lease_lost",
            Self::Stopping => "stop",
        }
    }
}

/// One attempt, as its handler sees it. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    lease: Arc<Lease>,
    queue: Arc<JobQueue>,
    traceparent: Option<Arc<str>>,
    /// The payload, where it was sealed.
    opened: Option<Arc<Opened>>,
}

/// Which attempt it is, and nothing of the payload.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("id", &self.id())
            .field("queue", self.queue())
            .field("kind", self.kind())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

impl Context {
    pub(crate) fn new(lease: Arc<Lease>, queue: Arc<JobQueue>, traceparent: Option<&str>) -> Self {
        Self {
            lease,
            queue,
            traceparent: traceparent.map(Into::into),
            opened: None,
        }
    }

    /// With the payload that was sealed, if it was.
    pub(crate) fn with(self, opened: Option<Arc<Opened>>) -> Self {
        Self { opened, ..self }
    }

    fn job(&self) -> &ClaimedJob {
        self.lease.job()
    }

    /// The job's id. The same in every attempt, so fit to be an idempotency
    /// key towards other systems.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.job().id
    }

    /// The queue the job came from.
    #[must_use]
    pub fn queue(&self) -> &QueueName {
        &self.job().queue
    }

    /// The kind that picked this handler.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.job().kind
    }

    /// The payload, byte for byte as the producer sent it, or sealed it.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        match &self.opened {
            Some(opened) => &opened.bytes,
            None => &self.job().payload,
        }
    }

    /// Media type of the payload.
    #[must_use]
    pub fn content_type(&self) -> &str {
        match &self.opened {
            Some(opened) => &opened.content_type,
            None => &self.job().content_type,
        }
    }

    /// The producer's own metadata.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.job().headers
    }

    /// The trace that this attempt is a part of, as a W3C `traceparent`: what the
    /// handler does for itself stands below it.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Which attempt this is, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.job().attempt
    }

    /// After this many errored attempts the job fails.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.job().max_attempts
    }

    /// How often a worker was lost while it ran this job: over 0, an earlier
    /// run may have done part of the work.
    #[must_use]
    pub fn crash_count(&self) -> u32 {
        self.job().crash_count
    }

    /// The fence of this attempt's lease: grows with every claim of the queue,
    /// so another system can refuse writes with an older one.
    #[must_use]
    pub fn lease_token(&self) -> LeaseToken {
        self.job().token
    }

    /// When the attempt ends as timed out.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.lease.deadline()
    }

    /// The time left until the deadline.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Says how far the work has come, from 0 to 100.
    ///
    /// # Errors
    /// As [`log_lines`](Self::log_lines).
    pub async fn progress(&self, percent: u8) -> Result<()> {
        self.progress_with(percent, "").await
    }

    /// The same with a message for people, of at most 1 KiB.
    ///
    /// # Errors
    /// As [`log_lines`](Self::log_lines).
    pub async fn progress_with(&self, percent: u8, message: impl Into<String>) -> Result<()> {
        let report = Report {
            progress: Some((percent, message.into())),
            lines: Vec::new(),
        };
        self.report(report).await
    }

    /// Adds a line of at most 4 KiB to the job's log, which keeps its newest lines,
    /// at most 1,000 and 64 KiB.
    ///
    /// # Errors
    /// As [`log_lines`](Self::log_lines).
    pub async fn log(&self, line: impl Into<String>) -> Result<()> {
        let report = Report {
            progress: None,
            lines: vec![line.into()],
        };
        self.report(report).await
    }

    /// Adds several lines at once. Reports of all handlers of a worker that
    /// come at the same time share a round trip.
    ///
    /// # Errors
    /// `LEASE_LOST` when the job may be in other hands: the attempt is told to
    /// end. `INVALID_FIELD` for what is over its limit. `STORE_OUT_OF_MEMORY`
    /// and other faults of the store: a handler that need not be heard goes on;
    /// with `?` they end the attempt as errored.
    pub async fn log_lines(
        &self,
        lines: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<()> {
        let mut report = Report::default();
        for line in lines {
            let line = line.into();
            if !has_room(&report.lines, &line) {
                self.report(std::mem::take(&mut report)).await?;
            }
            report.lines.push(line);
        }
        if report.lines.is_empty() {
            return Ok(());
        }
        self.report(report).await
    }

    pub(crate) async fn report(&self, report: Report) -> Result<()> {
        let reported = self.queue.report(self.job(), report).await;
        if let Err(Error::LeaseLost { .. }) = &reported {
            self.lease.give_up();
        }
        reported
    }

    /// Resolves when this attempt should end: somebody called the job off, its
    /// lease is lost, or the worker is stopping and its grace is over. A handler
    /// that goes on is dropped two seconds later. A job that was called off is
    /// then cancelled, the others cost no attempt; one that succeeds all the
    /// same is completed.
    pub async fn cancelled(&self) {
        self.lease.cancel().cancelled().await;
    }

    /// Why [`cancelled`](Self::cancelled) has resolved; `None` while it has not.
    #[must_use]
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        self.lease.cancel_reason()
    }

    /// Whether [`cancelled`](Self::cancelled) has resolved; for code that blocks.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.lease.cancel().is_cancelled()
    }

    /// The token behind [`cancelled`](Self::cancelled), to hand to other code.
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        self.lease.cancel()
    }
}

/// Whether one more line fits into a report.
pub(crate) fn has_room(lines: &[String], line: &str) -> bool {
    let bytes: usize = lines.iter().map(String::len).sum();
    lines.is_empty() || (lines.len() < REPORT_LINES && bytes + line.len() <= REPORT_BYTES)
}
