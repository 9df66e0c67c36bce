//! Create jobs.
//!
//! `place` says which partition a job goes to, `send` cuts what is submitted into
//! calls of one partition and one durability, `call` is the call of the script, and
//! `durable` waits for what was stored.

mod call;
mod durable;
mod place;
mod send;

use std::sync::Arc;

use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::job::{JobId, QueueName, StoreTime};
use crate::keys;
use crate::new_job::NewJob;
use crate::options::OnConflict;
use crate::partition::{Partition, Spread};
use crate::queue::{Core, JobQueue};
use crate::state::JobState;

pub(crate) use send::{by_partition, send};

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
        let job = self.core.prepare(job);
        let class = self.core.durability_for(&job);
        let server = self.core.server_of(&job.job.queue, job.id);
        let submitted = self.batches.submits[class as usize]
            .call(server, job)
            .await?;
        self.with_present_state(submitted, rejected).await
    }

    /// Creates many jobs. Each has a result of its own, in order.
    ///
    /// # Errors
    /// Per job, as for [`JobQueue::submit`].
    pub async fn submit_batch(&self, jobs: Vec<NewJob>) -> Vec<Result<Submitted>> {
        let rejected: Vec<_> = jobs.iter().map(Rejected::by).collect();
        let prepared = jobs.into_iter().map(|job| self.core.prepare(job)).collect();
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
        let part = Partition::of(&submitted.queue, submitted.id);
        let job = self.get_in(&part, submitted.id).await?;
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
    fn durability_for(&self, job: &Prepared) -> Durability {
        job.job
            .durability
            .or_else(|| self.durability_of(&job.partition()))
            .unwrap_or(self.config.durability)
    }

    /// Gives a job its id, and so its place as far as it is known.
    fn prepare(&self, job: NewJob) -> Prepared {
        let spread = self.spreads.of(&job.queue);
        let (fresh, id) = match job.id {
            Some(id) => (false, id),
            None => (true, JobId::generate_in(&self.place_of(&job, &spread))),
        };
        Prepared {
            fresh,
            id,
            sent: false,
            bound: false,
            placed_by: spread.epoch,
            job: Box::new(job),
        }
    }
}

/// A request that carries a key can be repeated under that; it needs no second entry.
fn entry(job: &NewJob) -> Option<String> {
    let key = job.idempotency_key.as_deref().map(keys::idempotency_entry);
    key.or_else(|| job.request_id.map(keys::request_entry))
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
    /// It may be stored under its id.
    sent: bool,
    /// The epoch of the spread by which it has its place.
    placed_by: u64,
    /// It goes where no new jobs do: its key is held there by an earlier spread of the
    /// queue, or its id says so.
    bound: bool,
    /// Boxed, as it is handed on several times and large.
    job: Box<NewJob>,
}

impl Prepared {
    fn partition(&self) -> Partition {
        Partition::of(&self.job.queue, self.id)
    }

    /// The entry that keeps a second job of the same key or request away.
    fn entry(&self) -> Option<String> {
        entry(&self.job)
    }

    /// Its caller's id names a partition that takes no new jobs: there it can only be
    /// already.
    fn has_id_of_surplus(&self, spread: &Spread) -> bool {
        !self.fresh && self.id.partition() >= spread.count
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
