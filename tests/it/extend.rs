use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{Extension, Outcome};

use crate::{LEASE, claim, claim_one, default_queue, job, submit};

#[tokio::test]
async fn a_held_lease_gets_a_new_end() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    let before = queue.get(id).await.unwrap().lease_expires.unwrap();
    let longer = LEASE * 2;
    let extended = queue
        .extend(&default_queue(), longer, &[(id, claimed.token)])
        .await
        .unwrap();
    assert_eq!(extended, [Extension::Held]);
    let after = queue.get(id).await.unwrap().lease_expires.unwrap();
    assert!(after.since(before) >= LEASE);
    queue.close().await;
}

#[tokio::test]
async fn a_lost_lease_is_told_and_not_revived() {
    let queue = TestQueue::new();
    let finished = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    let reaped = submit(&queue, job()).await;
    let stale = queue
        .claim(&default_queue(), 1, Duration::from_millis(100), "w")
        .await
        .unwrap()
        .jobs
        .remove(0);
    wait_for("the lease to run out", || async {
        (queue.reap(&default_queue()).await.unwrap().put_back == 1).then_some(())
    })
    .await;
    let leases = [(finished, claimed.token), (reaped, stale.token)];
    let extended = queue
        .extend(&default_queue(), LEASE, &leases)
        .await
        .unwrap();
    assert_eq!(extended, [Extension::Lost, Extension::Lost]);
    queue.close().await;
}

#[tokio::test]
async fn more_leases_than_one_call_takes_are_all_extended() {
    let queue = TestQueue::new();
    queue.submit_batch((0..300).map(|_| job()).collect()).await;
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.extend(
            claim(&queue, 100)
                .await
                .jobs
                .into_iter()
                .map(|job| (job.id, job.token)),
        );
    }
    let extended = queue
        .extend(&default_queue(), LEASE, &leases)
        .await
        .unwrap();
    assert_eq!(extended, vec![Extension::Held; 300]);
    queue.close().await;
}
