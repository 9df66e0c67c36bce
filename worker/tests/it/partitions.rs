//! A worker of a queue that is spread over partitions.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{JobQueue, JobState, Partition, QueueName, RunAt, SettingsChange};
use jobflow_worker::{AttemptError, Context, Worker};

use crate::support::{Running, eager, raw, submit, wait_until};

async fn spread(queue: &JobQueue, partitions: u8) {
    let change = [SettingsChange::Partitions(Some(partitions))];
    let name = QueueName::default();
    queue.update_settings(&name, &change, None).await.unwrap();
}

/// Each job errs once, so that it comes back in its partition.
fn errs_once() -> impl Fn(Context) -> std::future::Ready<Result<(), AttemptError>> {
    |ctx: Context| {
        std::future::ready(match ctx.attempt() {
            1 => Err(AttemptError::RetryAfter(
                Duration::from_millis(20),
                "once".into(),
            )),
            _ => Ok(()),
        })
    }
}

#[tokio::test]
async fn a_worker_that_waits_serves_partitions_that_are_added() {
    let queue = TestQueue::new();
    let worker = Worker::builder(&queue).concurrency(3);
    let worker = Running::start(worker.handler_for("k", raw(errs_once())));
    let first = submit(&queue, eager("{}")).await;
    wait_until(&queue, first, JobState::Completed).await;
    spread(&queue, 8).await;
    let mut parts = HashSet::new();
    for n in 0..60 {
        // At once or a little later, one after the other: most find the worker asleep.
        let delay = RunAt::After(Duration::from_millis(n % 3 * 20));
        let job = eager("{}").idempotency_key(format!("order-{n}")).unwrap();
        let id = submit(&queue, job.run_at(delay).unwrap()).await;
        parts.insert(Partition::of(&QueueName::default(), id));
        let job = wait_until(&queue, id, JobState::Completed).await;
        assert_eq!(job.attempt, 2);
    }
    assert_eq!(parts.len(), 8);
    spread(&queue, 2).await;
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Completed).await;
    let stats = worker.stop().await;
    assert_eq!((stats.completed.get(), stats.lease_lost.get()), (62, 0));
    queue.close().await;
}

#[tokio::test]
async fn a_busy_worker_claims_from_all_partitions_in_turn() {
    let queue = TestQueue::new();
    submit(&queue, eager("{}")).await;
    spread(&queue, 4).await;
    let jobs = (0..200).map(|n| eager("{}").idempotency_key(format!("{n}")).unwrap());
    for submitted in queue.submit_batch(jobs.collect()).await {
        submitted.unwrap();
    }
    let ran = Arc::new(Mutex::new(Vec::new()));
    let noted = ran.clone();
    let handler = raw(move |ctx: Context| {
        noted.lock().unwrap().push(ctx.id());
        async { Ok(()) }
    });
    let worker = Worker::builder(&queue).concurrency(1);
    let worker = Running::start(worker.handler_for("k", handler));
    wait_for("all jobs", async || {
        (worker.stats.completed.get() == 201).then_some(())
    })
    .await;
    worker.stop().await;
    let ran = ran.lock().unwrap().clone();
    let parts = ran
        .iter()
        .map(|id| Partition::of(&QueueName::default(), *id));
    let parts: Vec<_> = parts.map(|part| part.number()).collect();
    // While all have some.
    for round in parts[..100].chunks(4) {
        let different: HashSet<_> = round.iter().collect();
        assert!(different.len() > 2, "{parts:?}");
    }
    queue.close().await;
}
