//! A job to submit, and the limits it is checked against.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::backoff::Backoff;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::job::{JobId, Kind, QueueName};
use crate::options::{
    DEFAULT_CONTENT_TYPE, KeyScope, MAX_CONTENT_TYPE, MAX_DELAY, MAX_HEADERS, MAX_IDEMPOTENCY_KEY,
    OnConflict, Priority, RunAt, StartLimit, check_attempts, check_size, check_tags, check_timeout,
};

/// A bound that needs no clock: 2^47 ms is the year 6429, and fits the packed record.
pub(crate) const LATEST: u64 = 1 << 47;

/// A job to submit: checked when it is built, so that one which exists can be stored.
///
/// ```
/// use jobflow::{NewJob, Priority, RunAt};
/// use std::time::Duration;
///
/// # fn main() -> jobflow::Result<()> {
/// let job = NewJob::new("send_email", r#"{"to":"user@example.com"}"#)?
///     .queue("mail")?
///     .priority(Priority::new(1)?)
///     .run_at(RunAt::After(Duration::from_secs(60)))?
///     .idempotency_key("welcome-42")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct NewJob {
    pub(crate) id: Option<JobId>,
    pub(crate) request_id: Option<uuid::Uuid>,
    pub(crate) queue: QueueName,
    pub(crate) kind: Kind,
    pub(crate) payload: Bytes,
    pub(crate) content_type: String,
    pub(crate) priority: Priority,
    pub(crate) run_at: RunAt,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) on_conflict: OnConflict,
    pub(crate) key_scope: KeyScope,
    pub(crate) tags: Vec<String>,
    pub(crate) start_limit: StartLimit,
    pub(crate) durability: Option<Durability>,
}

/// Which job it is, and nothing of what it carries.
impl fmt::Debug for NewJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewJob")
            .field("id", &self.id)
            .field("queue", &self.queue)
            .field("kind", &self.kind)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

impl NewJob {
    /// A job of `kind` in the queue `default`, to run now.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an odd kind, `PAYLOAD_TOO_LARGE` over 256 KiB.
    pub fn new(kind: impl AsRef<str>, payload: impl Into<Bytes>) -> Result<Self> {
        let payload = payload.into();
        check_size("payload", payload.len())?;
        Ok(Self {
            id: None,
            request_id: None,
            queue: QueueName::default(),
            kind: Kind::new(kind)?,
            payload,
            content_type: DEFAULT_CONTENT_TYPE.to_owned(),
            priority: Priority::default(),
            run_at: RunAt::Now,
            max_attempts: None,
            backoff: None,
            timeout: None,
            headers: BTreeMap::new(),
            idempotency_key: None,
            on_conflict: OnConflict::default(),
            key_scope: KeyScope::default(),
            tags: Vec::new(),
            start_limit: StartLimit::default(),
            durability: None,
        })
    }

    /// A typed job, as JSON, in its own queue.
    ///
    /// # Errors
    /// `INVALID_FIELD` when the value has no JSON form or its names are odd,
    /// `PAYLOAD_TOO_LARGE` over 256 KiB.
    #[cfg(feature = "queue")]
    pub fn of<J: crate::Job>(job: &J) -> Result<Self> {
        let payload = serde_json::to_vec(job)
            .map_err(|error| Error::invalid("payload", format!("has no JSON form: {error}")))?;
        Self::new(J::KIND, payload)?.queue(J::QUEUE)
    }

    /// The queue that it goes to.
    #[must_use]
    pub const fn queue_name(&self) -> &QueueName {
        &self.queue
    }

    /// The queue it goes to.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an odd name.
    pub fn queue(mut self, queue: impl AsRef<str>) -> Result<Self> {
        self.queue = QueueName::new(queue)?;
        Ok(self)
    }

