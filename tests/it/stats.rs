use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{Counts, JobState, Outcome, RunAt};

use crate::{claim_one, error, job, submit};

#[tokio::test]
async fn a_snapshot_counts_every_state_and_outcome() {
    let queue = TestQueue::new();
    submit(
        &queue,
        job().run_at(RunAt::After(Duration::from_secs(60))).unwrap(),
    )
    .await;
    for outcome in [
        Some(Outcome::Ack(None)),
        Some(Outcome::Fail(error())),
        Some(Outcome::ErrorAfter(Duration::from_secs(60), error())),
        None,
    ] {
        submit(&queue, job()).await;
        let claimed = claim_one(&queue).await;
        if let Some(outcome) = outcome {
            queue.finish(&claimed, outcome).await.unwrap();
        }
    }
    submit(&queue, job()).await;
    let snapshot = queue.snapshot().await.unwrap();
    assert_eq!(
        snapshot.queues[0].counts,
        Counts {
            scheduled: 1,
            blocked: 0,
            waiting: 1,
            active: 1,
            retrying: 1,
            completed: 1,
            failed: 1,
            cancelled: 0
        }
    );
    let totals = snapshot.queues[0].totals;
    assert_eq!(
        (
            totals.submitted,
            totals.completed,
            totals.failed,
            totals.errored
        ),
        (6, 1, 1, 2)
    );
    assert!(snapshot.queues[0].oldest_waiting.is_some());
    queue.close().await;
}

#[tokio::test]
async fn recent_jobs_come_newest_first_with_their_metadata() {
    let queue = TestQueue::new();
    let completed = submit(&queue, job()).await;
    queue
        .finish(&claim_one(&queue).await, Outcome::Ack(None))
        .await
        .unwrap();
    let failed = submit(&queue, job().queue("other").unwrap()).await;
    let other = jobflow::QueueName::new("other").unwrap();
    let claimed = queue
        .claim(&other, 1, crate::LEASE, "w2")
        .await
        .unwrap()
        .jobs
        .remove(0);
    queue
        .finish(&claimed, Outcome::Fail(error()))
        .await
        .unwrap();

    let recent = queue.snapshot().await.unwrap().recent;
    assert_eq!(
        recent.iter().map(|job| job.id).collect::<Vec<_>>(),
        [failed, completed]
    );
    assert_eq!(
        (recent[0].state, recent[0].error.clone()),
        (JobState::Failed, Some(error()))
    );
    assert_eq!((recent[1].kind.as_str(), recent[1].attempt), ("noop", 1));
    assert_eq!(recent[1].worker.as_deref(), Some(crate::WORKER));
    queue.close().await;
}

#[tokio::test]
async fn at_most_fifty_recent_jobs_are_shown() {
    let queue = TestQueue::new();
    for _ in 0..60 {
        submit(&queue, job()).await;
        queue
            .finish(&claim_one(&queue).await, Outcome::Ack(None))
            .await
            .unwrap();
    }
    assert_eq!(queue.snapshot().await.unwrap().recent.len(), 50);
    queue.close().await;
}

#[tokio::test]
async fn an_empty_namespace_has_an_empty_snapshot() {
    let queue = TestQueue::new();
    let snapshot = queue.snapshot().await.unwrap();
    assert!(
        snapshot.queues.is_empty() && snapshot.workers.is_empty() && snapshot.recent.is_empty()
    );
    assert!(snapshot.time.0 > 0);
    queue.close().await;
}
