use std::sync::Arc;
use std::time::Duration;

use jobflow::JobState;
use jobflow::testing::{TestQueue, wait_for};
use jobflow_worker::{AttemptError, Context, Worker};
use tokio::sync::Notify;

use crate::support::{Running, eager, raw, submit, wait_until};

const NO_GRACE: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_stopping_worker_claims_no_more_and_lets_running_attempts_end() {
    let queue = TestQueue::new();
    let go = Arc::new(Notify::new());
    let gone = go.clone();
    let handler = raw(move |_ctx: Context| {
        let go = gone.clone();
        async move {
            go.notified().await;
            Ok(())
        }
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    let running = submit(&queue, eager("1")).await;
    wait_until(&queue, running, JobState::Active).await;

    worker.stop.cancel();
    // The duties end with the stop, so a beat that is still there means draining.
    go.notify_one();
    let stats = worker.stop().await;
    wait_until(&queue, running, JobState::Completed).await;
    let late = submit(&queue, eager("2")).await;
    assert_eq!(queue.get(late).await.unwrap().state, JobState::Waiting);
    assert_eq!((stats.claimed.get(), stats.completed.get()), (1, 1));
    queue.close().await;
}

#[tokio::test]
async fn what_is_not_done_in_the_grace_is_handed_back_without_a_penalty() {
    let queue = TestQueue::new();
    let handler = raw(async |ctx: Context| match ctx.payload().as_ref() {
        // One listens, one has to be dropped, one blocks nobody but ends well.
        b"listens" => {
            ctx.cancelled().await;
            Err(AttemptError::fail("stopped in the middle"))
        }
        b"ends" => {
            ctx.cancelled().await;
            Ok(())
        }
        _ => std::future::pending().await,
    });
    let worker = Worker::builder(&queue)
        .grace(NO_GRACE)
        .handler_for("k", handler);
    let worker = Running::start(worker);
    let mut back = Vec::new();
    for payload in ["listens", "deaf"] {
        back.push(submit(&queue, eager(payload)).await);
    }
    let ends = submit(&queue, eager("ends")).await;
    for id in back.iter().chain([&ends]) {
        wait_until(&queue, *id, JobState::Active).await;
    }

    let stats = worker.stop().await;
    for id in back {
        let job = queue.get(id).await.unwrap();
        assert_eq!(
            (job.state, job.attempt, job.crash_count),
            (JobState::Waiting, 0, 0)
        );
    }
    assert_eq!(queue.get(ends).await.unwrap().state, JobState::Completed);
    assert_eq!(
        (
            stats.released.get(),
            stats.completed.get(),
            stats.lease_lost.get()
        ),
        (2, 1, 0)
    );
    queue.close().await;
}

#[tokio::test]
async fn a_worker_that_is_dropped_hands_everything_back() {
    let queue = TestQueue::new();
    let worker =
        Worker::builder(&queue).handler_for("k", raw(async |_| std::future::pending().await));
    let worker = Running::start(worker);
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Active).await;

    worker.life.abort();
    let job = wait_until(&queue, id, JobState::Waiting).await;
    assert_eq!((job.attempt, job.crash_count), (0, 0));
    queue.close().await;
}

#[tokio::test]
async fn a_worker_is_listed_while_it_lives() {
    let queue = TestQueue::new();
    let worker = Worker::builder(&queue)
        .concurrency(7)
        .handler_for("k", raw(async |_| Ok(())));
    let worker = worker.build().unwrap();
    let id = worker.id().to_owned();
    let worker = Running::run(worker);

    let beat = wait_for("the beat", async || {
        let mut workers = queue.snapshot().await.ok()?.workers;
        workers.pop().map(|worker| worker.beat)
    })
    .await;
    assert_eq!((beat.id, beat.slots, beat.pid), (id, 7, std::process::id()));
    assert_eq!(
        (beat.kinds, beat.queues),
        (vec!["k".to_owned()], vec!["default".to_owned()])
    );
    worker.stop().await;
    assert!(queue.snapshot().await.unwrap().workers.is_empty());
    queue.close().await;
}
