//! How jobs of all partitions come to those who work.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use jobflow::testing::{PATIENCE, wait_for};
use jobflow::{JobId, MAX_PARTITIONS, Outcome, Partition, RunAt, SettingsChange, Woken};

use super::{keyed, partitions_of, run_all, spread_over};
use crate::{LEASE, WORKER, default_queue, job, numbers};

#[tokio::test]
async fn a_waiter_hears_of_work_in_any_partition() {
    let queue = spread_over(8).await;
    let mut waiter = queue.waiter(&[default_queue()]);
    let mut heard = BTreeSet::new();
    // That they are new is told first.
    while heard.len() < 7 {
        match waiter.wait(PATIENCE, pending()).await.unwrap() {
            Woken::In(parts) => heard.extend(parts.iter().map(Partition::number)),
            other => panic!("{other:?}"),
        }
    }
    heard.clear();
    for n in 0..40 {
        let (woken, submitted) =
            tokio::join!(waiter.wait(PATIENCE, pending()), queue.submit(keyed(n)),);
        let part = Partition::of(&default_queue(), submitted.unwrap().id);
        assert_eq!(woken.unwrap(), Woken::In(vec![part.clone()]));
        heard.insert(part.number());
        let claimed = queue
            .claim_from(&part, 5, LEASE, WORKER)
            .await
            .unwrap()
            .jobs;
        assert_eq!(claimed.len(), 1);
        queue.finish(&claimed[0], Outcome::Ack(None)).await.unwrap();
        // An emptied first partition takes its own token along.
        queue.claim_from(&part, 5, LEASE, WORKER).await.unwrap();
    }
    assert!(heard.len() > 4, "{heard:?}");
    queue.close().await;
}

#[tokio::test]
async fn due_and_lost_jobs_of_all_partitions_come_back() {
    let queue = spread_over(4).await;
    let soon = RunAt::After(Duration::from_millis(20));
    let delayed = (0..40).map(|n| keyed(n).run_at(soon).unwrap()).collect();
    for submitted in queue.submit_batch(delayed).await {
        submitted.unwrap();
    }
    wait_for("all to be due", async || {
        queue.promote(&default_queue()).await.unwrap();
        (numbers(&queue).await.counts.waiting == 40).then_some(())
    })
    .await;
    let short = Duration::from_millis(100);
    let claimed = queue
        .claim(&default_queue(), 100, short, WORKER)
        .await
        .unwrap();
    assert_eq!(claimed.jobs.len(), 40);
    wait_for("all leases to end", async || {
        queue.reap(&default_queue()).await.unwrap();
        (numbers(&queue).await.counts.waiting == 40).then_some(())
    })
    .await;
    assert_eq!(run_all(&queue).await.len(), 40);
    queue.close().await;
}

#[tokio::test]
async fn a_job_with_an_id_of_its_own_is_where_that_says() {
    let queue = spread_over(8).await;
    let id = JobId::generate(&default_queue());
    for duplicate in [false, true] {
        let submitted = queue.submit(job().id(id).unwrap()).await.unwrap();
        assert_eq!((submitted.id, submitted.duplicate), (id, duplicate));
    }
    // A key decides otherwise, unless it agrees.
    let mut refused = 0;
    for n in 0..40 {
        let id = JobId::generate(&default_queue());
        let with_id = queue.submit(keyed(n).id(id).unwrap()).await;
        let without = queue.submit(keyed(n)).await.unwrap();
        match with_id {
            Ok(submitted) => assert_eq!((submitted.id, without.id), (id, id)),
            Err(error) => {
                assert_eq!(error.field(), Some("id"));
                assert_ne!(partitions_of([&without.id]), BTreeSet::from([0]));
                refused += 1;
            }
        }
    }
    assert!((25..40).contains(&refused), "{refused}");
    let far = spread_over(2).await;
    for odd in [0, MAX_PARTITIONS + 1] {
        let change = [SettingsChange::Partitions(Some(odd))];
        let refused = far
            .update_settings(&default_queue(), &change, None)
            .await
            .unwrap_err();
        assert_eq!(refused.field(), Some("settings.partitions"));
    }
    queue.close().await;
    far.close().await;
}
