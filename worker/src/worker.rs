//! The life of a worker: start, claim until the stop, drain, say good-bye.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use jobflow::maintenance::{self, Duties};
use jobflow::{Code, JobQueue, QueueName, Result, WorkerBeat};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::builder::{Plan, WorkerBuilder};
use crate::execute::{Crew, LEEWAY};
use crate::health::Health;
use crate::keeper::Keeper;
use crate::lanes::Lanes;
use crate::run::{Claimer, claim_size};
use crate::shutdown::{Steps, second_signal};
use crate::stats::WorkerStats;
use crate::trouble::Trouble;

/// How many attempts run at once unless told otherwise.
pub const DEFAULT_CONCURRENCY: usize = 64;
/// How long running attempts may go on after the stop unless told otherwise.
/// Together with the time to hand the rest back it stays under the 30 s that
/// orchestrators usually give.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(25);

/// The claims do the rest.
const DUTIES: Duties = Duties {
    promote_every: None,
    reap_every: None,
    prune_every: Some(Duration::from_secs(60)),
};

/// How long handing jobs back may take when the worker ends.
const HAND_BACK: Duration = Duration::from_secs(2);

/// Claims jobs and runs them.
pub struct Worker {
    id: String,
    queue: JobQueue,
    queues: Vec<QueueName>,
    concurrency: usize,
    lease: Duration,
    grace: Duration,
    crew: Arc<Crew>,
    attempts: TaskTracker,
}

impl Worker {
    /// Begins to put a worker together.
    pub fn builder(queue: &JobQueue) -> WorkerBuilder {
        WorkerBuilder::new(queue)
    }

    pub(crate) fn new(plan: Plan) -> Self {
        let crew = Crew::new(
            plan.queue.clone(),
            plan.handlers,
            plan.keys,
            plan.concurrency,
        );
        Self {
            id: new_id(),
            queue: plan.queue,
            queues: plan.queues,
            concurrency: plan.concurrency,
            lease: plan.lease,
            grace: plan.grace,
            crew: Arc::new(crew),
            attempts: TaskTracker::new(),
        }
    }

    /// The name under which job records and the list of workers know it: new
    /// with every start.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it does, as it goes on.
    #[must_use]
    pub fn stats(&self) -> Arc<WorkerStats> {
        self.crew.stats.clone()
    }

