//! A worker of a queue in a cluster of which one master takes what is sent to it
//! and answers nothing: the rest goes on as if nothing had happened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jobflow::testing::{LostMaster, PATIENCE, assert_sound, wait_for};
use jobflow::{JobId, JobState, Partition, Reaped};
use jobflow_worker::{Context, Handler, Worker, WorkerBuilder};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::{Running, raw, submit, wait_until};

/// So short that nothing may wait for the silent master.
const LEASE: Duration = Duration::from_secs(2);
/// Of a stop, beside its grace: jobs whose master is silent are not handed back.
const ENDING: Duration = Duration::from_secs(10);

fn worker(lost: &LostMaster, handler: Arc<dyn Handler>) -> WorkerBuilder {
    Worker::builder(&lost.queue)
        .queues([&lost.name])
        .concurrency(32)
        .handler_for("k", handler)
}

/// Handlers that run until a gate is opened, and how often each job began.
struct Held {
    gate: Arc<Semaphore>,
    begun: Arc<Mutex<HashMap<JobId, u32>>>,
}

impl Held {
    fn new() -> (Self, Arc<dyn Handler>) {
        let held = Self {
            gate: Arc::new(Semaphore::new(0)),
            begun: Arc::default(),
        };
        let (gate, begun) = (held.gate.clone(), held.begun.clone());
        let handler = raw(move |ctx: Context| {
            *begun.lock().unwrap().entry(ctx.id()).or_default() += 1;
            let gate = gate.clone();
            async move {
                let _open = gate.acquire().await.unwrap();
                Ok(())
            }
        });
        (held, handler)
    }

    /// Waits until so many jobs have begun.
    async fn begins(&self, jobs: usize) {
        wait_for("the jobs to begin", async || {
            (self.begun.lock().unwrap().len() == jobs).then_some(())
        })
        .await;
    }

    fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

/// A job in each of these.
async fn one_in_each(lost: &LostMaster, parts: &[Partition]) -> Vec<JobId> {
    let mut ids = Vec::new();
    for part in parts {
        ids.push(submit(&lost.queue, lost.job_in(part, "k")).await);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_the_others_run_at_once_while_a_master_stands_still() {
    const JOBS: usize = 60;
    let mut lost = LostMaster::start("k").await;
    let worker = Running::start(worker(&lost, raw(|_| async { Ok(()) })));
    let all = [&lost.gone[..], &lost.well].concat();
    for id in one_in_each(&lost, &all).await {
        wait_until(&lost.queue, id, JobState::Completed).await;
    }
    // There is work for it everywhere.
    for part in &lost.gone {
        let jobs = (0..JOBS).map(|_| lost.job_in(part, "k"));
        for submitted in lost.queue.submit_batch(jobs.collect()).await {
            submitted.unwrap();
        }
    }
    lost.fall_silent();
    let ran = async {
        for part in lost.well.iter().cycle().take(JOBS) {
            let id = submit(&lost.queue, lost.job_in(part, "k")).await;
            wait_until(&lost.queue, id, JobState::Completed).await;
        }
    };
    timeout(PATIENCE / 2, ran)
        .await
        .expect("one after the other");
    lost.cluster.servers()[lost.server].thaw();
    wait_for("the master", async || {
        lost.queue.promote_in(&lost.gone[0]).await.ok()
    })
    .await;
    for id in one_in_each(&lost, &all).await {
        wait_until(&lost.queue, id, JobState::Completed).await;
    }
    worker.stop().await;
    assert_sound(&lost.queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_of_the_others_are_extended_while_a_master_stands_still() {
    let mut lost = LostMaster::start("k").await;
    let (held, handler) = Held::new();
    let well = one_in_each(&lost, &lost.well).await;
    one_in_each(&lost, &lost.gone).await;
    let worker = Running::start(worker(&lost, handler).lease(LEASE));
    // The one of before is in the first partition.
    held.begins(well.len() + lost.gone.len() + 1).await;
    lost.fall_silent();
    let (until, mut looks) = (Instant::now() + 4 * LEASE, 0);
    while Instant::now() < until {
        for part in &lost.well {
            let reaped = lost.queue.reap_in(part).await.unwrap();
            assert_eq!(reaped, Reaped::default(), "{part} after {looks} looks");
        }
        looks += 1;
    }
    held.open();
    for id in well {
        let job = wait_until(&lost.queue, id, JobState::Completed).await;
        assert_eq!((job.attempt, job.crash_count), (1, 0));
        assert_eq!(held.begun.lock().unwrap()[&id], 1);
    }
    lost.cluster.servers()[lost.server].thaw();
    worker.stop().await;
    assert_sound(&lost.queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_master_that_stands_still() {
    let mut lost = LostMaster::start("k").await;
    let (held, handler) = Held::new();
    let ids = one_in_each(&lost, &[&lost.gone[..], &lost.well].concat()).await;
    let worker = Running::start(worker(&lost, handler).grace(Duration::ZERO));
    held.begins(ids.len() + 1).await;
    lost.fall_silent();
    timeout(ENDING, worker.stop()).await.expect("it ends");
    // Those of the others were handed back.
    for id in ids
        .iter()
        .filter(|id| lost.well.contains(&Partition::of(&lost.name, **id)))
    {
        let job = lost.queue.get(*id).await.unwrap();
        assert_eq!((job.state, job.crash_count), (JobState::Waiting, 0));
    }
    lost.cluster.servers()[lost.server].thaw();
    wait_for("the master", async || lost.queue.get(ids[0]).await.ok()).await;
    assert_sound(&lost.queue).await;
}
