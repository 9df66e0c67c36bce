use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{JobState, Kind, NewJob, Outcome, RunAt, StartLimit, StoreTime};

use crate::{LEASE, claim, claim_one, default_queue, error, get, job, numbers, state, submit};

fn past() -> NewJob {
    job().start_limit(StartLimit::Before(StoreTime(1))).unwrap()
}

fn within(time: Duration) -> NewJob {
    job().start_limit(StartLimit::Within(time)).unwrap()
}

#[tokio::test]
async fn a_job_that_has_not_started_in_time_fails_with_expired() {
    let queue = TestQueue::new();
    let kind = Kind::new("parked").unwrap();
    submit(&queue, job()).await;
    claim_one(&queue).await;
    queue
        .pause(&default_queue(), Some(&kind), "", None)
        .await
        .unwrap();
    let short = Duration::from_millis(100);
    let limit = StartLimit::Within(short);
    let parked = NewJob::new("parked", "")
        .unwrap()
        .start_limit(limit)
        .unwrap();
    let ids = [
        submit(&queue, parked).await,
        submit(&queue, within(short).run_at(RunAt::After(LEASE)).unwrap()).await,
        submit(&queue, within(short).run_at(RunAt::After(LEASE)).unwrap()).await,
    ];
    let parked = claim(&queue, 1).await;
    assert!(parked.jobs.is_empty());
    let wait = parked.next_due.unwrap();
    assert!(wait <= short, "a worker looks again when the limit is over");
    wait_for("the limits to be over", || async {
        queue.promote(&default_queue()).await.unwrap();
        (numbers(&queue).await.counts.failed == 3).then_some(())
    })
    .await;
    for id in ids {
        let stored = get(&queue, id).await;
        assert_eq!(stored.state, JobState::Failed);
        assert_eq!(stored.error.unwrap().code, "EXPIRED");
        assert!(stored.finished >= stored.start_before);
        assert_eq!((stored.attempt, stored.attempts.len()), (0, 0));
    }
    assert_eq!(numbers(&queue).await.totals.failed, 3);
    queue.close().await;
}

#[tokio::test]
async fn a_job_expires_in_a_paused_queue() {
    let queue = TestQueue::new();
    let id = submit(&queue, past()).await;
    queue.pause(&default_queue(), None, "", None).await.unwrap();
    assert!(claim(&queue, 1).await.jobs.is_empty());
    assert_eq!(get(&queue, id).await.error.unwrap().code, "EXPIRED");
    queue.close().await;
}

#[tokio::test]
async fn a_limit_in_the_past_lets_no_job_start() {
    let queue = TestQueue::new();
    let zero = StartLimit::Before(StoreTime(0));
    for limit in [StartLimit::Before(StoreTime(1)), zero] {
        let id = submit(&queue, job().start_limit(limit).unwrap()).await;
        assert_eq!(state(&queue, id).await, JobState::Waiting);
        assert!(claim(&queue, 1).await.jobs.is_empty());
        assert_eq!(state(&queue, id).await, JobState::Failed);
    }
    queue.close().await;
}

#[tokio::test]
async fn no_job_starts_late_however_many_are_late() {
    let queue = TestQueue::new();
    for _ in 0..3 {
        let late = (0..100).map(|_| past()).collect();
        queue.submit_batch(late).await;
    }
    let good = submit(&queue, job()).await;
    let mut claimed = Vec::new();
    while claimed.is_empty() {
        let found = claim(&queue, 256).await;
        assert!(!found.jobs.is_empty() || found.next_due == Some(Duration::ZERO));
        claimed.extend(found.jobs.into_iter().map(|job| job.id));
    }
    assert_eq!(claimed, [good]);
    assert_eq!(numbers(&queue).await.counts.failed, 300);
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_has_started_does_not_expire() {
    let queue = TestQueue::new();
    let short = Duration::from_millis(100);
    let mut ids = Vec::new();
    for outcome in [
        None,
        Some(Outcome::Release),
        Some(Outcome::Snooze(LEASE)),
        Some(Outcome::ErrorAfter(LEASE, error())),
    ] {
        ids.push(submit(&queue, within(short)).await);
        let claimed = claim_one(&queue).await;
        assert_eq!(claimed.id, ids[ids.len() - 1]);
        if let Some(outcome) = outcome {
            queue.finish(&claimed, outcome).await.unwrap();
        }
        if ids.len() == 2 {
            // Do not claim the released one again for those that follow.
            claim_one(&queue).await;
        }
    }
    let last = get(&queue, ids[3]).await.start_before.unwrap();
    wait_for("the limits to be over", || async {
        (queue.snapshot().await.unwrap().time > last).then_some(())
    })
    .await;
    queue.promote(&default_queue()).await.unwrap();
    assert_eq!(numbers(&queue).await.counts.failed, 0);
    assert_eq!(state(&queue, ids[3]).await, JobState::Retrying);
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_expired_can_be_retried_and_then_has_no_limit() {
    let queue = TestQueue::new();
    let id = submit(&queue, past()).await;
    assert!(claim(&queue, 1).await.jobs.is_empty());
    queue.retry(id, None, None).await.unwrap();
    assert_eq!(claim_one(&queue).await.id, id);
    queue.close().await;
}

#[tokio::test]
async fn the_limit_is_kept_with_the_job() {
    let queue = TestQueue::new();
    let at = StoreTime(4_000_000_000_000);
    let id = submit(&queue, job().start_limit(StartLimit::Before(at)).unwrap()).await;
    assert_eq!(get(&queue, id).await.start_before, Some(at));
    let id = submit(&queue, within(LEASE)).await;
    let stored = get(&queue, id).await;
    assert_eq!(stored.start_before.unwrap().since(stored.created), LEASE);
    let id = submit(&queue, job()).await;
    assert_eq!(get(&queue, id).await.start_before, None);
    queue.close().await;
}
