//! A wake-up goes to one worker: what that does not come to, others are told of.

use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::thread;

use jobflow::testing::{PATIENCE, TestRedis, assert_sound, id_in, wait_for};
use jobflow::{
    JobId, JobQueue, JobState, Partition, QueueName, SettingsChange, Woken, WorkerSignal,
    WorkerState,
};
use jobflow_worker::{Context, Worker, WorkerBuilder};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::support::{Running, eager, open, raw, submit, wait_until};

/// So many that a worker looks at each by itself long after a test has given up.
const PARTITIONS: u8 = 16;

/// A queue that is there and has partitions, on a store of the test's own.
async fn spread() -> (TestRedis, JobQueue) {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let id = submit(&queue, eager("{}")).await;
    queue.cancel(id, "", None).await.unwrap();
    let change = [SettingsChange::Partitions(Some(PARTITIONS))];
    let name = QueueName::default();
    queue.update_settings(&name, &change, None).await.unwrap();
    (redis, queue)
}

async fn parts(queue: &JobQueue) -> Vec<Partition> {
    queue.all_partitions().await.unwrap()
}

fn worker(queue: &JobQueue) -> WorkerBuilder {
    let worker = Worker::builder(queue).concurrency(1);
    worker.handler_for("k", raw(|_| ready(Ok(()))))
}

/// Waits until the only worker has nothing to do and waits to be told of work.
async fn sleeps(redis: &TestRedis) {
    wait_for("the worker to sleep", async || {
        let clients = redis.cli(&["INFO", "clients"]);
        clients.contains("blocked_clients:1").then_some(())
    })
    .await;
}

/// Another process does this, while the worker of this one does not get a turn.
fn at_once<T: Send>(queue: &JobQueue, call: impl AsyncFnOnce(JobQueue) -> T + Send) -> T {
    let config = queue.config().clone();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(async { call(JobQueue::open(config).unwrap()).await })
        });
        other.join().unwrap()
    })
}

async fn submit_in(queue: &JobQueue, part: &Partition) -> JobId {
    submit(queue, eager("{}").id(id_in(part)).unwrap()).await
}

/// Whoever waits now is told of this one, perhaps of others before.
async fn is_told(queue: &JobQueue, part: &Partition) {
    let mut waiter = queue.waiter(&[QueueName::default()]);
    loop {
        match waiter.wait(PATIENCE, pending()).await.unwrap() {
            Woken::In(parts) if parts.contains(part) => return,
            Woken::In(_) => {}
            other => panic!("{other:?} in place of {part}"),
        }
    }
}

#[tokio::test]
async fn a_worker_that_ends_passes_on_what_it_was_told_of() {
    let (redis, queue) = spread().await;
    let parts = parts(&queue).await;
    for part in [&parts[0], &parts[5]] {
        let worker = Running::start(worker(&queue));
        sleeps(&redis).await;
        at_once(&queue, async |producer| submit_in(&producer, part).await);
        worker.stop().await;
        is_told(&queue, part).await;
    }
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_worker_that_becomes_quiet_passes_on_what_it_was_told_of() {
    let (redis, queue) = spread().await;
    let part = parts(&queue).await.remove(5);
    let worker = worker(&queue).build().unwrap();
    let id = worker.id().to_owned();
    let worker = Running::run(worker);
    wait_for("the first beat", async || queue.get_worker(&id).await.ok()).await;
    sleeps(&redis).await;
    at_once(&queue, async |operator| {
        submit_in(&operator, &part).await;
        let quiet = operator.signal_worker(&id, WorkerSignal::Quiet).await;
        quiet.unwrap();
        wait_for("the worker to be quiet", async || {
            let beat = operator.get_worker(&id).await.ok()?.beat;
            (beat.state == WorkerState::Quiet).then_some(())
        })
        .await;
    });
    is_told(&queue, &part).await;
    assert_eq!(worker.stop().await.claimed.get(), 0);
    assert_sound(&queue).await;
}

/// Its connection breaks, so that it has to look everywhere, and so do those of others
/// with what they were told.
#[tokio::test]
async fn a_worker_that_is_full_passes_on_what_it_does_not_come_to() {
    let (redis, queue) = spread().await;
    let parts = parts(&queue).await;
    let (gate, begun) = (
        Arc::new(Semaphore::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (opened, noted) = (gate.clone(), begun.clone());
    let handler = raw(move |ctx: Context| {
        noted.lock().unwrap().push(ctx.id());
        let opened = opened.clone();
        async move {
            opened.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let worker = Worker::builder(&queue).concurrency(1);
    let worker = Running::start(worker.handler_for("k", handler));
    sleeps(&redis).await;
    let ids = at_once(&queue, async |other| {
        let clients = redis.cli(&["CLIENT", "LIST"]);
        let blocked = clients.lines().find(|line| line.contains("cmd=blpop"));
        let id = blocked.unwrap().split_once(' ').unwrap().0;
        let killed = redis.cli(&["CLIENT", "KILL", "ID", id.trim_start_matches("id=")]);
        assert_eq!(killed.trim(), "1");
        let ids = [
            submit_in(&other, &parts[2]).await,
            submit_in(&other, &parts[5]).await,
        ];
        is_told(&other, &parts[2]).await;
        is_told(&other, &parts[5]).await;
        ids
    });
    let first = wait_for("the first job", async || {
        begun.lock().unwrap().first().copied()
    });
    let first = first.await;
    let second = ids.into_iter().find(|id| *id != first).unwrap();
    is_told(&queue, &Partition::of(&QueueName::default(), second)).await;
    gate.add_permits(2);
    for id in [first, second] {
        wait_until(&queue, id, JobState::Completed).await;
    }
    assert_eq!(worker.stop().await.completed.get(), 2);
    assert_sound(&queue).await;
}
