//! What all attempts of a worker share.

use std::collections::HashSet;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobflow::payload::{self, Keyring};
use jobflow::{ClaimedJob, JobQueue, JobState, Kind, Outcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{DROP_WAIT, Ending};
use crate::handlers::Handlers;
use crate::health::Health;
use crate::lease::{HeldLease, Lease, Leases};
use crate::measured::MeasuredQueues;
use crate::posture::Posture;
use crate::seal;
use crate::shutdown::Steps;
use crate::stats::WorkerStats;

/// What all attempts of a worker share.
pub(crate) struct Crew {
    pub(crate) queue: Arc<JobQueue>,
    pub(crate) handlers: Handlers,
    /// Of sealed payloads.
    pub(super) keys: Option<Keyring>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) health: Arc<Health>,
    pub(crate) steps: Steps,
    pub(crate) posture: Posture,
    /// How many outcomes may be on their way to the store beside the attempts that run.
    storing: Arc<Semaphore>,
    /// Those that were warned of.
    unhandled_kinds: Mutex<HashSet<Kind>>,
    pub(crate) measured: MeasuredQueues,
}

/// The place of an attempt among those that may run at once.
pub(crate) type Slot = Option<OwnedSemaphorePermit>;

impl Crew {
    pub(crate) fn new(
        queue: JobQueue,
        handlers: Handlers,
        keys: Option<Keyring>,
        concurrency: usize,
    ) -> Self {
        let (health, steps) = (Arc::<Health>::default(), Steps::default());
        Self {
            queue: Arc::new(queue),
            handlers,
            keys,
            leases: Arc::default(),
            stats: Arc::default(),
            posture: Posture::new(steps.stop.clone(), health.clone()),
            health,
            steps,
            storing: Arc::new(Semaphore::new(concurrency)),
            unhandled_kinds: Mutex::default(),
            measured: MeasuredQueues::default(),
        }
    }

    /// Holds the lease of a job that was just claimed.
    pub(crate) fn hold(&self, job: ClaimedJob, fence: Instant) -> HeldLease {
        let cancel = self.steps.cancel.child_token();
        self.leases.hold(Arc::new(job), fence, cancel)
    }

    /// Seals the result of a job whose payload was sealed.
    pub(super) fn seal(&self, ending: Ending, job: &ClaimedJob) -> Ending {
        match (ending, &self.keys) {
            (Ending::Returned(Ok(Some(result))), Some(keys))
                if payload::is_sealed(&job.content_type) =>
            {
                Ending::Returned(seal::sealed(keys, job, result).map(Some))
            }
            (ending, _) => ending,
        }
    }

    /// Ends an attempt of which nobody knows how far it came. Its lease runs out,
    /// and the reaper does what it does for every lost worker.
    pub(super) fn leave_to_the_reaper(&self, lease: &Lease, why: &(dyn StdError + Send + Sync)) {
        let job = lease.job();
        tracing::warn!(job = %job.id, queue = %job.queue, kind = %job.kind, attempt = job.attempt,
            error = %why, "handler was lost; its job runs again when the lease ends");
        if lease.end() {
            self.stats.lost.add(1);
        }
    }

    /// Frees the slot of an attempt whose handler has ended, so that the next job
    /// is claimed while the outcome is on its way. Returns what to hold until it
    /// is stored: the slot itself where too many are on their way, so that a
    /// worker whose outcomes the store does not take stops claiming.
    pub(super) fn leave(&self, slot: Slot) -> Slot {
        let storing = self.storing.clone().try_acquire_owned();
        storing.map_or(slot, Some)
    }

    /// Sees that nothing of the handler runs on after its job was finished. One
    /// that blocks its thread nobody can stop: it is counted as stuck, and its
    /// slot is free all the same.
    pub(super) async fn drop_handler<T: Send + 'static>(
        &self,
        mut handler: JoinHandle<T>,
        lease: &Lease,
    ) {
        handler.abort();
        if timeout(DROP_WAIT, &mut handler).await.is_ok() {
            return;
        }
        let job = lease.job();
        tracing::warn!(job = %job.id, queue = %job.queue, kind = %job.kind, attempt = job.attempt,
            "handler is stuck: it blocks its thread and can not be dropped");
        self.stats.stuck.add(1);
        let stuck = self.health.stuck();
        tokio::spawn(async move {
            // However it ends, its attempt is over.
            let _ = handler.await;
            drop(stuck);
        });
    }

    pub(super) fn note(&self, ending: &Ending, kind: &Kind) {
        match ending {
            Ending::Panicked(_) => self.stats.panics.add(1),
            Ending::TimedOut => self.stats.timeouts.add(1),
            Ending::Unhandled => {
                let mut kinds = self
                    .unhandled_kinds
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if kinds.insert(kind.clone()) {
                    tracing::warn!(%kind, "no handler is for this kind; its jobs are given back");
                }
            }
            Ending::Returned(_) | Ending::CalledOff | Ending::Interrupted => {}
        }
    }

    pub(super) fn count(
        &self,
        job: &ClaimedJob,
        outcome: &Outcome,
        state: JobState,
        ran: Duration,
    ) {
        self.measured.add(job, outcome, state, ran);
        if let Outcome::Error(error) | Outcome::ErrorAfter(_, error) | Outcome::Fail(error) =
            outcome
        {
            tracing::debug!(job = %job.id, queue = %job.queue, kind = %job.kind, attempt = job.attempt, %state,
                code = error.code, error = error.message, "attempt errored");
        }
        match outcome {
            Outcome::Ack(_) => self.stats.completed.add(1),
            Outcome::Error(_) | Outcome::ErrorAfter(..) | Outcome::Fail(_) => {
                self.stats.errored.add(1);
            }
            Outcome::Snooze(_) => self.stats.snoozed.add(1),
            Outcome::Release => self.stats.released.add(1),
            Outcome::Cancelled => self.stats.cancelled.add(1),
            Outcome::Unhandled(_) => self.stats.unhandled.add(1),
        }
        if state == JobState::Failed {
            self.stats.failed.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobflow::QueueConfig;

    #[tokio::test]
    async fn a_slot_is_free_while_its_outcome_is_stored_unless_too_many_are() {
        let queue = JobQueue::open(QueueConfig::default()).unwrap();
        let crew = Crew::new(queue, Handlers::default(), None, 2);
        let slots = Arc::new(Semaphore::new(3));
        let ended = [(); 3].map(|()| Some(slots.clone().try_acquire_owned().unwrap()));
        let storing = ended.map(|slot| crew.leave(slot));
        assert_eq!(slots.available_permits(), 2);
        drop(storing);
        assert_eq!(slots.available_permits(), 3);
        assert_eq!(crew.storing.available_permits(), 2);
    }
}
