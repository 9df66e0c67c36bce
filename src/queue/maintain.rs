//! The duties' single steps: promote, reap, prune. Each is bounded, idempotent
//! and free of locks, so any process may take any step at any time.

use crate::error::Result;
use crate::job::QueueName;
use crate::lua::{self, Call};
use crate::options::Keep;
use crate::queue::JobQueue;
use crate::spec::millis;

/// The most jobs a step moves from each set.
const STEP: usize = 200;

/// What a reap found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reaped {
    /// Jobs put back to the head of their bands.
    pub put_back: usize,
    /// Jobs that failed, having lost too many workers.
    pub failed: usize,
}

impl JobQueue {
    /// Moves due jobs to waiting, up to 200 scheduled and 200 retrying ones.
    /// Returns how many; as many as that means there may be more.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn promote(&self, queue: &QueueName) -> Result<usize> {
        let keys = self.core.keys(queue);
        Call::new(&lua::PROMOTE, &keys)
            .arg(STEP)
            .run(&self.core.store)
            .await
    }

    /// Takes jobs back whose lease ran out, up to 200.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn reap(&self, queue: &QueueName) -> Result<Reaped> {
        let cap = self.core.config.crash_cap;
        let keys = self.core.keys(queue);
        let mut call = Call::new(&lua::REAP, &keys);
        call.arg(STEP).arg(cap);
        let (put_back, failed) = call.run(&self.core.store).await?;
        Ok(Reaped { put_back, failed })
    }

    /// Drops finished jobs over their count or age, up to 200 of each kept set
    /// and reason. Returns how many.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn prune(&self, queue: &QueueName) -> Result<usize> {
        let retention = self.core.config.retention;
        let keys = self.core.keys(queue);
        let mut call = Call::new(&lua::PRUNE, &keys);
        call.arg(STEP);
        for Keep { count, age } in [retention.completed, retention.failed, retention.cancelled] {
            call.arg(count).arg(millis(age));
        }
        call.run(&self.core.store).await
    }
}
