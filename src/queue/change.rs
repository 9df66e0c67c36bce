//! Change jobs that are there: cancel, retry, promote, delete. One of them, or
//! many of one queue with a verdict each.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::job::{JobId, QueueName};
use crate::keys;
use crate::lua::{self, Call};
use crate::new_job::check_content_type;
use crate::options::{MAX_REASON, check_size};
use crate::partition::Partition;
use crate::queue::submit::by_partition;
use crate::queue::{Core, JobQueue};
use crate::record::Etag;
use crate::state::JobState;

/// The most jobs of one call.
pub(crate) const MAX_CHANGES: usize = 100;
/// How often a change that somebody else overtook is tried again.
pub(crate) const TRIES: usize = 5;

/// What is done to jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Call them off.
    Cancel {
        /// Kept with the jobs.
        reason: String,
    },
    /// Make final ones wait again, and retrying ones without their backoff.
    Retry,
    /// Make scheduled and retrying ones wait now.
    Promote,
    /// Delete them.
    Delete(Force),
}

/// Whether active jobs are deleted, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// They are refused.
    No,
    /// They are deleted, and what their workers say of them is refused.
    Yes,
}

/// One step of a bulk operation: it counts what it does and moves the
/// operation on, in the same script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkStep {
    /// The operation's id.
    pub operation: String,
    /// Where the operation must be for the step to be done.
    pub expected_cursor: String,
    /// Where it is then.
    pub next_cursor: String,
}

impl JobQueue {
    /// Calls a job off: one that does not run is `Cancelled` at once, one that
    /// is `Active` is asked to end.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `INVALID_STATE_TRANSITION` for a final job,
    /// `ETAG_MISMATCH`, `INVALID_FIELD` for a reason over 1 KiB, and any fault
    /// of the store.
    pub async fn cancel(&self, id: JobId, reason: &str, etag: Option<&Etag>) -> Result<JobState> {
        let reason = reason.to_owned();
        self.change(id, &Change::Cancel { reason }, etag).await
    }

    /// Makes a final job wait again with all its attempts, and a retrying one
    /// without the rest of its backoff; with another payload and content type
    /// where given. The old payload is kept in the job's history.
    ///
    /// # Errors
    /// As for [`JobQueue::cancel`], and `PAYLOAD_TOO_LARGE`.
    pub async fn retry(
        &self,
        id: JobId,
        payload: Option<(Bytes, Option<String>)>,
        etag: Option<&Etag>,
    ) -> Result<()> {
        let Some((payload, content_type)) = payload else {
            return self.change(id, &Change::Retry, etag).await.map(drop);
        };
        check_size("payload", payload.len())?;
        let content_type = content_type.map(check_content_type).transpose()?;
        for _ in 0..TRIES {
            let (job, mut spec) = self.find_by_id(id).await?;
            spec.payload = payload.clone();
            if let Some(content_type) = &content_type {
                spec.content_type.clone_from(content_type);
            }
            let read = job.etag.ok_or(Error::CorruptRecord { id })?;
            let part = Partition::of(&job.queue, id);
            let mut call = self.change_call(
                &part,
                &Change::Retry,
                None,
                Some(etag.unwrap_or(&read)),
                &spec.encode_again(),
            );
            call.arg(id.as_bytes());
            let words: Vec<String> = call.run_once(&self.core.store).await?;
            self.core.tell_workers(&part).await;
            match verdict(&words, id, &Change::Retry) {
                Err(Error::EtagMismatch { .. }) if etag.is_none() => {}
                done => return done.map(drop),
            }
        }
        Err(overtaken(id))
    }

    /// Makes a scheduled or retrying job wait now.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `INVALID_STATE_TRANSITION` for a job in any other
    /// state, and any fault of the store.
    pub async fn promote_job(&self, id: JobId) -> Result<()> {
        self.change(id, &Change::Promote, None).await.map(drop)
    }

    /// Deletes a job and all that is stored of it.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `INVALID_STATE_TRANSITION` for an active one unless
    /// forced, `ETAG_MISMATCH`, and any fault of the store.
    pub async fn delete(&self, id: JobId, force: Force, etag: Option<&Etag>) -> Result<()> {
        self.change(id, &Change::Delete(force), etag)
            .await
            .map(drop)
    }

    /// Changes up to 100 jobs of one queue, with a verdict each: the state a
    /// job is in then. With a step of a bulk operation, nothing is done and
    /// the answer is `None` when the operation is elsewhere by now.
    ///
    /// # Errors
    /// `INVALID_FIELD` for too many ids, for those of several partitions in a
    /// step, or a reason over 1 KiB, and any fault of the store; jobs of other
    /// partitions may have been changed then.
    pub async fn change_jobs(
        &self,
        queue: &QueueName,
        change: &Change,
        ids: &[JobId],
        step: Option<&BulkStep>,
    ) -> Result<Option<Vec<Result<JobState>>>> {
        let first = ids.first().map_or(0, |id| id.partition());
        if ids.iter().all(|id| id.partition() == first) {
            let part = Partition::new(queue.clone(), first);
            return self.change_in(&part, change, ids, step).await;
        }
        if step.is_some() {
            return Err(Error::invalid("ids", "must be of one partition"));
        }
        let mut verdicts = Vec::new();
        for (part, places) in by_partition(ids, |id| (queue, *id)) {
            let some: Vec<_> = places.iter().map(|at| ids[*at]).collect();
            let changed = self.change_in(&part, change, &some, None).await?;
            verdicts.extend(places.into_iter().zip(changed.unwrap_or_default()));
        }
        verdicts.sort_by_key(|(at, _)| *at);
        Ok(Some(
            verdicts.into_iter().map(|(_, verdict)| verdict).collect(),
        ))
    }

