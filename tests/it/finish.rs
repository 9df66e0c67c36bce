use std::time::Duration;

use bytes::Bytes;
use jobflow::testing::{TestQueue, wait_for};
use jobflow::{Backoff, Code, JobResult, JobState, MAX_PAYLOAD, Outcome};

use crate::{LEASE, WORKER, claim, claim_one, default_queue, error, job, state, submit};

#[tokio::test]
async fn an_ack_completes_the_job_and_keeps_its_result() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    let result = JobResult {
        bytes: Bytes::from_static(b"\0\xff"),
        content_type: "image/png".to_owned(),
    };
    let now = queue
        .finish(&claimed, Outcome::Ack(Some(result.clone())))
        .await
        .unwrap();
    assert_eq!(now, JobState::Completed);
    let stored = queue.get(id).await.unwrap();
    assert_eq!((stored.state, stored.attempt), (JobState::Completed, 1));
    assert_eq!((stored.result, stored.error), (Some(result), None));
    assert!(stored.finished >= stored.started);
    queue.close().await;
}

#[tokio::test]
async fn twice_errored_then_acked_completes_at_the_third_attempt() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    for attempt in 1..=2 {
        let claimed = claim_one(&queue).await;
        assert_eq!(claimed.attempt, attempt);
        let now = queue
            .finish(&claimed, Outcome::ErrorAfter(Duration::ZERO, error()))
            .await
            .unwrap();
        assert_eq!(now, JobState::Retrying);
        assert_eq!(queue.get(id).await.unwrap().error, Some(error()));
    }
    let claimed = claim_one(&queue).await;
    assert_eq!(claimed.attempt, 3);
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    let stored = queue.get(id).await.unwrap();
    assert_eq!((stored.state, stored.attempt), (JobState::Completed, 3));
    assert_eq!(stored.error, None, "the errors of the past are past");
    queue.close().await;
}

#[tokio::test]
async fn the_last_attempt_fails_the_job_with_its_error() {
    let queue = TestQueue::new();
    let id = submit(&queue, job().max_attempts(2).unwrap()).await;
    let first = claim_one(&queue).await;
    queue
        .finish(&first, Outcome::ErrorAfter(Duration::ZERO, error()))
        .await
        .unwrap();
    let last = claim_one(&queue).await;
    assert_eq!(
        queue.finish(&last, Outcome::Error(error())).await.unwrap(),
        JobState::Failed
    );
    let stored = queue.get(id).await.unwrap();
    assert_eq!(
        (stored.state, stored.attempt, stored.error),
        (JobState::Failed, 2, Some(error()))
    );
    assert!(claim(&queue, 1).await.jobs.is_empty());
    queue.close().await;
}

#[tokio::test]
async fn fail_does_not_ask_how_many_attempts_are_left() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    queue
        .finish(&claimed, Outcome::Fail(error()))
        .await
        .unwrap();
    assert_eq!(state(&queue, id).await, JobState::Failed);
    queue.close().await;
}

#[tokio::test]
async fn backoff_stays_within_its_bounds() {
    let queue = TestQueue::new();
    let backoff = Backoff::new(Duration::from_secs(100), 3.0, Duration::from_secs(500)).unwrap();
    for _ in 0..20 {
        let id = submit(&queue, job().backoff(backoff)).await;
        let claimed = claim_one(&queue).await;
        queue
            .finish(&claimed, Outcome::Error(error()))
            .await
            .unwrap();
        let stored = queue.get(id).await.unwrap();
        assert_eq!(stored.state, JobState::Retrying);
        // From the claim, because the finish came a little later by the store's clock.
        let delay = stored.ready.unwrap().since(claimed.claimed);
        assert!(delay <= Duration::from_secs(100) + LEASE, "{delay:?}");
    }
    queue.close().await;
}

#[tokio::test]
async fn snooze_release_and_unhandled_use_up_no_attempt() {
    let queue = TestQueue::new();
    let id = submit(&queue, job().max_attempts(1).unwrap()).await;
    for (outcome, expected) in [
        (Outcome::Snooze(Duration::ZERO), JobState::Scheduled),
        (Outcome::Release, JobState::Waiting),
        (Outcome::Unhandled(Duration::ZERO), JobState::Scheduled),
    ] {
        let claimed = claim_one(&queue).await;
        assert_eq!(claimed.attempt, 1);
        assert_eq!(queue.finish(&claimed, outcome).await.unwrap(), expected);
        assert_eq!(queue.get(id).await.unwrap().attempt, 0);
    }
    let totals = queue.snapshot().await.unwrap().queues[0].totals;
    assert_eq!(
        (
            totals.snoozed,
            totals.released,
            totals.unhandled,
            totals.errored
        ),
        (1, 1, 1, 0)
    );
    queue.close().await;
}

