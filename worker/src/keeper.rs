//! Keeps the leases of running attempts, from a thread of its own.
//!
//! A handler that blocks the runtime must not cost its neighbours their leases,
//! so the thread has its own runtime and its own connections to Redis. It also
//! tells the world that the worker lives, hears what the worker is told, and
//! ends attempts that are long over their time, and a process that can not end.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jobflow::{ControlMessage, Error, JobQueue, Partition, Pulse, Result, WorkerBeat};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::execute::{self, Crew, OVERDUE};
use crate::lease::Lease;
use crate::shutdown::end_by_force;

/// How often the worker says that it lives.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// How many running jobs a beat tells of.
const RUNNING_TOLD: usize = 100;
/// How often attempts are looked for that nobody ends.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Leases are over after so long, and no sooner is it worth a restart.
const EXTEND_LIMIT: Duration = Duration::from_secs(10);
/// A worker whose last beat is older counts as dead.
const BEAT_LIMIT: Duration = Duration::from_secs(15);
/// A subscription is asked every 5 s whether it is still there, and set up
/// anew within seconds.
const LISTEN_LIMIT: Duration = Duration::from_secs(15);
/// How long the good-bye at the end may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// The thread. It ends when this is dropped.
pub(crate) struct Keeper {
    end: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl Keeper {
    /// Starts the thread. `beat` is sent with what changes filled in.
    pub(crate) fn start(
        crew: Arc<Crew>,
        lease: Duration,
        grace: Duration,
        beat: WorkerBeat,
    ) -> Result<Self> {
        let config = crew.queue.config().clone();
        let of_worker = Handle::current();
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
                        Ok(queue) => {
                            let pulses = crew.health.pulses().clone();
                            let keep = Keep {
                                queue,
                                crew,
                                lease,
                                grace,
                                of_worker,
                                look_again: Notify::new(),
                                extends: pulses.begin("lease keeper", lease.max(EXTEND_LIMIT)),
                                listens: pulses.begin("control channel", LISTEN_LIMIT),
                                beats: pulses.begin("beat", BEAT_LIMIT),
                            };
                            keep.until(&until, beat).await;
                        }
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

/// What the loops of the thread share.
struct Keep {
    /// With connections of this thread's own.
    queue: JobQueue,
    crew: Arc<Crew>,
    lease: Duration,
    grace: Duration,
    /// Where the worker's handlers run.
    of_worker: Handle,
    /// Wakes the loop that extends all leases.
    look_again: Notify,
    extends: Arc<Pulse>,
    listens: Arc<Pulse>,
    beats: Arc<Pulse>,
}

impl Keep {
    async fn until(&self, end: &CancellationToken, beat: WorkerBeat) {
        let id = beat.id.clone();
        tokio::select! {
            () = end.cancelled() => {}
            // The seven never end. Apart from each other, so that a call that
            // hangs does not keep the fences from being watched.
            _ = async { tokio::join!(
                self.extend_all(),
                self.watch_fences(),
                self.end_overdue(),
                end_by_force(self.of_worker.clone(), self.grace),
                self.listen(&id),
                self.beat_on(beat),
                self.tell_measures_on(),
            ) } => {}
        }
        if timeout(FAREWELL, self.tell_measures()).await.is_err() {
            tracing::debug!("what was measured last is not told");
        }
        match timeout(FAREWELL, self.queue.forget_worker(&id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "the worker stays listed until its beat is old");
            }
            Err(_) => tracing::debug!("the worker stays listed until its beat is old"),
        }
    }

    async fn extend_all(&self) {
        loop {
            let held = self.crew.leases.by_partition();
            let calls = held
                .into_iter()
                .map(|(part, leases)| self.extend(part, leases));
            let round = async { join_all(calls).await.into_iter().collect() };
            let pause = match self.extends.round::<()>(round).await {
                Ok(()) => self.lease / 3,
                Err(_) => self.extends.pause().min(self.lease / 3),
            };
            let _ = timeout(pause, self.look_again.notified()).await;
        }
    }

    async fn extend(&self, part: Partition, held: Vec<Arc<Lease>>) -> Result<()> {
        let tokens: Vec<_> = held
            .iter()
            .map(|lease| (lease.job().id, lease.job().token))
            .collect();
        // Before the call: Redis counts from a later instant, so this one is safe.
        let fence = Instant::now() + self.lease;
        let extended = self.queue.extend(part.queue(), self.lease, &tokens);
        // The leases of the other partitions are extended with these again then,
        // whether the server of these answers or not.
        let extended = timeout(self.lease / 3, extended).await;
        let extensions = extended.unwrap_or(Err(Error::StoreUnavailable))?;
        for (lease, extension) in held.iter().zip(extensions) {
            lease.take(extension, fence);
        }
        Ok(())
    }

    async fn watch_fences(&self) {
        loop {
            let now = Instant::now();
            // A new lease runs longer than this pause, so none is met too late.
            let longest = now + self.lease / 10;
            let fence = self.crew.leases.fence_off(now);
            let next = fence.map_or(longest, |fence| fence.min(longest));
            tokio::time::sleep_until(next.into()).await;
        }
    }

    /// Usually the worker's own runtime ends an attempt that is over its time.
    /// Where handlers block all its threads it can not, and their jobs would
    /// stay here for ever.
    async fn end_overdue(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let overdue = self.crew.leases.overdue(OVERDUE);
            let ends = overdue
                .iter()
                .map(|lease| execute::end_from_outside(&self.crew, &self.queue, lease));
            join_all(ends).await;
        }
    }

    /// Hears cancels and signals, whatever the store does.
    async fn listen(&self, worker: &str) {
        let mut reader = self.queue.control_reader();
        loop {
            match self.listens.round(reader.next()).await {
                Ok(messages) => {
                    for message in messages {
                        self.heed(message, worker).await;
                    }
                }
                Err(_) => tokio::time::sleep(self.listens.pause()).await,
            }
        }
    }

    async fn heed(&self, message: ControlMessage, this_worker: &str) {
        match message {
            // A cancel may have been told while nobody listened.
            ControlMessage::Connected => self.look_again.notify_one(),
            // The store says which of them it is about: a message can be so late
            // that the job is here for another attempt.
            ControlMessage::CancelJobs(ids) => {
                let held = self.crew.leases.of(&ids);
                let calls = held
                    .into_iter()
                    .map(|(part, leases)| self.extend(part, leases));
                if join_all(calls).await.iter().any(Result::is_err) {
                    self.look_again.notify_one();
                }
            }
            ControlMessage::Signal { worker, signal } => {
                if worker == this_worker {
                    self.crew.posture.obey(signal);
                }
            }
        }
    }

    /// As often as the beats, but apart from them: a full store takes those.
    async fn tell_measures_on(&self) {
        loop {
            tokio::time::sleep(BEAT_EVERY).await;
            self.tell_measures().await;
        }
    }

    async fn tell_measures(&self) {
        for (name, gathered) in self.crew.measured.take() {
            if let Err(error) = self.queue.measure(&name, &gathered).await {
                tracing::debug!(queue = %name, %error, "what was measured is told later");
                self.crew.measured.put_back(name, &gathered);
            }
        }
    }

    async fn beat_on(&self, mut beat: WorkerBeat) {
        let (leases, posture) = (&self.crew.leases, &self.crew.posture);
        let started = Instant::now();
        let mut every = interval(BEAT_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = posture.changes();
        loop {
            // At once when there is something new to say.
            tokio::select! {
                _ = every.tick() => {}
                () = changes.next() => {}
            }
            beat.busy = u32::try_from(leases.running_count()).unwrap_or(u32::MAX);
            beat.running = leases.running(RUNNING_TOLD);
            beat.state = posture.state();
            beat.uptime_ms = u64::try_from(started.elapsed().as_millis()).ok();
            match self.beats.round(self.queue.beat(&beat)).await {
                Ok(None) => {}
                Ok(Some(signal)) => posture.obey(signal),
                // Sooner than the next one would be.
                Err(_) => every.reset_after(self.beats.pause()),
            }
        }
    }
}