    /// How many of its slots are taken, as it goes on.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            slots: self.concurrency,
            crew: self.crew.clone(),
        }
    }

    /// Whether it hears of jobs; see [`health::serve`](crate::health::serve).
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        self.crew.health.clone()
    }

    /// Works until `stop` resolves or an operator stops it, then drains: no more claims, running
    /// attempts go on for up to the grace, the rest is handed back without a
    /// penalty. Trouble with the store never ends it. Dropped in mid-run, it
    /// hands everything back at once.
    ///
    /// # Errors
    /// `STORE_UNSAFE` when the store could throw jobs away and that is not allowed,
    /// or when its records are of another layout.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<()> {
        let steps = self.crew.steps.clone();
        let mut life = pin!(self.live());
        tokio::select! {
            ended = &mut life => return ended,
            () = stop => steps.stop.cancel(),
        }
        life.await
    }

    async fn live(self) -> Result<()> {
        let _dropped = HurryWhenDropped(self.crew.steps.clone());
        let stop = self.crew.steps.stop.clone();
        if !self.store_is_there().await? {
            return Ok(());
        }
        let keeper = Keeper::start(self.crew.clone(), self.lease, self.grace, self.beat())?;
        let duties = maintenance::run(
            self.queue.clone(),
            DUTIES,
            self.crew.health.pulses().clone(),
            stop.clone().cancelled_owned(),
        );
        let duties = tokio::spawn(duties);
        tracing::info!(worker = self.id, concurrency = self.concurrency, kinds = ?self.crew.handlers.kinds(),
            queues = ?self.queue_names(), "worker is at work");

        // A task of its own: dropped in a wait, it would leave a claim behind that
        // nobody takes the jobs of. It ends by itself.
        if let Err(error) = tokio::spawn(self.claimer().run(stop)).await
            && let Ok(panic) = error.try_into_panic()
        {
            resume_unwind(panic);
        }
        jobflow::failpoint!("worker.stops");
        self.drain().await;
        jobflow::failpoint!("worker.drained");
        keeper.end().await;
        let _ = duties.await;
        tracing::info!(worker = self.id, "worker has stopped");
        Ok(())
    }

    /// Waits for the store; false when the stop came first.
    async fn store_is_there(&self) -> Result<bool> {
        let mut trouble = Trouble::new("use the store");
        loop {
            let pause = match self.queue.check_store().await {
                Ok(_) => return Ok(true),
                Err(error) if error.code() == Code::StoreUnsafe => return Err(error),
                Err(error) => trouble.met(&error),
            };
            if timeout(pause, self.crew.steps.stop.cancelled())
                .await
                .is_ok()
            {
                return Ok(false);
            }
        }
    }

    fn claimer(&self) -> Claimer {
        Claimer {
            queue: self.queue.clone(),
            queues: self.queues.clone(),
            worker: self.id.clone(),
            lease: self.lease,
            slots: Arc::new(Semaphore::new(self.concurrency)),
            claim_size: claim_size(self.concurrency),
            crew: self.crew.clone(),
            attempts: self.attempts.clone(),
            lanes: Lanes::new(&self.queues),
        }
    }

    /// Lets running attempts end, then makes them.
    async fn drain(&self) {
        let attempts = &self.attempts;
        attempts.close();
        tracing::info!(
            worker = self.id,
            running = attempts.len(),
            "worker is stopping"
        );
        let orderly = async {
            if timeout(self.grace, attempts.wait()).await.is_err() {
                tracing::warn!(running = attempts.len(), "grace is over; handing jobs back");
                self.crew.steps.cancel.cancel();
                let _ = timeout(LEEWAY + HAND_BACK, attempts.wait()).await;
            }
        };
        tokio::select! {
            () = orderly => {}
            () = second_signal() => {
                tracing::warn!(running = attempts.len(), "second signal; handing jobs back at once");
                self.crew.steps.hurry();
                let _ = timeout(HAND_BACK, attempts.wait()).await;
            }
        }
    }

    fn queue_names(&self) -> Vec<String> {
        self.queues.iter().map(ToString::to_string).collect()
    }

    fn beat(&self) -> WorkerBeat {
        WorkerBeat {
            id: self.id.clone(),
            host: host(),
            pid: process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            queues: self.queue_names(),
            kinds: self.crew.handlers.kinds(),
            slots: u32::try_from(self.concurrency).unwrap_or(u32::MAX),
            ..WorkerBeat::default()
        }
    }
}

/// How many attempts run, and how many may.
#[derive(Clone)]
pub struct Load {
    slots: usize,
    crew: Arc<Crew>,
}

impl Load {
    /// How many may run at once.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// How many run.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.crew.leases.running_count()
    }
}

/// A worker whose future is dropped has nobody to wait for its attempts.
struct HurryWhenDropped(Steps);

impl Drop for HurryWhenDropped {
    fn drop(&mut self) {
        self.0.hurry();
    }
}

fn new_id() -> String {
    format!(
        "{}-{}-{:032x}",
        host(),
        process::id(),
        rand::random::<u128>()
    )
}

/// The name of this machine, short enough and plain enough for an id.
fn host() -> String {
    let name = gethostname::gethostname();
    let plain = |c: &char| c.is_ascii_alphanumeric() || ".-_".contains(*c);
    name.to_string_lossy()
        .chars()
        .filter(plain)
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_new_each_time_and_short_enough() {
        let (one, two) = (new_id(), new_id());
        assert_ne!(one, two);
        assert!(one.len() <= jobflow::MAX_WORKER);
    }
}