#[tokio::test]
async fn a_released_job_is_first_in_line_again() {
    let queue = TestQueue::new();
    let first = submit(&queue, job()).await;
    submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    queue.finish(&claimed, Outcome::Release).await.unwrap();
    assert_eq!(claim_one(&queue).await.id, first);
    queue.close().await;
}

#[tokio::test]
async fn a_stale_token_is_refused_counted_and_changes_nothing() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let short = Duration::from_millis(100);
    let stale = queue
        .claim(&default_queue(), 1, short, "sleeper")
        .await
        .unwrap()
        .jobs
        .remove(0);
    wait_for("the lease to run out", || async {
        (queue.reap(&default_queue()).await.unwrap().put_back == 1).then_some(())
    })
    .await;
    for outcome in [
        Outcome::Ack(None),
        Outcome::Error(error()),
        Outcome::Release,
        Outcome::Snooze(LEASE),
    ] {
        let refused = queue.finish(&stale, outcome).await.unwrap_err();
        assert_eq!(refused.code(), Code::LeaseLost);
    }
    assert_eq!(state(&queue, id).await, JobState::Waiting);
    let current = claim_one(&queue).await;
    assert_eq!(
        queue
            .finish(&stale, Outcome::Ack(None))
            .await
            .unwrap_err()
            .code(),
        Code::LeaseLost
    );
    assert_eq!(
        queue.finish(&current, Outcome::Ack(None)).await.unwrap(),
        JobState::Completed
    );
    assert_eq!(
        queue.snapshot().await.unwrap().queues[0].totals.lease_lost,
        5
    );
    assert_eq!(queue.get(id).await.unwrap().worker.as_deref(), Some(WORKER));
    queue.close().await;
}

#[tokio::test]
async fn a_finish_whose_answer_was_lost_can_be_repeated() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    for _ in 0..3 {
        assert_eq!(
            queue.finish(&claimed, Outcome::Ack(None)).await.unwrap(),
            JobState::Completed
        );
    }
    assert_eq!(
        queue.snapshot().await.unwrap().queues[0].totals.completed,
        1
    );
    queue.close().await;
}

#[tokio::test]
async fn a_result_over_the_limit_is_refused_before_anything_is_sent() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    let huge = JobResult {
        bytes: vec![0; MAX_PAYLOAD + 1].into(),
        content_type: String::new(),
    };
    let refused = queue
        .finish(&claimed, Outcome::Ack(Some(huge)))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.field()),
        (Code::PayloadTooLarge, Some("result"))
    );
    assert_eq!(state(&queue, id).await, JobState::Active);
    queue.close().await;
}

#[tokio::test]
async fn only_the_newest_completed_jobs_are_kept_and_their_keys_are_freed() {
    let queue = TestQueue::with(|config| config.retention.completed.count = 3);
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(submit(&queue, job().idempotency_key(format!("k{n}")).unwrap()).await);
        let claimed = claim_one(&queue).await;
        queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    }
    let counts = queue.snapshot().await.unwrap().queues[0].counts;
    assert_eq!(counts.completed, 3);
    assert_eq!(
        queue.get(ids[0]).await.unwrap_err().code(),
        Code::JobNotFound
    );
    assert!(queue.get(ids[9]).await.is_ok());
    assert!(
        !queue
            .submit(job().idempotency_key("k0").unwrap())
            .await
            .unwrap()
            .duplicate
    );
    assert!(
        queue
            .submit(job().idempotency_key("k9").unwrap())
            .await
            .unwrap()
            .duplicate
    );
    queue.close().await;
}

#[tokio::test]
async fn many_finishes_at_once_each_get_their_own_answer() {
    let queue = TestQueue::new();
    queue.submit_batch((0..120).map(|_| job()).collect()).await;
    let jobs = claim(&queue, 120).await.jobs;
    let finishers: Vec<_> = jobs
        .into_iter()
        .enumerate()
        .map(|(n, job)| {
            let queue = (*queue).clone();
            let outcome = if n % 2 == 0 {
                Outcome::Ack(None)
            } else {
                Outcome::Fail(error())
            };
            tokio::spawn(async move { (n, queue.finish(&job, outcome).await.unwrap()) })
        })
        .collect();
    for finisher in finishers {
        let (n, state) = finisher.await.unwrap();
        assert_eq!(
            state,
            if n % 2 == 0 {
                JobState::Completed
            } else {
                JobState::Failed
            }
        );
    }
    queue.close().await;
}
