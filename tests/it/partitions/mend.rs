//! Partitions that have lost what they were told of their queue: a fail-over may
//! lose a write, and a call may break off half-way.

use std::sync::mpsc::{TryRecvError, channel};
use std::thread;
use std::time::Duration;

use jobflow::maintenance::{self, Duties};
use jobflow::testing::{TestQueue, key_of_part, namespace_key, server_of, wait_for};
use jobflow::{Code, Force, JobId, JobQueue, JobState, Partition, Pulses, SettingsChange};
use tokio_util::sync::CancellationToken;

use super::{other, partitions_of, run_all, spread, spread_over, submit_keyed, submit_many};
use crate::{connect, default_queue, get, numbers};

/// Sends a command about the config of a partition.
fn config<T: redis::FromRedisValue>(queue: &TestQueue, part: &Partition, command: &[&str]) -> T {
    let key = key_of_part(queue, part);
    let mut store = connect(&server_of(&queue.config().redis_url, &key));
    let mut sent = redis::cmd(command[0]);
    sent.arg(key).arg(&command[1..]);
    sent.query(&mut store).unwrap()
}

fn lose_spread(queue: &TestQueue, part: &Partition) {
    assert!(config::<bool>(queue, part, &["HDEL", "spread"]));
}

/// The list of the queues forgets some partitions.
fn unlist(queue: &TestQueue, parts: &[Partition]) {
    let list = namespace_key(&queue.config().namespace, "queues");
    let mut store = connect(&server_of(&queue.config().redis_url, &list));
    let names: Vec<_> = parts.iter().map(Partition::to_string).collect();
    let mut remove = redis::cmd("SREM");
    let removed: usize = remove.arg(list).arg(names).query(&mut store).unwrap();
    assert_eq!(removed, parts.len());
}

async fn all(queue: &JobQueue) -> Vec<Partition> {
    queue.all_partitions().await.unwrap()
}

/// A pruner of a process that knows nothing yet works until something is so.
async fn pruned<T>(queue: &TestQueue, what: &str, is_so: impl AsyncFn() -> Option<T>) -> T {
    let stop = CancellationToken::new();
    let duties = Duties {
        promote_every: None,
        reap_every: None,
        prune_every: Some(Duration::from_millis(2)),
    };
    let stopped = stop.clone().cancelled_owned();
    let pruner = maintenance::run(other(queue), duties, Pulses::default(), stopped);
    let pruner = tokio::spawn(pruner);
    let found = wait_for(what, || is_so()).await;
    stop.cancel();
    pruner.await.unwrap();
    found
}

fn of_part(ids: &[JobId], part: &Partition) -> Vec<JobId> {
    let here = |id: &JobId| Partition::of(&default_queue(), *id) == *part;
    ids.iter().copied().filter(here).collect()
}

#[tokio::test]
async fn a_partition_without_a_spread_gets_it_back_with_the_settings() {
    let queue = spread_over(4).await;
    let attempts = [SettingsChange::MaxAttempts(Some(9))];
    let name = default_queue();
    queue.update_settings(&name, &attempts, None).await.unwrap();
    let parts = all(&queue).await;
    for (lost, known) in [(&parts[2], true), (&parts[3], false)] {
        // A delete that broke off leaves no key, and takes it off the list.
        assert!(config::<bool>(&queue, lost, &["DEL"]));
        unlist(&queue, std::slice::from_ref(lost));
        let process = if known { queue.clone() } else { other(&queue) };
        let ids = submit_keyed(&process, 40).await;
        let here = of_part(&ids, lost);
        assert!(!here.is_empty(), "{lost}");
        for id in here {
            assert_eq!(get(&queue, id).await.max_attempts, 9);
        }
        assert_eq!(all(&queue).await, parts);
        run_all(&process).await;
        let purged = queue.purge(&name, &[JobState::Completed]).await;
        purged.unwrap();
    }
    queue.close().await;
}

#[tokio::test]
async fn settings_that_are_overtaken_again_and_again_do_not_count_as_copied() {
    let queue = spread_over(12).await;
    let (name, parts) = (default_queue(), all(&queue).await);
    let key = key_of_part(&queue, &parts[0]);
    let mut store = connect(&server_of(&queue.config().redis_url, &key));
    let (over, is_over) = channel::<()>();
    let others = thread::spawn(move || {
        let mut number = 1_000;
        while is_over.try_recv() == Err(TryRecvError::Empty) {
            number += 1;
            let mut set = redis::cmd("HSET");
            set.arg(&key).arg("max_waiting").arg(number);
            set.query::<u8>(&mut store).unwrap();
        }
    });
    let attempts = [SettingsChange::MaxAttempts(Some(9))];
    let refused = wait_for("a change that is overtaken", async || {
        queue.update_settings(&name, &attempts, None).await.err()
    })
    .await;
    assert_eq!(refused.code(), Code::EtagMismatch);
    over.send(()).unwrap();
    others.join().unwrap();
    // A repeat completes it.
    queue.update_settings(&name, &attempts, None).await.unwrap();
    let read = |part: &Partition| {
        config::<[String; 2]>(&queue, part, &["HMGET", "max_attempts", "max_waiting"])
    };
    let first = read(&parts[0]);
    assert_eq!(first[0], "9");
    assert!(parts.iter().all(|part| read(part) == first));
    queue.close().await;
}

