//! How jobs of all partitions come to those who work.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use jobflow::testing::{PATIENCE, TestQueue, wait_for};
use jobflow::{JobId, JobQueue, MAX_PARTITIONS, Outcome, Partition, RunAt, SettingsChange, Woken};

use super::{keyed, other, partitions_of, run_all, spread_over};
use crate::{LEASE, WORKER, default_queue, job, key, numbers, store};

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

/// What waiting workers have been told, and takes it away.
fn rung(queue: &TestQueue) -> BTreeSet<u8> {
    let (mut store, bell) = (store(queue), key(queue, "bell"));
    let (told, _): (Vec<u8>, bool) = redis::pipe()
        .cmd("LRANGE")
        .arg(&bell)
        .arg(0)
        .arg(-1)
        .cmd("DEL")
        .arg(&bell)
        .query(&mut store)
        .unwrap();
    told.into_iter().collect()
}

#[test]
fn what_a_process_does_at_its_end_is_told_to_workers() {
    let main = tokio::runtime::Runtime::new().unwrap();
    let queue = main.block_on(spread_over(8));
    // Nothing runs behind the call any more once the runtime has gone.
    fn last<T>(queue: &TestQueue, call: impl AsyncFnOnce(JobQueue) -> T) -> T {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { call(other(queue)).await })
    }
    let mut told = 0;
    for n in 0..24 {
        main.block_on(run_all(&queue));
        rung(&queue);
        let id = last(&queue, async |producer| producer.submit(keyed(n)).await);
        let id = id.unwrap().id;
        let part = Partition::of(&default_queue(), id);
        if part.number() == 0 {
            continue;
        }
        let here = BTreeSet::from([part.number()]);
        assert_eq!(rung(&queue), here, "submitted");
        let handed_back = last(&queue, async |worker| {
            let claimed = worker.claim_from(&part, 2, LEASE, WORKER).await?;
            worker.finish(&claimed.jobs[0], Outcome::Release).await
        });
        handed_back.unwrap();
        assert_eq!(rung(&queue), here, "handed back");
        last(&queue, async |operator| operator.cancel(id, "", None).await).unwrap();
        rung(&queue);
        last(&queue, async |operator| {
            operator.retry(id, None, None).await
        })
        .unwrap();
        assert_eq!(rung(&queue), here, "retried");
        told += 1;
    }
    assert!(told > 12, "{told}");
    main.block_on(queue.close());
}
