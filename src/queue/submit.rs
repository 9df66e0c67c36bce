//! Create jobs.
//!
//! `send` cuts what is submitted into calls of one queue and one durability,
//! `call` is the call of the script, and `durable` waits for what was stored.

mod call;
mod durable;
mod send;

use std::sync::Arc;

use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::job::{JobId, QueueName, StoreTime};
use crate::new_job::NewJob;
use crate::options::OnConflict;
use crate::queue::{Core, JobQueue};
use crate::state::JobState;

pub(crate) use send::{by_queue, send};

/// What a submit stored, or found stored already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The job's id.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// `Waiting` or `Scheduled`; any state for a duplicate.
    pub state: JobState,
    /// When it was submitted, by the clock of the store.
    pub time: StoreTime,
    /// The job existed under the id, request id or idempotency key.
    pub duplicate: bool,
    /// The job that held the idempotency key and had to make way.
    pub replaced: Option<JobId>,
}

impl JobQueue {
    /// Creates a job, or returns the one that exists under its id, request id
    /// or idempotency key. Calls made at the same time share a round trip.
    ///
    /// # Errors
    /// `QUEUE_DRAINING`, `QUEUE_FULL`, `IDEMPOTENCY_CONFLICT`,
    /// `STORE_OUT_OF_MEMORY`, `DURABILITY_UNAVAILABLE`: nothing was stored.
    /// `DURABILITY_UNKNOWN`: it was stored, but is not known to be as safe as
    /// asked. `STORE_UNAVAILABLE` and the like: it may or may not have been
    /// stored. In both cases submit again under the same id or key.
    pub async fn submit(&self, job: NewJob) -> Result<Submitted> {
        let rejected = Rejected::by(&job);
        let class = self.core.durability_for(&job);
        let server = self.core.server_of(&job.queue);
        let submitted = self.submits[class as usize]
            .call(server, Prepared::new(job))
            .await?;
        self.with_present_state(submitted, rejected).await
    }

    /// Creates many jobs. Each has a result of its own, in order.
    ///
    /// # Errors
    /// Per job, as for [`JobQueue::submit`].
    pub async fn submit_batch(&self, jobs: Vec<NewJob>) -> Vec<Result<Submitted>> {
        let rejected: Vec<_> = jobs.iter().map(Rejected::by).collect();
        let prepared = jobs.into_iter().map(Prepared::new).collect();
        let mut results = send(Arc::clone(&self.core), prepared).await;
        for (result, rejected) in results.iter_mut().zip(rejected) {
            if let Ok(submitted) = result
                && submitted.duplicate
            {
                *result = self.with_present_state(submitted.clone(), rejected).await;
            }
        }
        results
    }

    /// A duplicate may be in any state by now.
    async fn with_present_state(
        &self,
        submitted: Submitted,
        rejected: Rejected,
    ) -> Result<Submitted> {
        if !submitted.duplicate {
            return Ok(submitted);
        }
        let job = self.get_in(&submitted.queue, submitted.id).await?;
        let job = job.ok_or(Error::JobNotFound { id: submitted.id })?;
        if rejected.includes(job.id) {
            return Err(Error::IdempotencyConflict {
                id: job.id,
                state: job.state,
            });
        }
        Ok(Submitted {
            state: job.state,
            time: job.created,
            ..submitted
        })
    }
}

impl Core {
    /// What a job asks for, or else its queue, or else the installation.
    fn durability_for(&self, job: &NewJob) -> Durability {
        job.durability
            .or_else(|| self.durability_of(&job.queue))
            .unwrap_or(self.config.durability)
    }
}

/// Which existing jobs are no answer to a submit.
#[derive(Clone, Copy)]
enum Rejected {
    None,
    /// All that hold its key. The job itself does when the submit is repeated.
    AllBut(Option<JobId>),
}

impl Rejected {
    fn by(job: &NewJob) -> Self {
        match job.on_conflict {
            OnConflict::Reject if job.idempotency_key.is_some() => Self::AllBut(job.id),
            _ => Self::None,
        }
    }

    fn includes(self, id: JobId) -> bool {
        matches!(self, Self::AllBut(own) if own != Some(id))
    }
}

/// A job and its id.
pub(crate) struct Prepared {
    id: JobId,
    /// The id was made just now.
    fresh: bool,
    job: NewJob,
}

impl Prepared {
    fn new(job: NewJob) -> Self {
        Self {
            fresh: job.id.is_none(),
            id: job.id.unwrap_or_else(|| JobId::generate(&job.queue)),
            job,
        }
    }

    /// Its durability is that of its queue.
    fn goes_by_queue(&self) -> bool {
        self.job.durability.is_none()
    }

    /// Another job may have to make way.
    fn replaces(&self) -> bool {
        let policy = self.job.on_conflict;
        matches!(
            policy,
            OnConflict::ReplaceWaiting | OnConflict::CancelActive
        ) && self.job.idempotency_key.is_some()
    }

    /// The verdict, unless the script says otherwise.
    fn stored(&self, now: StoreTime) -> Submitted {
        Submitted {
            id: self.id,
            queue: self.job.queue.clone(),
            state: self.job.run_at.state_at(now),
            time: now,
            duplicate: false,
            replaced: None,
        }
    }
}
