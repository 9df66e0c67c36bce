use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jobflow::testing::{PATIENCE, TestQueue, TestRedis, assert_sound, fresh_namespace, wait_for};
use jobflow::{JobId, JobQueue, JobState, QueueConfig};
use jobflow_worker::{Context, Worker};
use tokio::sync::Notify;

use crate::support::{Running, eager, raw, submit, wait_until};

const LEASE: Duration = Duration::from_millis(400);

/// On one runtime thread: what blocks it blocks everything but the leases.
#[tokio::test(flavor = "current_thread")]
async fn a_handler_that_blocks_the_runtime_costs_its_neighbours_no_lease() {
    let queue = TestQueue::new();
    let (extended, blocked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (watched, blocking) = (extended.clone(), blocked.clone());
    let handler = raw(move |ctx: Context| {
        let (extended, blocking) = (watched.clone(), blocking.clone());
        async move {
            if ctx.payload() == "blocks" {
                blocking.store(true, Ordering::SeqCst);
                let deadline = Instant::now() + PATIENCE;
                while !extended.load(Ordering::SeqCst) {
                    assert!(
                        Instant::now() < deadline,
                        "the neighbour's lease was not extended"
                    );
                    std::hint::spin_loop();
                }
            } else {
                while !extended.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            }
            Ok(())
        }
    });
    let neighbour = submit(&queue, eager("yields")).await;
    let blocks = submit(&queue, eager("blocks")).await;
    let watch = extend_watch(queue.config().clone(), neighbour, blocked, extended);
    let worker = Worker::builder(&queue)
        .lease(LEASE)
        .handler_for("k", handler);
    let worker = Running::start(worker);

    for id in [neighbour, blocks] {
        let job = wait_until(&queue, id, JobState::Completed).await;
        assert_eq!((job.attempt, job.crash_count), (1, 0));
    }
    watch.join().unwrap();
    let stats = worker.stop().await;
    assert_eq!((stats.lease_lost.get(), stats.completed.get()), (0, 2));
    queue.close().await;
}

/// From outside the blocked runtime: lets go once the lease has been extended
/// to twice its length after the block began.
fn extend_watch(
    config: QueueConfig,
    id: JobId,
    blocked: Arc<AtomicBool>,
    extended: Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let queue = JobQueue::open(config).unwrap();
            wait_for("the block", async || {
                blocked.load(Ordering::SeqCst).then_some(())
            })
            .await;
            let expires = async || queue.get(id).await.ok()?.lease_expires;
            let first = wait_for("the lease", expires).await;
            wait_for("the extensions", async || {
                let now = expires().await?;
                (now.since(first) > LEASE * 2).then_some(())
            })
            .await;
        });
        extended.store(true, Ordering::SeqCst);
    })
}

fn signal(redis: &TestRedis, name: &str) {
    let pid = redis.pid().to_string();
    assert!(
        Command::new("kill")
            .args([name, &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_cancels_the_attempt_and_its_finish_is_refused() {
    let redis = TestRedis::start();
    let config = QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    };
    let queue = JobQueue::open(config).unwrap();
    let (cancelled, reaped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, go) = (cancelled.clone(), reaped.clone());
    let handler = raw(move |ctx: Context| {
        let (tell, go) = (tell.clone(), go.clone());
        async move {
            if ctx.crash_count() == 0 {
                ctx.cancelled().await;
                tell.notify_one();
                go.notified().await;
            }
            Ok(())
        }
    });
    let worker = Worker::builder(&queue)
        .lease(LEASE)
        .handler_for("k", handler);
    let worker = Running::start(worker);
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Active).await;

    // The worker can not reach the store, and must assume that others can.
    signal(&redis, "-STOP");
    tokio::time::timeout(PATIENCE, cancelled.notified())
        .await
        .expect("the attempt is cancelled");
    signal(&redis, "-CONT");
    let job = wait_until(&queue, id, JobState::Completed).await;
    reaped.notify_one();
    assert_eq!((job.attempt, job.crash_count), (1, 1));
    wait_for("the refusal", async || {
        (worker.stats.lease_lost.get() == 1).then_some(())
    })
    .await;

    let stats = worker.stop().await;
    assert_eq!((stats.completed.get(), stats.lease_lost.get()), (1, 1));
    assert_sound(&queue).await;
}

#[tokio::test]
async fn an_outcome_is_stored_once_the_store_is_back() {
    let mut redis = TestRedis::start_durable();
    let config = QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    };
    let queue = JobQueue::open(config).unwrap();
    let (end, ended) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (go, tell) = (end.clone(), ended.clone());
    let handler = raw(move |_ctx: Context| {
        let (go, tell) = (go.clone(), tell.clone());
        async move {
            go.notified().await;
            tell.store(true, Ordering::SeqCst);
            Ok(())
        }
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Active).await;

    redis.kill();
    end.notify_one();
    wait_for("the handler", async || {
        ended.load(Ordering::SeqCst).then_some(())
    })
    .await;
    wait_for("an error", async || queue.check_store().await.err()).await;
    redis.resume();
    let job = wait_until(&queue, id, JobState::Completed).await;
    assert_eq!((job.attempt, job.crash_count), (1, 0));
    let stats = worker.stop().await;
    assert_eq!((stats.completed.get(), stats.lease_lost.get()), (1, 0));
    assert_sound(&queue).await;
}
