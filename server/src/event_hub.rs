//! One reader of the event streams for all who wait for jobs or follow events.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jobflow::{
    Error, EventBatch, EventReader, JobId, JobQueue, JobRecord, Kind, Partition, Pulse, Pulses,
    Result,
};
use tokio::sync::{Notify, OnceCell, Semaphore, broadcast, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::event_stream::EventStream;
use crate::job_watch::JobWatch;

/// Waits open at once, watches of single jobs among them.
const MAX_WAITS: usize = 10_000;
/// Streams of events open at once.
const MAX_STREAMS: usize = 1_000;
/// Batches that a slow stream may be behind before it reads for itself.
const MAX_BEHIND: usize = 512;
/// About how many jobs a batch names, so that what tells of it stays small.
pub(crate) const BATCH_JOBS: usize = 1_000;
/// How long one read of the streams may block. A queue that is newly waited for
/// is followed after the read under way, so this bounds how late that can be.
const BLOCK: Duration = Duration::from_millis(200);
/// How often new queues are looked for while somebody follows all of them.
const LOOK_FOR_QUEUES: Duration = Duration::from_millis(500);
/// How long that may take: what happens in the queues that are known is read after it.
const LOOK_LIMIT: Duration = Duration::from_secs(1);
/// How often a wait looks for itself, whatever the events say or do not say.
pub(crate) const RECHECK: Duration = Duration::from_secs(2);
/// How long the reader may hear nothing while somebody listens.
const LIMIT: Duration = Duration::from_secs(10);
/// After a read that failed.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);

#[derive(Clone)]
pub(crate) struct EventHub(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) queue: JobQueue,
    pub(crate) stopping: CancellationToken,
    waits: Mutex<Waits>,
    audience_changed: Notify,
    pulse: Arc<Pulse>,
    batches: broadcast::Sender<Arc<SharedBatch>>,
    streams: Arc<Semaphore>,
}

/// The jobs waited for, by partition. A job's sender has a receiver for each wait.
#[derive(Default)]
struct Waits {
    open: usize,
    parts: HashMap<Partition, HashMap<(JobId, Interest), watch::Sender<()>>>,
}

/// What a wait wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Interest {
    /// The job is final or gone.
    End,
    /// Whatever happens to it.
    All,
}

/// Events that many streams tell of, and the kinds of their jobs, which are
/// looked up once, by the first that needs them.
pub(crate) struct SharedBatch {
    pub(crate) batch: EventBatch,
    kinds: OnceCell<HashMap<JobId, Kind>>,
}

impl SharedBatch {
    /// Batches of a bounded number of jobs.
    pub(crate) fn all_of(batch: EventBatch) -> impl Iterator<Item = Arc<Self>> {
        let parts = batch.split(BATCH_JOBS).into_iter();
        parts.map(|batch| {
            let kinds = OnceCell::new();
            Arc::new(Self { batch, kinds })
        })
    }

    /// The kinds of those of its jobs that still exist.
    pub(crate) async fn kinds(&self, queue: &JobQueue) -> Result<&HashMap<JobId, Kind>> {
        let look_up = || async {
            let entries = self.batch.entries.iter();
            let ids: BTreeSet<_> = entries.flat_map(|entry| &entry.jobs).copied().collect();
            let ids: Vec<_> = ids.into_iter().collect();
            let kinds = queue.kinds(self.batch.part.queue(), &ids).await?;
            let known = ids.into_iter().zip(kinds);
            Ok(known.filter_map(|(id, kind)| Some((id, kind?))).collect())
        };
        self.kinds.get_or_try_init(look_up).await
    }
}

