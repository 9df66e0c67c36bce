//! What a producer may ask for, with its limits and defaults in one place.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::job::StoreTime;

/// The largest payload or result, in bytes.
pub const MAX_PAYLOAD: usize = 256 * 1024;
/// The most jobs in one batch.
pub const MAX_BATCH: usize = 1_000;
/// The furthest a job may be put off.
pub const MAX_DELAY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The most attempts a job may have.
pub const MAX_ATTEMPTS: u32 = 1_000;
/// The most bytes of headers, names and values together.
pub const MAX_HEADERS: usize = 8 * 1024;
/// The most tags of a job.
pub const MAX_TAGS: usize = 8;
/// The longest tag, in bytes.
pub const MAX_TAG: usize = 64;
/// The longest reason of a pause or cancellation, in bytes.
pub const MAX_REASON: usize = 1024;
/// The longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 256;
/// The longest content type, in bytes.
pub const MAX_CONTENT_TYPE: usize = 128;
/// The longest error message that is kept, in bytes.
pub const MAX_ERROR_MESSAGE: usize = 8 * 1024;
/// The longest message of a progress, in bytes.
pub const MAX_PROGRESS_MESSAGE: usize = 1024;
/// The longest line of a job's log, in bytes.
pub const MAX_LOG_LINE: usize = 4 * 1024;
/// The most lines of a job's log that are kept.
pub const MAX_LOG_LINES: usize = 1_000;
/// The most bytes of a job's log that are kept, with 14 for each line.
pub const MAX_LOG_BYTES: usize = 64 * 1024;
/// The longest an attempt may run.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Attempts of a job unless it says otherwise.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 3;
/// How long an attempt may run unless its job says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long a lease holds without being extended.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(15);
/// At how many lost workers a job fails.
pub const DEFAULT_CRASH_CAP: u32 = 3;
/// Media type of a payload or result unless it says otherwise.
pub const DEFAULT_CONTENT_TYPE: &str = "application/json";

/// The band of a job: 0 runs before 1, and so on to 9. The default is 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    /// The lowest band.
    pub const MAX: u8 = 9;

    /// Checks the band.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it is not 0 to 9.
    pub fn new(band: i64) -> Result<Self> {
        u8::try_from(band)
            .ok()
            .filter(|band| *band <= Self::MAX)
            .map(Self)
            .ok_or_else(|| Error::invalid("priority", "must be 0 (first) to 9"))
    }

    /// The band, 0 to 9.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

/// When a job may run at the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunAt {
    /// As soon as a slot is free.
    #[default]
    Now,
    /// So long after the store takes it in.
    After(Duration),
    /// At an instant by the clock of the store; one that has passed means now.
    At(StoreTime),
}

#[cfg(feature = "queue")]
impl RunAt {
    /// The state of a job that is submitted at this time, as the script has it.
    pub(crate) fn state_at(self, now: StoreTime) -> crate::JobState {
        let later = match self {
            Self::Now => false,
            Self::After(delay) => delay.as_millis() > 0,
            Self::At(time) => time > now,
        };
        if later {
            crate::JobState::Scheduled
        } else {
            crate::JobState::Waiting
        }
    }
}

/// Until when a job must have started, or fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartLimit {
    /// Whenever its turn comes.
    #[default]
    Never,
    /// So long after the store takes it in.
    Within(Duration),
    /// An instant by the clock of the store.
    Before(StoreTime),
}

/// What a submit does when a job holds its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The existing job is the answer, as a duplicate.
    #[default]
    ReturnExisting,
    /// `IDEMPOTENCY_CONFLICT`, with the id and state of the job.
    Reject,
    /// A job that has not started is cancelled and replaced; any other is the
    /// answer, as a duplicate.
    ReplaceWaiting,
    /// As `ReplaceWaiting`, and an active job is asked to end; a final one
    /// gives up its key.
    CancelActive,
}

/// How long a job holds its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyScope {
    /// As long as the job exists.
    #[default]
    Kept,
    /// Until the job is final.
    Unfinished,
}

/// What a queue says for jobs that do not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JobDefaults {
    /// After how many errored attempts a job fails; 3 unless the queue says otherwise.
    pub max_attempts: u32,
    /// How long one attempt may run; 30 min unless the queue says otherwise.
    pub timeout: Duration,
    /// The delay between attempts.
    pub backoff: Backoff,
}

impl Default for JobDefaults {
    fn default() -> Self {
        Self {
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            timeout: DEFAULT_TIMEOUT,
            backoff: Backoff::default(),
        }
    }
}

pub(crate) fn check_attempts(attempts: u32) -> Result<u32> {
    if (1..=MAX_ATTEMPTS).contains(&attempts) {
        return Ok(attempts);
    }
    Err(Error::invalid("max_attempts", "must be 1 to 1000"))
}

pub(crate) fn check_timeout(timeout: Duration) -> Result<Duration> {
    if timeout < Duration::from_millis(1) || timeout > MAX_TIMEOUT {
        return Err(Error::invalid("timeout", "must be 1 ms to 7 days"));
    }
    Ok(timeout)
}

/// Checks tags and drops those said twice.
pub(crate) fn check_tags(tags: impl IntoIterator<Item = String>) -> Result<Vec<String>> {
    let mut checked = Vec::new();
    for tag in tags {
        let well_spelled = (1..=MAX_TAG).contains(&tag.len())
            && tag
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b));
        if !well_spelled {
            return Err(Error::invalid(
                "tags",
                format!("must each be 1 to {MAX_TAG} characters of A-Z a-z 0-9 . _ : / -"),
            ));
        }
        if !checked.contains(&tag) {
            checked.push(tag);
        }
    }
    if checked.len() > MAX_TAGS {
        return Err(Error::invalid(
            "tags",
            format!("must be at most {MAX_TAGS}"),
        ));
    }
    Ok(checked)
}

/// How many finished jobs are kept, and for how long, whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// At most this many.
    pub count: u32,
    /// At most this long.
    pub age: Duration,
}

/// What is kept of finished jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Completed jobs: 1,000 and 24 h by default.
    pub completed: Keep,
    /// Failed jobs, the dead letters: 10,000 and 30 days by default.
    pub failed: Keep,
    /// Cancelled jobs: 1,000 and 24 h by default.
    pub cancelled: Keep,
}

impl Default for Retention {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            completed: Keep {
                count: 1_000,
                age: day,
            },
            failed: Keep {
                count: 10_000,
                age: 30 * day,
            },
            cancelled: Keep {
                count: 1_000,
                age: day,
            },
        }
    }
}

pub(crate) fn check_size(field: &str, size: usize) -> Result<()> {
    if size > MAX_PAYLOAD {
        return Err(Error::PayloadTooLarge {
            field: field.to_owned(),
            size,
            limit: MAX_PAYLOAD,
        });
    }
    Ok(())
}
