use std::sync::Arc;
use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{Code, JobState, RunAt, WorkerBeat, WorkerSignal, WorkerState};
use jobflow_worker::{Context, Worker};
use tokio::sync::Notify;

use crate::support::{Running, eager, raw, submit, wait_until};

async fn wait_until_it_is(queue: &TestQueue, worker: &str, state: WorkerState) -> WorkerBeat {
    wait_for("the beat", async || {
        let beat = queue.get_worker(worker).await.ok()?.beat;
        (beat.state == state).then_some(beat)
    })
    .await
}

/// A worker with one slot whose handler waits for the second value.
fn gated(queue: &TestQueue) -> (Worker, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    let handler = raw(move |_ctx: Context| {
        let opened = opened.clone();
        async move {
            opened.notified().await;
            Ok(())
        }
    });
    let worker = Worker::builder(queue).concurrency(1);
    (worker.handler_for("k", handler).build().unwrap(), gate)
}

#[tokio::test]
async fn a_quiet_worker_claims_nothing_until_it_goes_on() {
    let queue = TestQueue::new();
    let (worker, gate) = gated(&queue);
    let (id, health) = (worker.id().to_owned(), worker.health());
    let worker = Running::run(worker);
    let running = submit(&queue, eager("1")).await;
    wait_until(&queue, running, JobState::Active).await;
    wait_until_it_is(&queue, &id, WorkerState::Running).await;

    queue.signal_worker(&id, WorkerSignal::Quiet).await.unwrap();
    let beat = wait_until_it_is(&queue, &id, WorkerState::Quiet).await;
    assert_eq!((beat.busy, beat.running.len()), (1, 1));
    let snapshot = queue.get_worker(&id).await.unwrap();
    assert!(snapshot.started.is_some());
    let waits = submit(&queue, eager("2")).await;
    gate.notify_one();
    wait_until(&queue, running, JobState::Completed).await;
    let report = health.report();
    assert!(report.quiet && report.status == "SERVING");
    // Twice is once.
    queue.signal_worker(&id, WorkerSignal::Quiet).await.unwrap();
    assert_eq!(queue.get(waits).await.unwrap().state, JobState::Waiting);

    queue
        .signal_worker(&id, WorkerSignal::Resume)
        .await
        .unwrap();
    gate.notify_one();
    wait_until(&queue, waits, JobState::Completed).await;
    wait_until_it_is(&queue, &id, WorkerState::Running).await;
    let report = health.report();
    assert!(!report.quiet && report.status == "SERVING");
    assert_eq!(worker.stop().await.claimed.get(), 2);
    queue.close().await;
}

#[tokio::test]
async fn a_quiet_worker_still_tends_its_queues_and_can_be_stopped() {
    let queue = TestQueue::new();
    let (worker, _gate) = gated(&queue);
    let id = worker.id().to_owned();
    let worker = Running::run(worker);
    wait_until_it_is(&queue, &id, WorkerState::Running).await;
    queue.signal_worker(&id, WorkerSignal::Quiet).await.unwrap();
    wait_until_it_is(&queue, &id, WorkerState::Quiet).await;
    let later = RunAt::After(Duration::from_millis(1));
    let due = submit(&queue, eager("1").run_at(later).unwrap()).await;
    wait_until(&queue, due, JobState::Waiting).await;
    assert_eq!(worker.stop().await.claimed.get(), 0);
    queue.close().await;
}

#[tokio::test]
async fn a_signal_that_nobody_heard_comes_with_the_next_beat() {
    let queue = TestQueue::new();
    let (worker, _gate) = gated(&queue);
    let id = worker.id().to_owned();
    let known = WorkerBeat {
        id: id.clone(),
        ..WorkerBeat::default()
    };
    queue.beat(&known).await.unwrap();
    // Before it listens.
    queue.signal_worker(&id, WorkerSignal::Quiet).await.unwrap();
    let worker = Running::run(worker);
    wait_until_it_is(&queue, &id, WorkerState::Quiet).await;
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_lets_running_attempts_end() {
    let queue = TestQueue::new();
    let (worker, gate) = gated(&queue);
    let id = worker.id().to_owned();
    let worker = Running::run(worker);
    let running = submit(&queue, eager("1")).await;
    wait_until(&queue, running, JobState::Active).await;
    wait_until_it_is(&queue, &id, WorkerState::Running).await;

    queue.signal_worker(&id, WorkerSignal::Stop).await.unwrap();
    wait_until_it_is(&queue, &id, WorkerState::Stopping).await;
    let late = submit(&queue, eager("2")).await;
    gate.notify_one();
    worker.life.await.unwrap().unwrap();
    let state = async |id| queue.get(id).await.unwrap().state;
    assert_eq!(state(running).await, JobState::Completed);
    assert_eq!(state(late).await, JobState::Waiting);
    assert_eq!(worker.stats.completed.get(), 1);
    let gone = queue.signal_worker(&id, WorkerSignal::Stop).await;
    assert_eq!(gone.unwrap_err().code(), Code::WorkerNotFound);
    queue.close().await;
}