    /// The same in one partition.
    pub(crate) async fn change_in(
        &self,
        part: &Partition,
        change: &Change,
        ids: &[JobId],
        step: Option<&BulkStep>,
    ) -> Result<Option<Vec<Result<JobState>>>> {
        if ids.len() > MAX_CHANGES {
            return Err(Error::invalid(
                "ids",
                format!("must be at most {MAX_CHANGES}"),
            ));
        }
        check_change(change)?;
        let mut call = self.change_call(part, change, step, None, b"");
        for id in ids {
            call.arg(id.as_bytes());
        }
        let words: Option<Vec<String>> = call.run_once(&self.core.store).await?;
        self.tell_of(part, change).await;
        let Some(words) = words else { return Ok(None) };
        if words.len() != ids.len() {
            return Err(Error::Internal {
                message: "a change answered for another number of jobs".to_owned(),
            });
        }
        let verdicts = words
            .iter()
            .zip(ids)
            .map(|(word, id)| read(word, *id, change));
        Ok(Some(verdicts.collect()))
    }

    /// Tells workers of a partition where a change may have made jobs wait.
    async fn tell_of(&self, part: &Partition, change: &Change) {
        if matches!(change, Change::Retry | Change::Promote) {
            self.core.tell_workers(part).await;
        }
    }

    async fn change(&self, id: JobId, change: &Change, etag: Option<&Etag>) -> Result<JobState> {
        check_change(change)?;
        let all = self.core.known_partitions().await?;
        for part in keys::candidates(id, &all) {
            let mut call = self.change_call(part, change, None, etag, b"");
            call.arg(id.as_bytes());
            let words: Vec<String> = call.run_once(&self.core.store).await?;
            self.tell_of(part, change).await;
            crate::failpoint!("change.done");
            match verdict(&words, id, change) {
                Err(Error::JobNotFound { .. }) => {}
                done => return done,
            }
        }
        Err(Error::JobNotFound { id })
    }

    /// The call of the change's script up to what comes before the ids. A
    /// retry may bring a new spec.
    fn change_call(
        &self,
        part: &Partition,
        change: &Change,
        step: Option<&BulkStep>,
        etag: Option<&Etag>,
        new_spec: &[u8],
    ) -> Call {
        let script = match change {
            Change::Cancel { .. } => &lua::CANCEL,
            Change::Retry => &lua::RETRY,
            Change::Promote => &lua::PROMOTE_NOW,
            Change::Delete(_) => &lua::DELETE,
        };
        let core: &Core = &self.core;
        let mut call = Call::new(script, &core.keys(part));
        let step = step.map(|step| [&step.operation, &step.expected_cursor, &step.next_cursor]);
        for text in step.map_or([""; 3], |step| step.map(String::as_str)) {
            call.arg(text);
        }
        call.arg(etag.map_or("", Etag::as_str));
        let control = keys::control(&core.config.namespace);
        match change {
            Change::Cancel { reason } => {
                call.arg(core.config.retention.cancelled.count)
                    .arg(control)
                    .arg(reason);
            }
            Change::Delete(force) => {
                let word = match force {
                    Force::No => "",
                    Force::Yes => "force",
                };
                call.arg(word).arg(control);
            }
            Change::Retry => {
                call.arg(new_spec);
            }
            Change::Promote => {}
        }
        call
    }
}

fn check_change(change: &Change) -> Result<()> {
    match change {
        Change::Cancel { reason } => check_reason(reason),
        Change::Retry | Change::Promote | Change::Delete(_) => Ok(()),
    }
}

pub(crate) fn check_reason(reason: &str) -> Result<()> {
    if reason.len() > MAX_REASON {
        return Err(Error::invalid("reason", "must be at most 1 KiB"));
    }
    Ok(())
}

pub(crate) fn overtaken(id: JobId) -> Error {
    Error::EtagMismatch {
        what: format!("job {id}"),
    }
}

fn verdict(words: &[String], id: JobId, change: &Change) -> Result<JobState> {
    let word = words.first().ok_or_else(|| Error::Internal {
        message: "a change answered nothing".to_owned(),
    })?;
    read(word, id, change)
}

/// What a script said of one job.
fn read(word: &str, id: JobId, change: &Change) -> Result<JobState> {
    let (verb, to) = match change {
        Change::Cancel { .. } => ("be cancelled", Some(JobState::Cancelled)),
        Change::Retry => ("be retried", Some(JobState::Waiting)),
        Change::Promote => ("be promoted", Some(JobState::Waiting)),
        Change::Delete(_) => ("be deleted unless forced", None),
    };
    match word {
        // What it was does not matter any more.
        "deleted" => Ok(JobState::Cancelled),
        word => read_word(word, id, verb, to),
    }
}

/// A state, or why nothing was changed.
pub(crate) fn read_word(
    word: &str,
    id: JobId,
    verb: &'static str,
    to: Option<JobState>,
) -> Result<JobState> {
    let unknown = || Error::Internal {
        message: "a change answered with an unknown word".to_owned(),
    };
    if let Some(from) = word.strip_prefix("INVALID_STATE_TRANSITION ") {
        let from = JobState::from_word(from).ok_or_else(unknown)?;
        return Err(Error::InvalidStateTransition { id, from, to, verb });
    }
    match word {
        "JOB_NOT_FOUND" => Err(Error::JobNotFound { id }),
        "ETAG_MISMATCH" => Err(overtaken(id)),
        "CORRUPT_RECORD" => Err(Error::CorruptRecord { id }),
        state => JobState::from_word(state).ok_or_else(unknown),
    }
}
