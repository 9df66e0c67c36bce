//! The leases that a worker holds, and what has become of each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jobflow::{ClaimedJob, Extension, JobId, LeaseToken, Partition, RunningJob};
use tokio_util::sync::CancellationToken;

use crate::context::CancelReason;

/// One lease, from its claim to the end of its attempt.
#[derive(Debug)]
pub(crate) struct Lease {
    job: Arc<ClaimedJob>,
    since: Instant,
    /// Until then nobody else can have the job, by this machine's own clock.
    fence: Mutex<Instant>,
    /// Given up: not extended any more, so that the reaper can hand the job on.
    lost: AtomicBool,
    /// Somebody asked for the end of the job.
    called_off: AtomicBool,
    /// Somebody has the outcome and stores it.
    ended: AtomicBool,
    /// Fires when the lease is lost, the job is called off, or a stop's grace is over.
    cancel: CancellationToken,
}

impl Lease {
    pub(crate) const fn job(&self) -> &Arc<ClaimedJob> {
        &self.job
    }

    /// When the attempt runs out of time.
    pub(crate) fn deadline(&self) -> Instant {
        self.since + self.job.timeout
    }

    /// How long the attempt has been going on.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// When the lease ends unless it is extended again.
    pub(crate) fn fence(&self) -> Instant {
        *unpoisoned(&self.fence)
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn give_up(&self) {
        self.lost.store(true, Ordering::Relaxed);
        self.cancel.cancel();
    }

    fn call_off(&self) {
        if !self.called_off.swap(true, Ordering::Relaxed) {
            tracing::debug!(job = %self.job.id, queue = %self.job.queue, "job is called off; telling its handler");
        }
        self.cancel.cancel();
    }

    /// Whether the caller is the first to end the attempt, and so the one who
    /// stores its outcome.
    pub(crate) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::Relaxed)
    }

    /// Takes the store's answer to an extension that was asked for at
    /// `fence` less the length of a lease.
    pub(crate) fn take(&self, extension: Extension, fence: Instant) {
        match extension {
            Extension::Held => *unpoisoned(&self.fence) = fence,
            Extension::CancelRequested => {
                *unpoisoned(&self.fence) = fence;
                self.call_off();
            }
            // Also the answer for an attempt that was finished meanwhile; the
            // token is of no use to anybody then.
            Extension::Lost => self.give_up(),
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) const fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Why the attempt was told to end; `None` when it was not.
    pub(crate) fn cancel_reason(&self) -> Option<CancelReason> {
        if !self.cancel.is_cancelled() {
            None
        } else if self.is_lost() {
            Some(CancelReason::LeaseLost)
        } else if self.called_off.load(Ordering::Relaxed) {
            Some(CancelReason::CalledOff)
        } else {
            Some(CancelReason::Stopping)
        }
    }
}

type Key = (JobId, LeaseToken);
/// One that can not be reached must not keep the others from being extended.
type ByPartition = HashMap<Partition, Vec<Arc<Lease>>>;

/// The leases this worker holds.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: Mutex<HashMap<Key, Arc<Lease>>>,
}

/// A lease that is extended until this is dropped.
#[derive(Debug)]
pub(crate) struct HeldLease {
    lease: Arc<Lease>,
    leases: Arc<Leases>,
}

impl HeldLease {
    pub(crate) fn shared(&self) -> Arc<Lease> {
        self.lease.clone()
    }
}

impl std::ops::Deref for HeldLease {
    type Target = Lease;
    fn deref(&self) -> &Lease {
        &self.lease
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        let job = self.lease.job();
        unpoisoned(&self.leases.held).remove(&(job.id, job.token));
    }
}

impl Leases {
    /// Takes over a lease that runs until `fence`.
    pub(crate) fn hold(
        self: &Arc<Self>,
        job: Arc<ClaimedJob>,
        fence: Instant,
        cancel: CancellationToken,
    ) -> HeldLease {
        let key = (job.id, job.token);
        let lease = Arc::new(Lease {
            job,
            since: Instant::now(),
            fence: Mutex::new(fence),
            lost: AtomicBool::new(false),
            called_off: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            cancel,
        });
        if fence <= Instant::now() {
            // The claim's answer came too late to start anything.
            lease.give_up();
        }
        // By token too: after a lost lease the job may be back in this worker
        // before its earlier attempt is gone.
        unpoisoned(&self.held).insert(key, lease.clone());
        HeldLease {
            lease,
            leases: self.clone(),
        }
    }

    /// How many attempts run; those whose outcome is being stored do not.
    pub(crate) fn running_count(&self) -> usize {
        let held = unpoisoned(&self.held);
        held.values().filter(|lease| !lease.has_ended()).count()
    }

    /// The leases to extend.
    pub(crate) fn by_partition(&self) -> ByPartition {
        self.by_partition_where(|_| true)
    }

    /// Those of these jobs that are held.
    pub(crate) fn of(&self, ids: &[JobId]) -> ByPartition {
        self.by_partition_where(|lease| ids.contains(&lease.job.id))
    }

    fn by_partition_where(&self, wanted: impl Fn(&Lease) -> bool) -> ByPartition {
        let mut all = ByPartition::new();
        for lease in unpoisoned(&self.held)
            .values()
            .filter(|lease| !lease.is_lost() && wanted(lease))
        {
            all.entry(Partition::of(&lease.job.queue, lease.job.id))
                .or_default()
                .push(lease.clone());
        }
        all
    }

    /// Gives up the leases that ran out and says when the next one does.
    pub(crate) fn fence_off(&self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for lease in unpoisoned(&self.held)
            .values()
            .filter(|lease| !lease.is_lost())
        {
            let fence = lease.fence();
            if fence <= now {
                tracing::warn!(job = %lease.job.id, queue = %lease.job.queue, "lease could not be extended in time");
                lease.give_up();
            } else {
                next = Some(next.map_or(fence, |next| fence.min(next)));
            }
        }
        next
    }

    /// The attempts that ran out of time `since` or longer ago, and that nobody
    /// has ended.
    pub(crate) fn overdue(&self, since: Duration) -> Vec<Arc<Lease>> {
        let now = Instant::now();
        let overdue = |lease: &&Arc<Lease>| {
            !lease.has_ended() && !lease.is_lost() && lease.deadline() + since <= now
        };
        let held = unpoisoned(&self.held);
        held.values().filter(overdue).cloned().collect()
    }

    /// Up to `limit` attempts for a beat, those that have been running longest.
    pub(crate) fn running(&self, limit: usize) -> Vec<RunningJob> {
        let held = unpoisoned(&self.held);
        let mut leases: Vec<_> = held
            .values()
            .filter(|lease| !lease.has_ended())
            .cloned()
            .collect();
        drop(held);
        leases.sort_by_key(|lease| lease.since);
        leases.truncate(limit);
        let running = leases.iter().map(|lease| RunningJob {
            id: lease.job.id.to_string(),
            queue: lease.job.queue.to_string(),
            kind: lease.job.kind.to_string(),
            attempt: lease.job.attempt,
            elapsed_ms: u64::try_from(lease.since.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        running.collect()
    }
}

/// Nothing that is done under these mutexes can leave their data half changed.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
