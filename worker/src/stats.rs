//! What a worker has done since it started.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Its value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, by: usize) {
        self.0.fetch_add(by as u64, Ordering::Relaxed);
    }
}

/// The counters of one worker, from its start.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Claim calls that were answered.
    pub claims: Counter,
    /// Jobs that came with them.
    pub claimed: Counter,
    /// Jobs completed.
    pub completed: Counter,
    /// Attempts that errored, last ones included.
    pub errored: Counter,
    /// Jobs that failed: after their last attempt, or because the handler said so.
    pub failed: Counter,
    /// Jobs put off by their handler.
    pub snoozed: Counter,
    /// Jobs given back at a stop or after a lost lease, without a penalty.
    pub released: Counter,
    /// Jobs that were called off while they ran.
    pub cancelled: Counter,
    /// Jobs given back because no handler is for their kind.
    pub unhandled: Counter,
    /// Attempts whose outcome was refused, or could not be stored before the lease ran out.
    pub lease_lost: Counter,
    /// Attempts whose handler's process was lost; their jobs go on when the lease ends.
    pub lost: Counter,
    /// Attempts that ended in a panic, which are errored ones too.
    pub panics: Counter,
    /// Attempts that ran into their deadline, which are errored ones too.
    pub timeouts: Counter,
    /// Handlers that blocked their thread when they had to end, and could not be dropped.
    pub stuck: Counter,
}
