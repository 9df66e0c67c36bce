use std::sync::{Arc, Mutex};

use jobflow::testing::{TestQueue, TestRedis, assert_sound, fresh_namespace, wait_for};
use jobflow::{Code, JobQueue, JobState, QueueConfig};
use jobflow_worker::{Context, Worker};

use crate::support::{Running, eager, raw, submit, wait_until};

#[tokio::test]
async fn two_queues_are_served_in_turn() {
    let queue = TestQueue::new();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let noted = ran.clone();
    let handler = raw(move |ctx: Context| {
        noted.lock().unwrap().push(ctx.queue().to_string());
        async { Ok(()) }
    });
    for name in ["full", "small"] {
        for _ in 0..20 {
            submit(&queue, eager("{}").queue(name).unwrap()).await;
        }
    }
    let worker = Worker::builder(&queue)
        .queues(["full", "small"])
        .concurrency(1);
    let worker = Running::start(worker.handler_for("k", handler));
    wait_for("all jobs", async || {
        (worker.stats.completed.get() == 40).then_some(())
    })
    .await;
    worker.stop().await;
    let ran = ran.lock().unwrap().clone();
    for turn in ran.chunks(2) {
        assert_ne!(turn[0], turn[1], "{ran:?}");
    }
    queue.close().await;
}

#[tokio::test]
async fn many_jobs_run_once_each_and_claims_are_not_made_one_by_one() {
    const JOBS: u64 = 2_000;
    let queue = TestQueue::new();
    let batch = |_| (0..1_000).map(|_| eager("{}")).collect();
    for jobs in (0..JOBS / 1_000).map(batch) {
        for submitted in queue.submit_batch(jobs).await {
            submitted.unwrap();
        }
    }
    let worker = Worker::builder(&queue)
        .concurrency(50)
        .handler_for("k", raw(async |_| Ok(())));
    let worker = Running::start(worker);
    wait_for("all jobs", async || {
        (worker.stats.completed.get() == JOBS).then_some(())
    })
    .await;
    let stats = worker.stop().await;
    assert_eq!((stats.claimed.get(), stats.lease_lost.get()), (JOBS, 0));
    assert!(
        stats.claims.get() < JOBS / 4,
        "{} claims",
        stats.claims.get()
    );
    queue.close().await;
}

fn config(redis: &TestRedis) -> QueueConfig {
    QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    }
}

#[tokio::test]
async fn a_worker_outlives_a_store_that_is_down_at_start_and_later() {
    let mut redis = TestRedis::start_durable();
    let queue = JobQueue::open(config(&redis)).unwrap();
    redis.stop();
    let worker = Worker::builder(&queue).handler_for("k", raw(async |_| Ok(())));
    let worker = worker.build().unwrap();
    let health = worker.health();
    let worker = Running::run(worker);
    wait_for("an answer", async || queue.check_store().await.err()).await;
    assert_eq!(health.report().status, "NOT_SERVING");

    for round in 1..=3 {
        redis.resume();
        wait_for("the store", async || queue.check_store().await.ok()).await;
        let id = submit(&queue, eager("{}")).await;
        wait_until(&queue, id, JobState::Completed).await;
        assert_eq!(health.report().status, "SERVING");
        assert_eq!(worker.stats.completed.get(), round);
        if round < 3 {
            redis.kill();
        }
    }
    worker.stop().await;
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_store_that_may_throw_jobs_away_is_refused() {
    let redis = TestRedis::start_with(&["--save", "", "--maxmemory-policy", "allkeys-lru"]);
    let queue = JobQueue::open(config(&redis)).unwrap();
    let worker = Worker::builder(&queue).handler_for("k", raw(async |_| Ok(())));
    let ended = worker
        .build()
        .unwrap()
        .run_until(std::future::pending())
        .await;
    assert_eq!(ended.unwrap_err().code(), Code::StoreUnsafe);
}
