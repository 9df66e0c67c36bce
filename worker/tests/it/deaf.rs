//! A worker goes on after any error, however it looked.

use std::cell::Cell;
use std::time::Duration;

use jobflow::testing::{Fault, FaultyRedis, TestRedis, assert_sound, fresh_namespace, wait_for};
use jobflow::{JobId, JobQueue, JobState, NewJob, QueueConfig, WorkerSignal, WorkerState};
use jobflow_worker::{AttemptError, Context, Worker};

use crate::support::{Running, open, raw, submit, wait_until};

/// So long that leases are extended only where somebody is told something.
const LONG_LEASE: Duration = Duration::from_secs(3_600);
/// How many commands go wrong before all is well again.
const ERRORS: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn every_loop_of_a_worker_outlives_every_kind_of_error() {
    let redis = TestRedis::start();
    let faulty = FaultyRedis::before(redis.port()).await;
    let queue = open(&redis);
    let behind = JobQueue::open(QueueConfig {
        redis_url: faulty.url(),
        ..queue.config().clone()
    });
    let handler = raw(|ctx: Context| async move {
        if ctx.kind().as_str() == "wait" {
            ctx.cancelled().await;
            return Err(AttemptError::retry("told to end"));
        }
        Ok(())
    });
    let worker = Worker::builder(&behind.unwrap())
        .concurrency(2)
        .lease(LONG_LEASE)
        .handler_for("*", handler)
        .build()
        .unwrap();
    let (id, health) = (worker.id().to_owned(), worker.health());
    let running = Running::run(worker);
    all_is_done(&queue, &id).await;
    for fault in Fault::ALL {
        for one_in in [1, 3] {
            // Beats are rare, unless there is something to say.
            let told = queue.signal_worker(&id, WorkerSignal::Resume);
            let failed = faulty.let_fail(fault, one_in, ERRORS);
            tokio::join!(failed, told).1.unwrap();
            all_is_done(&queue, &id).await;
        }
    }
    let report = health.report();
    assert_eq!(report.status, "SERVING", "{report:?}");
    let mut loops: Vec<_> = report
        .loops
        .iter()
        .map(|one| (one.name, one.failures))
        .collect();
    loops.sort_unstable();
    let names: Vec<_> = loops.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["beat", "control channel", "lease keeper", "pruner"]);
    assert!(loops[0].1 > 0 && loops[1].1 > 0, "{loops:?}");
    running.stop().await;
    assert_sound(&queue).await;
}

/// It claims and finishes, hears of a cancel at once, obeys, and says so in a beat.
async fn all_is_done(queue: &JobQueue, worker: &str) {
    let plain = submit(queue, NewJob::new("plain", "{}").unwrap()).await;
    wait_until(queue, plain, JobState::Completed).await;
    let waits = submit(queue, NewJob::new("wait", "{}").unwrap()).await;
    wait_until(queue, waits, JobState::Active).await;
    queue.cancel(waits, "of no use", None).await.unwrap();
    wait_until(queue, waits, JobState::Cancelled).await;
    for (signal, state) in [
        (WorkerSignal::Quiet, WorkerState::Quiet),
        (WorkerSignal::Resume, WorkerState::Running),
    ] {
        wait_for("the worker to beat", async || {
            queue.signal_worker(worker, signal).await.ok()
        })
        .await;
        wait_for(&format!("the worker to be {state:?}"), async || {
            let seen = queue.get_worker(worker).await.ok()?;
            (seen.beat.state == state).then_some(())
        })
        .await;
    }
}

/// Of leases that are short, with one that is held all the time.
#[tokio::test(flavor = "multi_thread")]
async fn leases_are_extended_again_after_every_kind_of_error() {
    let redis = TestRedis::start();
    let faulty = FaultyRedis::before(redis.port()).await;
    // The lease may be lost meanwhile, time and again.
    let patient = |url| QueueConfig {
        redis_url: url,
        namespace: fresh_namespace(),
        crash_cap: 1_000,
        ..QueueConfig::default()
    };
    let behind = JobQueue::open(patient(faulty.url())).unwrap();
    let queue = JobQueue::open(QueueConfig {
        redis_url: redis.url(),
        ..behind.config().clone()
    });
    let queue = queue.unwrap();
    let handler = raw(|ctx: Context| async move {
        ctx.cancelled().await;
        Err(AttemptError::snooze(Duration::ZERO))
    });
    let worker = Worker::builder(&behind)
        .lease(Duration::from_secs(1))
        .handler_for("*", handler)
        .build()
        .unwrap();
    let health = worker.health();
    let running = Running::run(worker);
    let id = submit(&queue, NewJob::new("hold", "{}").unwrap()).await;
    for fault in Fault::ALL {
        extended(&queue, id).await;
        faulty.let_fail(fault, 1, ERRORS).await;
    }
    extended(&queue, id).await;
    let report = health.report();
    let keeper = report.loops.iter().find(|one| one.name == "lease keeper");
    assert!(keeper.unwrap().failures > 0, "{report:?}");
    running.stop().await;
    assert_sound(&queue).await;
}

/// Waits until a lease is seen to be extended: the same attempt, a later end.
async fn extended(queue: &JobQueue, id: JobId) {
    let seen = Cell::new(None);
    wait_for("a lease to be extended", async || {
        let job = queue.get(id).await.unwrap();
        let now = (job.started, job.lease_expires?);
        match seen.get() {
            Some((started, end)) if started == now.0 => (end < now.1).then_some(()),
            _ => {
                seen.set(Some(now));
                None
            }
        }
    })
    .await;
}
