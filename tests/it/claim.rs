use std::collections::HashSet;
use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{Code, JobState};

use crate::{LEASE, WORKER, claim, claim_one, default_queue, job, state, submit};

#[tokio::test]
async fn nothing_waits_nothing_comes() {
    let queue = TestQueue::new();
    let claimed = claim(&queue, 10).await;
    assert!(claimed.jobs.is_empty());
    assert_eq!(claimed.next_due, None);
    queue.close().await;
}

#[tokio::test]
async fn a_claimed_job_is_active_under_a_lease() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    assert_eq!(
        (claimed.id, claimed.attempt, claimed.crash_count),
        (id, 1, 0)
    );
    let stored = queue.get(id).await.unwrap();
    assert_eq!(stored.state, JobState::Active);
    assert_eq!(stored.worker.as_deref(), Some(WORKER));
    assert_eq!(stored.lease_expires.unwrap().since(claimed.claimed), LEASE);
    assert_eq!(stored.started, Some(claimed.claimed));
    queue.close().await;
}

#[tokio::test]
async fn many_claimers_never_share_a_job() {
    let queue = TestQueue::new();
    queue
        .submit_batch((0..1_000).map(|_| job()).collect())
        .await;
    let claimers: Vec<_> = (0..8)
        .map(|n| {
            let queue = (*queue).clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = queue
                        .claim(&default_queue(), 7, LEASE, &format!("w{n}"))
                        .await
                        .unwrap();
                    if claimed.jobs.is_empty() {
                        return mine;
                    }
                    mine.extend(claimed.jobs.into_iter().map(|job| job.id));
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for claimer in claimers {
        all.extend(claimer.await.unwrap());
    }
    assert_eq!(all.len(), 1_000);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 1_000);
    queue.close().await;
}

#[tokio::test]
async fn tokens_grow_with_every_call() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    submit(&queue, job()).await;
    let (first, second) = (claim_one(&queue).await, claim_one(&queue).await);
    assert!(second.token > first.token);
    queue.close().await;
}

#[tokio::test]
async fn at_most_a_batch_comes_at_once() {
    let queue = TestQueue::new();
    queue.submit_batch((0..169).map(|_| job()).collect()).await;
    assert_eq!(claim(&queue, usize::MAX).await.jobs.len(), 125);
    assert_eq!(claim(&queue, usize::MAX).await.jobs.len(), 44);
    queue.close().await;
}

#[tokio::test]
async fn a_lease_or_worker_out_of_range_is_refused() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let long = "w".repeat(129);
    for (lease, worker) in [
        (Duration::ZERO, WORKER),
        (Duration::from_secs(25 * 3600), WORKER),
        (LEASE, ""),
        (LEASE, long.as_str()),
    ] {
        let refused = queue
            .claim(&default_queue(), 1, lease, worker)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidField);
    }
    assert_eq!(state(&queue, id).await, JobState::Waiting);
    queue.close().await;
}
