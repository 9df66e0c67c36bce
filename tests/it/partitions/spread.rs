//! Queues that are spread otherwise while they are used.

use std::collections::{BTreeSet, HashMap, HashSet};

use jobflow::testing::{TestQueue, id_in};
use jobflow::{Code, JobState};

use super::{keyed, other, partitions_of, run_all, spread, spread_over, submit_keyed, submit_many};
use crate::{default_queue, job, numbers, submit};

#[tokio::test]
async fn a_queue_grows_and_shrinks_under_load_and_each_job_runs_once() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let submitters: Vec<_> = (0..4)
        .map(|_| {
            let queue = other(&queue);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for _ in 0..40 {
                    ids.extend(submit_many(&queue, 20).await);
                    ids.push(queue.submit(job()).await.unwrap().id);
                }
                ids
            })
        })
        .collect();
    let spreads = {
        let queue = other(&queue);
        tokio::spawn(async move {
            for count in [2, 16, 5, 9] {
                spread(&queue, count).await;
                tokio::task::yield_now().await;
            }
        })
    };
    let mut ran = HashMap::<_, usize>::new();
    let worker = other(&queue);
    while !spreads.is_finished() || submitters.iter().any(|submitter| !submitter.is_finished()) {
        for (id, times) in run_all(&worker).await {
            *ran.entry(id).or_default() += times;
        }
        tokio::task::yield_now().await;
    }
    spreads.await.unwrap();
    let mut acknowledged = HashSet::new();
    for submitter in submitters {
        acknowledged.extend(submitter.await.unwrap());
    }
    for (id, times) in run_all(&other(&queue)).await {
        *ran.entry(id).or_default() += times;
    }
    assert_eq!(acknowledged.len(), 4 * 40 * 21);
    assert!(acknowledged.iter().all(|id| ran.get(id) == Some(&1)));
    let snapshot = numbers(&queue).await;
    assert_eq!(snapshot.counts.unfinished(), 0);
    assert_eq!(snapshot.totals.submitted, 1 + 4 * 40 * 21);
    assert_eq!(snapshot.partitions.count, 9);
    assert_eq!(snapshot.partitions.surplus, [9, 10, 11, 12, 13, 14, 15]);
    queue.close().await;
}

#[tokio::test]
async fn keyed_jobs_are_one_however_the_queue_is_spread_meanwhile() {
    let queue = TestQueue::new();
    let first = submit_keyed(&queue, 60).await;
    let stale = other(&queue);
    assert_eq!(submit_keyed(&stale, 60).await, first);
    for count in [7, 16, 3] {
        spread(&queue, count).await;
        for process in [&*queue, &stale, &other(&queue)] {
            assert_eq!(submit_keyed(process, 60).await, first, "{count} partitions");
        }
    }
    // New keys are spread, and found again.
    spread(&queue, 16).await;
    let more = submit_keyed(&queue, 120).await;
    assert_eq!(more[..60], first);
    assert!(partitions_of(&more[60..]).len() > 8);
    assert_eq!(submit_keyed(&stale, 120).await, more);
    assert_eq!(numbers(&queue).await.counts.waiting, 120);
    // Of those that a key replaces, too.
    let replacing = keyed(0).on_conflict(jobflow::OnConflict::ReplaceWaiting);
    let replaced = queue.submit(replacing).await.unwrap();
    assert_eq!(replaced.replaced, Some(first[0]));
    assert_eq!(queue.submit(keyed(0)).await.unwrap().id, replaced.id);
    queue.close().await;
}

#[tokio::test]
async fn submitters_of_one_key_get_one_job_while_the_queue_grows() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let submitters: Vec<_> = (0..4)
        .map(|_| {
            let queue = other(&queue);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for n in 0..150 {
                    ids.push(queue.submit(keyed(n)).await.unwrap().id);
                }
                ids
            })
        })
        .collect();
    for count in [3, 8, 16] {
        spread(&queue, count).await;
    }
    let mut all = Vec::new();
    for submitter in submitters {
        all.push(submitter.await.unwrap());
    }
    assert!(all.iter().all(|ids| *ids == all[0]));
    assert_eq!(numbers(&queue).await.counts.waiting, 151);
    queue.close().await;
}

#[tokio::test]
async fn a_submitter_that_does_not_know_is_told() {
    let queue = TestQueue::new();
    let stale = other(&queue);
    submit_many(&stale, 1).await;
    spread(&queue, 8).await;
    let ids = submit_many(&stale, 4_000).await;
    assert_eq!(partitions_of(&ids).len(), 8);
    queue.close().await;
}