impl EventHub {
    pub(crate) fn new(queue: JobQueue, pulses: &Pulses, stopping: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            queue,
            stopping,
            waits: Mutex::default(),
            audience_changed: Notify::new(),
            pulse: pulses.begin("event hub", LIMIT),
            batches: broadcast::Sender::new(MAX_BEHIND),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        }))
    }

    /// Waits until the job is final.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND` when there is no such job, or no longer. `WAIT_TIMEOUT`
    /// with its state at `until`. `TOO_MANY_STREAMS`. `SHUTTING_DOWN`.
    pub(crate) async fn wait_final(&self, id: JobId, until: Instant) -> Result<JobRecord> {
        let mut job = self.0.queue.get(id).await?;
        if job.state.is_final() {
            return Ok(job);
        }
        let mut wait = self
            .0
            .register(Partition::of(&job.queue, id), id, Interest::End)?;
        // The job may have become final before the wait was registered, so the
        // first look does not wait for an event.
        loop {
            match timeout_at(until, self.0.queue.get(id)).await {
                Ok(Ok(now)) if now.state.is_final() => return Ok(now),
                Ok(Ok(now)) => job = now,
                Ok(Err(error)) if error.is_transient() => debug!("job {id}: {error}"),
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
            tokio::select! {
                () = wait.nudged() => {}
                () = sleep(RECHECK) => {}
                () = sleep_until(until) => return Err(Error::WaitTimeout { id, state: job.state }),
                () = self.0.stopping.cancelled() => return Err(Error::ShuttingDown),
            }
        }
    }

    /// Follows one job, with its log lines from `from_line` on.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `TOO_MANY_STREAMS`, and any fault of the store.
    pub(crate) async fn watch_job(&self, id: JobId, from_line: u64) -> Result<JobWatch> {
        let job = self.0.queue.get(id).await?;
        let wait = self
            .0
            .register(Partition::of(&job.queue, id), id, Interest::All)?;
        Ok(JobWatch::new(Arc::clone(&self.0), wait, id, from_line))
    }

    /// Follows the events of all queues, from now on or from where a token says.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming the token, `TOO_MANY_STREAMS`, and any fault of the store.
    pub(crate) async fn follow(
        &self,
        filter: jobflow::Filter,
        resume_token: &str,
    ) -> Result<EventStream> {
        let Ok(permit) = Arc::clone(&self.0.streams).try_acquire_owned() else {
            return Err(Error::TooManyStreams { limit: MAX_STREAMS });
        };
        // Before the positions are read: what comes after them is heard of then.
        let batches = self.0.batches.subscribe();
        self.0.audience_changed.notify_one();
        let shared = Arc::clone(&self.0);
        EventStream::open(shared, permit, batches, filter, resume_token).await
    }

    /// Reads the event streams while anybody listens, until the server stops.
    pub(crate) async fn run(self) {
        let stopping = self.0.stopping.clone();
        stopping.run_until_cancelled(self.0.read_for_ever()).await;
    }
}

impl Shared {
    fn waits(&self) -> MutexGuard<'_, Waits> {
        // A wait that was half registered would only look for itself.
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(self: &Arc<Self>, part: Partition, id: JobId, interest: Interest) -> Result<Wait> {
        let mut waits = self.waits();
        if waits.open >= MAX_WAITS {
            return Err(Error::TooManyStreams { limit: MAX_WAITS });
        }
        waits.open += 1;
        let jobs = waits.parts.entry(part.clone()).or_default();
        let nudges = jobs
            .entry((id, interest))
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe();
        drop(waits);
        self.audience_changed.notify_one();
        Ok(Wait {
            shared: Arc::clone(self),
            part,
            job: (id, interest),
            nudges: Some(nudges),
        })
    }

    fn has_streams(&self) -> bool {
        self.batches.receiver_count() > 0
    }

    async fn read_for_ever(&self) {
        let mut reader = self.queue.event_reader();
        let mut followed = BTreeSet::new();
        let mut known = Known::default();
        loop {
            let read = async {
                let mut wanted: BTreeSet<_> = self.waits().parts.keys().cloned().collect();
                if self.has_streams() {
                    wanted.extend(known.look(&self.queue).await?.iter().cloned());
                }
                self.read(&mut reader, &mut followed, wanted).await
            };
            if self.pulse.round(read).await.is_err() {
                sleep(self.pulse.pause()).await;
            }
        }
    }