#[tokio::test]
async fn a_first_partition_without_a_spread_gets_it_back_from_the_others() {
    let queue = spread_over(4).await;
    let ids = submit_keyed(&queue, 60).await;
    let parts = all(&queue).await;
    lose_spread(&queue, &parts[0]);
    assert_eq!(submit_keyed(&queue, 60).await, ids);
    submit_many(&queue, 600).await;
    assert_eq!(numbers(&queue).await.partitions.count, 4);
    // Also from whoever looks and knows of it.
    lose_spread(&queue, &parts[0]);
    queue.resume(&default_queue(), None).await.unwrap();
    assert_eq!(run_all(&other(&queue)).await.len(), 660);
    // And nobody may know of it any more.
    lose_spread(&queue, &parts[0]);
    let ids = submit_many(&other(&queue), 8).await;
    assert_eq!(partitions_of(&ids).len(), 1);
    let knows = async || (numbers(&queue).await.partitions.count == 4).then_some(());
    pruned(&queue, "the spread to come back", knows).await;
    let more = submit_many(&other(&queue), 1_000).await;
    assert_eq!(partitions_of(&more).len(), 4);
    assert_eq!(run_all(&other(&queue)).await.len(), 1_008);
    queue.close().await;
}

#[tokio::test]
async fn a_partition_that_goes_by_an_earlier_spread_is_told_of_the_later_one() {
    let queue = spread_over(4).await;
    let parts = all(&queue).await;
    let read = |part: &Partition| config::<String>(&queue, part, &["HGET", "spread"]);
    let earlier = read(&parts[0]);
    spread(&queue, 8).await;
    let (later, parts) = (read(&parts[0]), all(&queue).await);
    let ids = submit_keyed(&queue, 100).await;
    for lost in [&parts[2], &parts[0]] {
        config::<u8>(&queue, lost, &["HSET", "spread", &earlier]);
        let told = async || (read(lost) == later).then_some(());
        pruned(&queue, "the later spread to be told", told).await;
    }
    assert_eq!(submit_keyed(&other(&queue), 100).await, ids);
    assert_eq!(run_all(&other(&queue)).await.len(), 100);
    queue.close().await;
}

#[tokio::test]
async fn jobs_of_partitions_that_no_spread_tells_of_are_run() {
    let queue = spread_over(3).await;
    submit_keyed(&queue, 40).await;
    let parts = all(&queue).await;
    parts.iter().for_each(|part| lose_spread(&queue, part));
    // By the first that looks, and by one who spreads the queue anew.
    let live = async || {
        let snapshot = other(&queue).queue(&default_queue()).await.unwrap();
        let partitions = snapshot.partitions;
        (partitions.count == 1 && partitions.surplus == [1, 2]).then_some(())
    };
    pruned(&queue, "the jobs to be found", live).await;
    parts.iter().for_each(|part| lose_spread(&queue, part));
    let anew = other(&queue);
    spread(&anew, 2).await;
    assert_eq!(numbers(&queue).await.partitions.surplus, [2]);
    assert_eq!(run_all(&anew).await.len(), 40);
    queue.close().await;
}

#[tokio::test]
async fn a_partition_off_the_list_does_not_go_while_it_has_jobs() {
    let queue = spread_over(4).await;
    let ids = submit_keyed(&queue, 60).await;
    spread(&queue, 1).await;
    let parts = all(&queue).await;
    for id in of_part(&ids, &parts[1]) {
        queue.delete(id, Force::No, None).await.unwrap();
    }
    unlist(&queue, &parts[2..]);
    assert!(queue.retire(&parts[1]).await.unwrap());
    let left = run_all(&other(&queue)).await.len();
    assert_eq!(left, 60 - of_part(&ids, &parts[1]).len());
    queue.close().await;
}

#[tokio::test]
async fn what_is_listed_of_a_deleted_queue_goes() {
    let queue = spread_over(4).await;
    let parts = all(&queue).await;
    let name = default_queue();
    let done = [JobState::Completed];
    queue.purge(&name, &done).await.unwrap();
    queue.delete_queue(&name).await.unwrap();
    let list = namespace_key(&queue.config().namespace, "queues");
    let mut store = connect(&server_of(&queue.config().redis_url, &list));
    let mut add = redis::cmd("SADD");
    let added: u8 = add
        .arg(list)
        .arg(parts[2].to_string())
        .query(&mut store)
        .unwrap();
    assert_eq!(added, 1);
    let gone = async || all(&queue).await.is_empty().then_some(());
    pruned(&queue, "it to go", gone).await;
    assert!(crate::contents(&queue).is_empty());
    queue.close().await;
}

#[tokio::test]
async fn a_list_that_lost_partitions_learns_of_them_from_whoever_uses_the_queue() {
    let queue = spread_over(4).await;
    let ids = submit_keyed(&queue, 40).await;
    let parts = all(&queue).await;
    unlist(&queue, &parts[1..]);
    assert_eq!(run_all(&other(&queue)).await.len(), 40);
    assert_eq!(all(&queue).await, parts);
    for id in ids {
        get(&queue, id).await;
    }
    queue.close().await;
}
