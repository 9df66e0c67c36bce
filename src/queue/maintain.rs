//! The duties' single steps: promote, reap, prune. Each is bounded, idempotent
//! and free of locks, so any process may take any step at any time.

use crate::error::Result;
use crate::job::QueueName;
use crate::lua::{self, Call};
use crate::options::Keep;
use crate::partition::Partition;
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
    /// Moves due jobs to waiting, up to 200 scheduled and 200 retrying ones of
    /// each partition. Returns how many; as many as that means there may be more.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn promote(&self, queue: &QueueName) -> Result<usize> {
        let mut moved = 0;
        for part in self.core.partitions_of(queue).await? {
            moved += self.promote_in(&part).await?;
        }
        Ok(moved)
    }

    /// The same in one partition.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn promote_in(&self, part: &Partition) -> Result<usize> {
        let keys = self.core.keys(part);
        let mut call = Call::new(&lua::PROMOTE, &keys);
        let moved = call.arg(STEP).run(&self.core.store).await?;
        if moved > 0 {
            self.core.bell.ring(part);
        }
        Ok(moved)
    }

    /// Takes jobs back whose lease ran out, up to 200 of each partition.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn reap(&self, queue: &QueueName) -> Result<Reaped> {
        let mut all = Reaped::default();
        for part in self.core.partitions_of(queue).await? {
            let reaped = self.reap_in(&part).await?;
            all.put_back += reaped.put_back;
            all.failed += reaped.failed;
        }
        Ok(all)
    }

    /// The same in one partition.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn reap_in(&self, part: &Partition) -> Result<Reaped> {
        let cap = self.core.config.crash_cap;
        let keys = self.core.keys(part);
        let mut call = Call::new(&lua::REAP, &keys);
        call.arg(STEP).arg(cap);
        let (put_back, failed) = call.run(&self.core.store).await?;
        if put_back > 0 {
            self.core.bell.ring(part);
        }
        Ok(Reaped { put_back, failed })
    }

    /// Drops finished jobs over their count or age, up to 200 of each partition,
    /// kept set and reason. Returns how many.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn prune(&self, queue: &QueueName) -> Result<usize> {
        let mut dropped = 0;
        for part in self.core.partitions_of(queue).await? {
            dropped += self.prune_in(&part).await?.0;
        }
        Ok(dropped)
    }

    /// The same in one partition, which also tells by which spread it goes.
    pub(crate) async fn prune_in(&self, part: &Partition) -> Result<(usize, String)> {
        let retention = self.core.config.retention;
        let keys = self.core.keys(part);
        let mut call = Call::new(&lua::PRUNE, &keys);
        call.arg(STEP);
        for Keep { count, age } in [retention.completed, retention.failed, retention.cancelled] {
            call.arg(count).arg(millis(age));
        }
        call.run(&self.core.store).await
    }
}
