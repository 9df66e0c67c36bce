//! A load with a ledger: every job that is acknowledged must run, and runs are counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jobflow::{Durability, Error, JobId, JobQueue, NewJob, Outcome, QueueName, Submitted};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::setting::PAYLOAD;

/// Long enough that none runs out in a fail-over: a job that runs twice would
/// then have another cause.
const LEASE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(10);
/// Calls under way at most; behind that the load waits for the store.
const CALLS: usize = 2_000;
/// How long all that is left may take to run once the load is over.
const PATIENCE: Duration = Duration::from_secs(90);

/// What has happened in one queue.
#[derive(Default)]
struct Ledger {
    /// How often each job ran whose submit or run is known.
    runs: HashMap<JobId, u32>,
    acknowledged: HashMap<JobId, ()>,
    in_doubt: usize,
    failed: usize,
    /// Errors of claims and finishes, each a known cause of a second run.
    causes: usize,
    /// When the last job was stored, and the longest time between two.
    last: Option<Instant>,
    stall: Duration,
}

/// Submitters and a consumer on one queue.
pub(super) struct Load {
    queue: JobQueue,
    name: QueueName,
    ledger: Arc<Mutex<Ledger>>,
    submits: CancellationToken,
    all: CancellationToken,
    submitter: JoinHandle<Result<()>>,
    consumer: JoinHandle<Result<()>>,
}

/// What a load came to.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Outcomes {
    pub(super) acknowledged: usize,
    /// Acknowledged, and never run.
    pub(super) lost: usize,
    /// Run more than once.
    pub(super) repeated: usize,
    pub(super) causes: usize,
    pub(super) in_doubt: usize,
    /// Submits that were refused or got no answer.
    pub(super) failed: usize,
}

impl Outcomes {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.causes += other.causes;
        self.in_doubt += other.in_doubt;
        self.failed += other.failed;
    }
}

impl Load {
    /// Begins to submit so many jobs a second to a queue, and to run them.
    pub(super) fn start(
        queue: &JobQueue,
        name: &QueueName,
        per_second: u32,
        class: Durability,
    ) -> Self {
        let ledger = Arc::new(Mutex::default());
        let (submits, all) = (CancellationToken::new(), CancellationToken::new());
        let submitter = submit(
            queue.clone(),
            name.clone(),
            (per_second, class),
            Arc::clone(&ledger),
            submits.clone(),
        );
        let consumer = consume(
            queue.clone(),
            name.clone(),
            Arc::clone(&ledger),
            all.clone(),
        );
        Self {
            queue: queue.clone(),
            name: name.clone(),
            ledger,
            submits,
            all,
            submitter: tokio::spawn(submitter),
            consumer: tokio::spawn(consumer),
        }
    }

    /// From now on stalls count.
    pub(super) fn begin_stalls(&self) {
        lock(&self.ledger).stall = Duration::ZERO;
    }

    /// The longest time in which no job was stored since they count.
    pub(super) fn stall(&self) -> Duration {
        let ledger = lock(&self.ledger);
        let open = ledger.last.map_or(Duration::ZERO, |last| last.elapsed());
        ledger.stall.max(open)
    }

    /// Ends the load, lets all that is left run, and counts.
    async fn end(self) -> Result<Outcomes> {
        self.submits.cancel();
        // What is on its way may be acknowledged yet, and has to run.
        self.submitter.await??;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(snapshot) = self.queue.queue(&self.name).await {
                let counts = snapshot.counts;
                if counts.waiting + counts.active + counts.retrying == 0 {
                    break;
                }
            }
            if Instant::now() > deadline {
                bail!("the jobs of {} do not come to an end", self.name);
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.all.cancel();
        self.consumer.await??;
        let ledger = lock(&self.ledger);
        let ran = |id: &JobId| ledger.runs.get(id).copied().unwrap_or(0);
        Ok(Outcomes {
            acknowledged: ledger.acknowledged.len(),
            lost: ledger.acknowledged.keys().filter(|id| ran(id) == 0).count(),
            repeated: ledger.runs.values().filter(|runs| **runs > 1).count(),
            causes: ledger.causes,
            in_doubt: ledger.in_doubt,
            failed: ledger.failed,
        })
    }
}

/// Ends them all and adds up.
pub(super) async fn end_all(loads: Vec<Load>) -> Result<Outcomes> {
    let mut all = Outcomes::default();
    for load in loads {
        all.add(load.end().await?);
    }
    Ok(all)
}

fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn submit(
    queue: JobQueue,
    name: QueueName,
    (per_second, class): (u32, Durability),
    ledger: Arc<Mutex<Ledger>>,
    stop: CancellationToken,
) -> Result<()> {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    let mut owed = 0.0;
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        owed += f64::from(per_second) * TICK.as_secs_f64();
        while owed >= 1.0 {
            owed -= 1.0;
            while calls.len() >= CALLS {
                calls.join_next().await;
            }
            let job = NewJob::new("noop", PAYLOAD)?
                .queue(&name)?
                .durability(class);
            let (queue, ledger) = (queue.clone(), Arc::clone(&ledger));
            calls.spawn(async move { note(&ledger, &queue.submit(job).await) });
        }
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
    Ok(())
}

fn note(ledger: &Mutex<Ledger>, submitted: &jobflow::Result<Submitted>) {
    let mut ledger = lock(ledger);
    match submitted {
        Ok(Submitted { id, .. }) => {
            ledger.acknowledged.insert(*id, ());
        }
        // It is stored, where a master has no replica to confirm it.
        Err(Error::DurabilityUnknown { .. }) => ledger.in_doubt += 1,
        Err(_) => {
            ledger.failed += 1;
            return;
        }
    }
    let now = Instant::now();
    if let Some(last) = ledger.last.replace(now) {
        ledger.stall = ledger.stall.max(now - last);
    }
}

/// Claims and acknowledges without a pause while there are jobs.
async fn consume(
    queue: JobQueue,
    name: QueueName,
    ledger: Arc<Mutex<Ledger>>,
    stop: CancellationToken,
) -> Result<()> {
    while !stop.is_cancelled() {
        let claimed = match queue.claim(&name, 100, LEASE, "bench").await {
            Ok(claimed) => claimed.jobs,
            Err(_) => {
                lock(&ledger).causes += 1;
                Vec::new()
            }
        };
        if claimed.is_empty() {
            sleep(Duration::from_millis(10)).await;
            continue;
        }
        for job in &claimed {
            *lock(&ledger).runs.entry(job.id).or_default() += 1;
        }
        let ends = claimed
            .iter()
            .map(|job| queue.finish(job, Outcome::Ack(None)));
        for end in futures_util::future::join_all(ends).await {
            if end.is_err() {
                lock(&ledger).causes += 1;
            }
        }
    }
    Ok(())
}
