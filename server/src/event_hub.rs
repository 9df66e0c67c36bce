//! One reader of the event streams for all who wait for a job to become final.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jobflow::{Error, EventReader, JobId, JobQueue, JobRecord, QueueName, Result};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Waits open at once.
const MAX_WAITS: usize = 10_000;
/// How long one read of the streams may block. A queue that is newly waited for
/// is followed after the read under way, so this bounds how late that can be.
const BLOCK: Duration = Duration::from_millis(200);
/// How often a wait looks for itself, whatever the events say or do not say.
const RECHECK: Duration = Duration::from_secs(2);
/// After a read that failed.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Clone)]
pub(crate) struct EventHub(Arc<Shared>);

struct Shared {
    queue: JobQueue,
    waits: Mutex<Waits>,
    waits_changed: Notify,
    stopping: CancellationToken,
}

/// The jobs waited for, by queue. A job's sender has a receiver for each wait.
#[derive(Default)]
struct Waits {
    open: usize,
    queues: HashMap<QueueName, HashMap<JobId, watch::Sender<()>>>,
}

impl EventHub {
    pub(crate) fn new(queue: JobQueue, stopping: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            queue,
            waits: Mutex::default(),
            waits_changed: Notify::new(),
            stopping,
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
        let mut wait = self.0.register(job.queue.clone(), id)?;
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

    /// Reads the event streams while anybody waits, until the server stops.
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

    fn register(self: &Arc<Self>, queue: QueueName, id: JobId) -> Result<Wait> {
        let mut waits = self.waits();
        if waits.open >= MAX_WAITS {
            return Err(Error::TooManyStreams { limit: MAX_WAITS });
        }
        waits.open += 1;
        let jobs = waits.queues.entry(queue.clone()).or_default();
        let nudges = jobs
            .entry(id)
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe();
        drop(waits);
        self.waits_changed.notify_one();
        Ok(Wait {
            shared: Arc::clone(self),
            queue,
            id,
            nudges: Some(nudges),
        })
    }

    async fn read_for_ever(&self) {
        let mut reader = self.queue.event_reader();
        let mut followed = BTreeSet::new();
        loop {
            let wanted: BTreeSet<_> = self.waits().queues.keys().cloned().collect();
            for queue in followed.difference(&wanted) {
                reader.unfollow(queue);
            }
            followed.retain(|queue| wanted.contains(queue));
            if wanted.is_empty() {
                self.waits_changed.notified().await;
                continue;
            }
            if let Err(error) = self.read(&mut reader, &mut followed, wanted).await {
                debug!("can not read events: {error}");
                sleep(PAUSE).await;
            }
        }
    }

    /// Follows what is newly wanted, then reads once.
    async fn read(
        &self,
        reader: &mut EventReader,
        followed: &mut BTreeSet<QueueName>,
        wanted: BTreeSet<QueueName>,
    ) -> Result<()> {
        for queue in wanted {
            if !followed.contains(&queue) {
                reader.follow(queue.clone()).await?;
                // What happened before the stream was followed was not read.
                self.waits().nudge_all(&queue);
                followed.insert(queue);
            }
        }
        let events = reader.next(BLOCK).await?;
        let waits = self.waits();
        for event in events.iter().filter(|event| event.state.is_final()) {
            waits.nudge(&event.queue, event.id);
        }
        Ok(())
    }
}

impl Waits {
    fn nudge(&self, queue: &QueueName, id: JobId) {
        if let Some(nudges) = self.queues.get(queue).and_then(|jobs| jobs.get(&id)) {
            nudges.send_replace(());
        }
    }

    fn nudge_all(&self, queue: &QueueName) {
        for nudges in self.queues.get(queue).into_iter().flat_map(HashMap::values) {
            nudges.send_replace(());
        }
    }
}

/// One registered wait; dropping it ends it.
struct Wait {
    shared: Arc<Shared>,
    queue: QueueName,
    id: JobId,
    nudges: Option<watch::Receiver<()>>,
}

impl Wait {
    /// Something happened to the job, or may have.
    async fn nudged(&mut self) {
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
        let Some(jobs) = waits.queues.get_mut(&self.queue) else {
            return;
        };
        if jobs
            .get(&self.id)
            .is_some_and(|nudges| nudges.receiver_count() == 0)
        {
            jobs.remove(&self.id);
        }
        if jobs.is_empty() {
            waits.queues.remove(&self.queue);
        }
    }
}
