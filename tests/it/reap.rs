use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{ClaimedJob, JobState, Reaped};

use crate::{claim_one, default_queue, job, state, submit};

const SHORT: Duration = Duration::from_millis(100);

async fn claim_short(queue: &TestQueue) -> ClaimedJob {
    queue
        .claim(&default_queue(), 1, SHORT, "doomed")
        .await
        .unwrap()
        .jobs
        .remove(0)
}

async fn reap(queue: &TestQueue) -> Reaped {
    wait_for("a lease to run out", || async {
        let reaped = queue.reap(&default_queue()).await.unwrap();
        (reaped != Reaped::default()).then_some(reaped)
    })
    .await
}

#[tokio::test]
async fn a_lost_worker_costs_no_attempt_and_no_place() {
    let queue = TestQueue::new();
    let id = submit(&queue, job().max_attempts(1).unwrap()).await;
    submit(&queue, job()).await;
    claim_short(&queue).await;
    assert_eq!(
        reap(&queue).await,
        Reaped {
            put_back: 1,
            failed: 0
        }
    );
    let stored = queue.get(id).await.unwrap();
    assert_eq!(
        (stored.state, stored.attempt, stored.crash_count),
        (JobState::Waiting, 0, 1)
    );
    let again = claim_one(&queue).await;
    assert_eq!((again.id, again.attempt, again.crash_count), (id, 1, 1));
    queue.close().await;
}

#[tokio::test]
async fn a_lease_that_holds_is_left_alone() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    claim_one(&queue).await;
    assert_eq!(
        queue.reap(&default_queue()).await.unwrap(),
        Reaped::default()
    );
    assert_eq!(state(&queue, id).await, JobState::Active);
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_loses_every_worker_fails_at_the_cap() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    for crash in 1..=3 {
        claim_short(&queue).await;
        let reaped = reap(&queue).await;
        assert_eq!(reaped.failed, usize::from(crash == 3), "crash {crash}");
    }
    let stored = queue.get(id).await.unwrap();
    assert_eq!((stored.state, stored.crash_count), (JobState::Failed, 3));
    assert_eq!(stored.error.unwrap().code, "WORKER_LOST");
    let totals = queue.snapshot().await.unwrap().queues[0].totals;
    assert_eq!((totals.lease_expired, totals.failed), (3, 1));
    queue.close().await;
}