#[tokio::test]
async fn a_queue_is_deleted_with_all_its_partitions() {
    let queue = spread_over(5).await;
    let ids = submit_keyed(&queue, 20).await;
    let stale = other(&queue);
    submit_many(&stale, 1).await;
    let refused = queue.delete_queue(&default_queue()).await.unwrap_err();
    assert_eq!(refused.code(), Code::QueueNotEmpty);
    run_all(&queue).await;
    let states = [JobState::Completed];
    queue.purge(&default_queue(), &states).await.unwrap();
    queue.delete_queue(&default_queue()).await.unwrap();
    assert!(queue.queues().await.unwrap().is_empty());
    // Whoever thinks that it has partitions is told that it has not.
    let anew = submit_many(&stale, 500).await;
    assert_eq!(partitions_of(&anew), BTreeSet::from([0]));
    assert_eq!(numbers(&queue).await.partitions.count, 1);
    assert_eq!(
        queue.get(ids[0]).await.unwrap_err().code(),
        Code::JobNotFound
    );
    queue.close().await;
}

#[tokio::test]
async fn partitions_that_are_worked_off_go() {
    let queue = spread_over(6).await;
    let ids = submit_keyed(&queue, 60).await;
    spread(&queue, 2).await;
    let surplus: Vec<_> = queue.all_partitions().await.unwrap().split_off(2);
    assert_eq!(surplus.len(), 4);
    // Not while they have jobs, waiting or kept.
    for kept in [false, true] {
        for part in &surplus {
            assert!(!queue.retire(part).await.unwrap());
        }
        if !kept {
            assert_eq!(run_all(&queue).await.len(), 60);
        }
    }
    queue
        .purge(&default_queue(), &[JobState::Completed])
        .await
        .unwrap();
    let totals = numbers(&queue).await.totals;
    let stale = other(&queue);
    submit_many(&stale, 1).await;
    for part in surplus.iter().rev() {
        assert!(queue.retire(part).await.unwrap(), "{part}");
    }
    assert_eq!(queue.all_partitions().await.unwrap().len(), 2);
    let after = numbers(&queue).await;
    assert_eq!(after.totals.completed, totals.completed);
    assert_eq!(
        (after.partitions.count, after.partitions.surplus.len()),
        (2, 0)
    );
    // Nobody stores a job there any more, and they can come back.
    let stored = submit_keyed(&stale, 60).await;
    assert!(partitions_of(&stored).iter().all(|number| *number < 2));
    assert!(ids.iter().all(|id| !stored.contains(id)));
    spread(&queue, 4).await;
    assert_eq!(submit_keyed(&stale, 60).await, stored);
    let more = submit_many(&stale, 1_000).await;
    assert_eq!(partitions_of(&more).len(), 4);
    queue.close().await;
}

#[tokio::test]
async fn a_surplus_partition_takes_no_new_jobs_by_their_ids() {
    let queue = spread_over(4).await;
    let part = queue.all_partitions().await.unwrap().remove(3);
    let stale = other(&queue);
    submit_many(&stale, 1).await;
    let id = id_in(&part);
    queue.submit(job().id(id).unwrap()).await.unwrap();
    spread(&queue, 2).await;
    for process in [&*queue, &stale, &other(&queue)] {
        let again = process.submit(job().id(id).unwrap()).await.unwrap();
        assert_eq!((again.id, again.duplicate), (id, true));
        let new = job().id(id_in(&part)).unwrap();
        let refused = process.submit(new).await.unwrap_err();
        assert_eq!(refused.field(), Some("id"));
    }
    assert_eq!(numbers(&queue).await.totals.submitted, 3);
    assert_eq!(run_all(&queue).await.len(), 2);
    queue.close().await;
}

#[tokio::test]
async fn an_id_is_taken_again_by_a_process_that_does_not_know_the_spread() {
    let queue = spread_over(4).await;
    for n in 0..12 {
        let first = queue.submit(keyed(n)).await.unwrap();
        let again = other(&queue)
            .submit(keyed(n).id(first.id).unwrap())
            .await
            .unwrap();
        assert_eq!((again.id, again.duplicate), (first.id, true));
    }
    let more = submit_many(&queue, 800).await;
    assert_eq!(partitions_of(&more).len(), 4);
    for id in more.into_iter().step_by(80) {
        let again = other(&queue).submit(job().id(id).unwrap()).await.unwrap();
        assert_eq!((again.id, again.duplicate), (id, true));
    }
    queue.close().await;
}
