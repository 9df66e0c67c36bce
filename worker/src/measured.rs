//! What is measured of attempts until the keeper tells it with the beats.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jobflow::{ClaimedJob, Gathered, JobState, Measured, Outcome, QueueName};

/// By queue; there are no more than the worker claims from.
#[derive(Default)]
pub(crate) struct MeasuredQueues(Mutex<HashMap<QueueName, Gathered>>);

impl MeasuredQueues {
    /// Takes in an attempt whose outcome is stored, unless it was given up half-way:
    /// that tells nothing of how long jobs take.
    pub(crate) fn add(&self, job: &ClaimedJob, outcome: &Outcome, state: JobState, ran: Duration) {
        if matches!(
            outcome,
            Outcome::Release | Outcome::Unhandled(_) | Outcome::Cancelled
        ) {
            return;
        }
        let measured = Measured {
            state,
            errored: matches!(
                outcome,
                Outcome::Error(_) | Outcome::ErrorAfter(..) | Outcome::Fail(_)
            ),
            waited: job.claimed.since(job.ready.unwrap_or(job.created)),
            ran,
        };
        let mut queues = self.queues();
        match queues.get_mut(&job.queue) {
            Some(gathered) => gathered.add(&job.kind, measured),
            None => {
                let gathered = queues.entry(job.queue.clone()).or_default();
                gathered.add(&job.kind, measured);
            }
        }
    }

    /// What came since this was last called.
    pub(crate) fn take(&self) -> HashMap<QueueName, Gathered> {
        std::mem::take(&mut *self.queues())
    }

    /// Takes back what could not be told.
    pub(crate) fn put_back(&self, queue: QueueName, gathered: &Gathered) {
        self.queues().entry(queue).or_default().merge(gathered);
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<QueueName, Gathered>> {
        // Adding can not leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