    /// Follows what is newly wanted, then reads once.
    async fn read(
        &self,
        reader: &mut EventReader,
        followed: &mut BTreeSet<Partition>,
        wanted: BTreeSet<Partition>,
    ) -> Result<()> {
        for part in followed.difference(&wanted) {
            reader.unfollow(part);
        }
        followed.retain(|part| wanted.contains(part));
        if wanted.is_empty() && !self.has_streams() {
            self.pulse.rests();
            self.audience_changed.notified().await;
            return Ok(());
        }
        let new = wanted.difference(followed).cloned().collect();
        for (part, end) in reader.follow_all(new).await? {
            // What happened before the stream was followed was not read: whoever
            // waits looks for itself, and so do streams that are not yet where
            // this one begins.
            self.waits().nudge_all(&part);
            self.tell_streams(EventBatch::nothing_since(part.clone(), end));
            followed.insert(part);
        }
        for batch in reader.next(BLOCK).await? {
            self.waits().nudge(&batch);
            self.tell_streams(batch);
        }
        Ok(())
    }

    fn tell_streams(&self, batch: EventBatch) {
        if !self.has_streams() {
            return;
        }
        for part in SharedBatch::all_of(batch) {
            // The last stream may just have closed, which is no matter.
            let _heard_by = self.batches.send(part);
        }
    }
}

/// The partitions of all queues of the namespace, asked for now and then.
#[derive(Default)]
struct Known {
    parts: Vec<Partition>,
    asked: Option<Instant>,
}

impl Known {
    async fn look(&mut self, queue: &JobQueue) -> Result<&[Partition]> {
        if self
            .asked
            .is_none_or(|asked| asked.elapsed() >= LOOK_FOR_QUEUES)
        {
            let asked = timeout(LOOK_LIMIT, queue.all_partitions()).await;
            match asked.unwrap_or(Err(Error::StoreUnavailable)) {
                Ok(parts) => self.parts = parts,
                // In a cluster the list may be gone while the queues are not.
                Err(error) if !self.parts.is_empty() && error.is_transient() => {
                    debug!("queues are not looked for: {error}");
                }
                Err(error) => return Err(error),
            }
            self.asked = Some(Instant::now());
        }
        Ok(&self.parts)
    }
}

impl Waits {
    fn nudge(&self, batch: &EventBatch) {
        let Some(jobs) = self.parts.get(&batch.part) else {
            return;
        };
        let nudge = |job| {
            if let Some(nudges) = jobs.get(&job) {
                nudges.send_replace(());
            }
        };
        for entry in &batch.entries {
            for id in &entry.jobs {
                nudge((*id, Interest::All));
                if entry.what.is_end() {
                    nudge((*id, Interest::End));
                }
            }
        }
    }

    fn nudge_all(&self, part: &Partition) {
        for nudges in self.parts.get(part).into_iter().flat_map(HashMap::values) {
            nudges.send_replace(());
        }
    }
}

/// One registered wait; dropping it ends it.
pub(crate) struct Wait {
    shared: Arc<Shared>,
    part: Partition,
    job: (JobId, Interest),
    nudges: Option<watch::Receiver<()>>,
}

impl Wait {
    /// Something happened to the job, or may have.
    pub(crate) async fn nudged(&mut self) {
        if let Some(nudges) = &mut self.nudges {
            let nudged = nudges.changed().await;
            nudged.expect("the sender stays as long as a receiver does");
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waits = self.shared.waits();
        waits.open -= 1;
        // Under the lock, so that the count of receivers below is exact.
        self.nudges = None;
        let Some(jobs) = waits.parts.get_mut(&self.part) else {
            return;
        };
        if jobs
            .get(&self.job)
            .is_some_and(|nudges| nudges.receiver_count() == 0)
        {
            jobs.remove(&self.job);
        }
        if jobs.is_empty() {
            waits.parts.remove(&self.part);
        }
    }
}
