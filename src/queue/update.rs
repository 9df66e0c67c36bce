//! Change what was submitted, while no attempt runs.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::job::JobId;
use crate::keys;
use crate::lua::{self, Call};
use crate::new_job::{LATEST, check_content_type};
use crate::options::{MAX_DELAY, Priority, RunAt, check_attempts, check_size, check_tags};
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::queue::change::{TRIES, overtaken, read_word};
use crate::record::{Etag, JobRecord};
use crate::spec::{Spec, millis};

/// New values of a job; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobChanges {
    /// Its band.
    pub priority: Option<Priority>,
    /// When it may run at the earliest; `Now` makes it wait.
    pub run_at: Option<RunAt>,
    /// What its handler gets, and the media type; the old payload is kept in
    /// the job's history.
    pub payload: Option<(Bytes, Option<String>)>,
    /// After how many errored attempts it fails.
    pub max_attempts: Option<u32>,
    /// Words by which it is found.
    pub tags: Option<Vec<String>>,
}

impl JobChanges {
    fn checked(mut self) -> Result<Self> {
        if let Some((payload, content_type)) = &self.payload {
            check_size("payload", payload.len())?;
            content_type.clone().map(check_content_type).transpose()?;
        }
        self.max_attempts.map(check_attempts).transpose()?;
        match self.run_at {
            Some(RunAt::After(delay)) if delay > MAX_DELAY => {
                return Err(Error::invalid("delay", "must be 0 to 10 years"));
            }
            Some(RunAt::At(time)) if time.0 >= LATEST => {
                return Err(Error::invalid("run_time", "is too far ahead"));
            }
            _ => {}
        }
        self.tags = self.tags.map(check_tags).transpose()?;
        Ok(self)
    }

    /// Writes into a spec what belongs there; says whether anything did.
    fn apply(&self, spec: &mut Spec) -> bool {
        if let Some((payload, content_type)) = &self.payload {
            spec.payload = payload.clone();
            if let Some(content_type) = content_type {
                spec.content_type.clone_from(content_type);
            }
        }
        if self.max_attempts.is_some() {
            spec.max_attempts = self.max_attempts;
        }
        self.payload.is_some() || self.max_attempts.is_some()
    }
}

impl JobQueue {
    /// Changes a job that is scheduled, waiting, retrying or blocked.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `INVALID_STATE_TRANSITION` for a job that is active or
    /// final, `ETAG_MISMATCH`, `INVALID_FIELD` and `PAYLOAD_TOO_LARGE` as for a
    /// submit, and any fault of the store. Nothing is changed then.
    pub async fn update(&self, id: JobId, changes: JobChanges, etag: Option<&Etag>) -> Result<()> {
        let changes = changes.checked()?;
        for _ in 0..TRIES {
            let (job, mut spec) = self.find_by_id(id).await?;
            let read = job.etag.as_ref().ok_or(Error::CorruptRecord { id })?;
            let new_spec = changes.apply(&mut spec).then(|| spec.encode_again());
            let part = Partition::of(&job.queue, id);
            let mut call = Call::new(&lua::UPDATE, &self.core.keys(&part));
            call.arg(id.as_bytes())
                .arg(etag.unwrap_or(read).as_str())
                .arg(new_spec.as_deref().unwrap_or_default());
            match changes.priority {
                None => call.arg(""),
                Some(priority) => call.arg(priority.get()),
            };
            call.arg(changes.run_at.map(due).unwrap_or_default());
            match &changes.tags {
                None => call.arg("").arg(""),
                Some(tags) => call.arg("tags").arg(tags.join("\n")),
            };
            call.arg(if changes.payload.is_some() {
                "payload"
            } else {
                ""
            });
            let words: Vec<String> = call.run_once(&self.core.store).await?;
            crate::failpoint!("update.done");
            let word = words.first().map(String::as_str).unwrap_or_default();
            self.core.tell_workers(&part).await;
            match read_word(word, id, "be updated", None) {
                Err(Error::EtagMismatch { .. }) if etag.is_none() => {}
                done => return done.map(drop),
            }
        }
        Err(overtaken(id))
    }

    /// The job and its spec, wherever it is.
    pub(crate) async fn find_by_id(&self, id: JobId) -> Result<(JobRecord, Spec)> {
        let all = self.core.known_partitions().await?;
        for part in keys::candidates(id, &all) {
            if let Some(found) = self.find(part, id).await? {
                return Ok(found);
            }
        }
        Err(Error::JobNotFound { id })
    }
}

/// `+ms` from now, or `ms` at that time.
fn due(run_at: RunAt) -> String {
    match run_at {
        RunAt::Now => "+0".to_owned(),
        RunAt::After(delay) => format!("+{}", millis(delay)),
        RunAt::At(time) => time.0.to_string(),
    }
}
