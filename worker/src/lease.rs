//! Keeps the leases of running attempts, from a thread of its own.
//!
//! A handler that blocks the runtime must not cost its neighbours their leases,
//! so the thread has its own runtime and its own connection to Redis. It also
//! tells the world that the worker lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jobflow::{
    ClaimedJob, Error, Extension, JobId, JobQueue, LeaseToken, QueueName, Result, WorkerBeat,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::trouble::Trouble;

/// How often the worker says that it lives.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// How long the good-bye at the end may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// One lease, from its claim to the end of its attempt.
#[derive(Debug)]
pub(crate) struct Lease {
    queue: QueueName,
    id: JobId,
    token: LeaseToken,
    /// Until then nobody else can have the job, by this machine's own clock.
    fence: Mutex<Instant>,
    /// Given up: not extended any more, so that the reaper can hand the job on.
    lost: AtomicBool,
    /// Fires when the lease is lost, or at the end of a stop's grace.
    cancel: CancellationToken,
}

impl Lease {
    /// When the lease ends unless it is extended again.
    pub(crate) fn fence(&self) -> Instant {
        *unpoisoned(&self.fence)
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.lost.store(true, Ordering::Relaxed);
        self.cancel.cancel();
    }

    pub(crate) const fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }
}

type Key = (JobId, LeaseToken);

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

impl std::ops::Deref for HeldLease {
    type Target = Lease;
    fn deref(&self) -> &Lease {
        &self.lease
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        unpoisoned(&self.leases.held).remove(&(self.lease.id, self.lease.token));
    }
}

impl Leases {
    /// Takes over a lease that runs until `fence`.
    pub(crate) fn hold(
        self: &Arc<Self>,
        job: &ClaimedJob,
        fence: Instant,
        cancel: CancellationToken,
    ) -> HeldLease {
        let lease = Arc::new(Lease {
            queue: job.queue.clone(),
            id: job.id,
            token: job.token,
            fence: Mutex::new(fence),
            lost: AtomicBool::new(false),
            cancel,
        });
        if fence <= Instant::now() {
            // The claim's answer came too late to start anything.
            lease.give_up();
        }
        // By token too: after a lost lease the job may be back in this worker
        // before its earlier attempt is gone.
        unpoisoned(&self.held).insert((job.id, job.token), lease.clone());
        HeldLease {
            lease,
            leases: self.clone(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        unpoisoned(&self.held).len()
    }

    /// The leases to extend.
    fn by_queue(&self) -> HashMap<QueueName, Vec<Arc<Lease>>> {
        let mut by_queue = HashMap::<_, Vec<_>>::new();
        for lease in unpoisoned(&self.held)
            .values()
            .filter(|lease| !lease.is_lost())
        {
            by_queue
                .entry(lease.queue.clone())
                .or_default()
                .push(lease.clone());
        }
        by_queue
    }

    /// Gives up the leases that ran out and says when the next one does.
    fn fence_off(&self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for lease in unpoisoned(&self.held)
            .values()
            .filter(|lease| !lease.is_lost())
        {
            let fence = lease.fence();
            if fence <= now {
                tracing::warn!(job = %lease.id, queue = %lease.queue, "lease could not be extended in time");
                lease.give_up();
            } else {
                next = Some(next.map_or(fence, |next| fence.min(next)));
            }
        }
        next
    }
}

/// Nothing that is done under these mutexes can leave their data half changed.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that extends and beats. Ends when this is dropped.
pub(crate) struct Keeper {
    end: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl Keeper {
    /// Starts the thread. `beat` is sent with the number of held leases as `busy`.
    pub(crate) fn start(
        queue: &JobQueue,
        leases: Arc<Leases>,
        lease: Duration,
        beat: WorkerBeat,
    ) -> Result<Self> {
        let config = queue.config().clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| no_thread(&error))?;
        let end = CancellationToken::new();
        let (tell_end, ended) = oneshot::channel();
        let until = end.clone();
        thread::Builder::new()
            .name("jobflow-leases".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    match JobQueue::open(config) {
                        Ok(queue) => keep(&queue, &leases, lease, beat, &until).await,
                        Err(error) => tracing::error!(%error, "leases can not be kept"),
                    }
                });
                let _ = tell_end.send(());
            })
            .map_err(|error| no_thread(&error))?;
        Ok(Self { end, ended })
    }

    /// Stops extending, takes the worker out of the list, and waits for that.
    pub(crate) async fn end(mut self) {
        self.end.cancel();
        let _ = (&mut self.ended).await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::Internal {
        message: format!("the thread that keeps leases can not start: {error}"),
    }
}

async fn keep(
    queue: &JobQueue,
    leases: &Leases,
    lease: Duration,
    beat: WorkerBeat,
    end: &CancellationToken,
) {
    let id = beat.id.clone();
    tokio::select! {
        () = end.cancelled() => {}
        // The three never end. Apart from each other, so that a call that
        // hangs does not keep the fences from being watched.
        _ = async { tokio::join!(
            extend_all(queue, leases, lease),
            watch_fences(leases, lease),
            beat_on(queue, leases, beat),
        ) } => {}
    }
    match tokio::time::timeout(FAREWELL, queue.forget_worker(&id)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the worker stays listed until its beat is old"),
        Err(_) => tracing::debug!("the worker stays listed until its beat is old"),
    }
}

async fn extend_all(queue: &JobQueue, leases: &Leases, lease: Duration) {
    let mut trouble = Trouble::new("extend leases");
    loop {
        let calls = leases
            .by_queue()
            .into_iter()
            .map(|(name, held)| extend(queue, name, held, lease));
        let failed = join_all(calls).await.into_iter().find_map(Result::err);
        let pause = match failed {
            None => {
                trouble.over();
                lease / 3
            }
            Some(error) => trouble.met(&error).min(lease / 3),
        };
        tokio::time::sleep(pause).await;
    }
}

async fn extend(
    queue: &JobQueue,
    name: QueueName,
    held: Vec<Arc<Lease>>,
    lease: Duration,
) -> Result<()> {
    let tokens: Vec<_> = held.iter().map(|lease| (lease.id, lease.token)).collect();
    // Before the call: Redis counts from a later instant, so this one is safe.
    let fence = Instant::now() + lease;
    let extensions = queue.extend(&name, lease, &tokens).await?;
    for (lease, extension) in held.iter().zip(extensions) {
        match extension {
            Extension::Held => *unpoisoned(&lease.fence) = fence,
            // Also the answer for an attempt that was finished meanwhile; the
            // token is of no use to anybody then.
            Extension::Lost => lease.give_up(),
        }
    }
    Ok(())
}

async fn watch_fences(leases: &Leases, lease: Duration) {
    loop {
        let now = Instant::now();
        // A new lease runs longer than this pause, so none is met too late.
        let longest = now + lease / 10;
        let next = leases
            .fence_off(now)
            .map_or(longest, |next| next.min(longest));
        tokio::time::sleep_until(next.into()).await;
    }
}

async fn beat_on(queue: &JobQueue, leases: &Leases, mut beat: WorkerBeat) {
    let mut every = tokio::time::interval(BEAT_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        beat.busy = u32::try_from(leases.count()).unwrap_or(u32::MAX);
        if let Err(error) = queue.beat(&beat).await {
            tracing::debug!(%error, "beat was not heard");
        }
    }
}