    /// Media type of the payload.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it is empty, over 128 bytes or not printable ASCII.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Result<Self> {
        self.content_type = check_content_type(content_type.into())?;
        Ok(self)
    }

    /// Its band.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// When it may run at the earliest.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a delay over 10 years.
    pub fn run_at(mut self, run_at: RunAt) -> Result<Self> {
        if matches!(run_at, RunAt::After(delay) if delay > MAX_DELAY) {
            return Err(Error::invalid("delay", "must be 0 to 10 years"));
        }
        if matches!(run_at, RunAt::At(time) if time.0 >= LATEST) {
            return Err(Error::invalid("run_time", "is too far ahead"));
        }
        self.run_at = run_at;
        Ok(self)
    }

    /// After how many errored attempts it fails; what its queue says unless given.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it is not 1 to 1,000.
    pub fn max_attempts(mut self, attempts: u32) -> Result<Self> {
        self.max_attempts = Some(check_attempts(attempts)?);
        Ok(self)
    }

    /// The delay between attempts; what its queue says unless given.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// How long one attempt may run; what its queue says unless given.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it is not 1 ms to 7 days.
    pub fn timeout(mut self, timeout: Duration) -> Result<Self> {
        self.timeout = Some(check_timeout(timeout)?);
        Ok(self)
    }

    /// Words by which it is found.
    ///
    /// # Errors
    /// `INVALID_FIELD` for more than 8, or one that is empty, over 64 bytes or oddly spelled.
    pub fn tags(mut self, tags: impl IntoIterator<Item = String>) -> Result<Self> {
        self.tags = check_tags(tags)?;
        Ok(self)
    }

    /// Until when it must have started, or fail with `EXPIRED`.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a time over 10 years ahead.
    pub fn start_limit(mut self, limit: StartLimit) -> Result<Self> {
        match limit {
            StartLimit::Within(time) if time > MAX_DELAY => {
                return Err(Error::invalid("start_within", "must be 0 to 10 years"));
            }
            StartLimit::Before(time) if time.0 >= LATEST => {
                return Err(Error::invalid("start_before_time", "is too far ahead"));
            }
            StartLimit::Never | StartLimit::Within(_) | StartLimit::Before(_) => {}
        }
        self.start_limit = limit;
        Ok(self)
    }

    /// How safe it is before its submit is acknowledged; what its queue says
    /// unless given, or else the installation.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// What happens when a job holds its idempotency key.
    #[must_use]
    pub const fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }

    /// How long it holds its idempotency key.
    #[must_use]
    pub const fn key_scope(mut self, scope: KeyScope) -> Self {
        self.key_scope = scope;
        self
    }

    /// The producer's own metadata.
    ///
    /// # Errors
    /// `INVALID_FIELD` when names and values together are over 8 KiB.
    pub fn headers(mut self, headers: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let headers: BTreeMap<_, _> = headers.into_iter().collect();
        if headers_size(&headers) > MAX_HEADERS || headers.contains_key("") {
            return Err(Error::invalid(
                "headers",
                "must have names and be at most 8 KiB in all",
            ));
        }
        self.headers = headers;
        Ok(self)
    }

    /// The trace that it is a part of, by its header `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.headers.get("traceparent").map(String::as_str)
    }

    /// Makes it a part of a trace. One for which its headers have no room is left
    /// out: it is no reason to refuse a job.
    #[must_use]
    pub fn traced(mut self, traceparent: &str) -> Self {
        let name = "traceparent";
        let before = self.headers.remove(name);
        if headers_size(&self.headers) + name.len() + traceparent.len() <= MAX_HEADERS {
            self.headers.insert(name.to_owned(), traceparent.to_owned());
        } else if let Some(before) = before {
            self.headers.insert(name.to_owned(), before);
        }
        self
    }

    /// Which handler it is for.
    #[must_use]
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// A key under which a second submit returns the first job, as long as
    /// that job exists.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it is empty or over 256 bytes.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Result<Self> {
        let key = key.into();
        if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY {
            return Err(Error::invalid("idempotency_key", "must be 1 to 256 bytes"));
        }
        self.idempotency_key = Some(key);
        Ok(self)
    }

    /// A caller's name for this very request: a repeat returns the first job.
    #[must_use]
    pub const fn request_id(mut self, request_id: uuid::Uuid) -> Self {
        self.request_id = Some(request_id);
        self
    }

    /// The id of the job, from [`JobId::generate`]: a submit repeated under the
    /// same id stores one job.
    ///
    /// # Errors
    /// `INVALID_FIELD` when the id was made for another queue than the job's.
    pub fn id(mut self, id: JobId) -> Result<Self> {
        if !id.may_belong_to(&self.queue) {
            return Err(Error::invalid(
                "id",
                format!("was not made for queue {}", self.queue),
            ));
        }
        self.id = Some(id);
        Ok(self)
    }
}

pub(crate) fn check_content_type(content_type: String) -> Result<String> {
    let printable = content_type.bytes().all(|b| (b' '..=b'~').contains(&b));
    if content_type.is_empty() || content_type.len() > MAX_CONTENT_TYPE || !printable {
        return Err(Error::invalid(
            "content_type",
            "must be 1 to 128 printable ASCII characters",
        ));
    }
    Ok(content_type)
}

/// What headers count as: names and values together.
fn headers_size(headers: &BTreeMap<String, String>) -> usize {
    let sizes = headers.iter().map(|(name, value)| name.len() + value.len());
    sizes.sum()
}

#[cfg(test)]
mod tests;
