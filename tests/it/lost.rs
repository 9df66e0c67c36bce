//! A queue over a cluster of which one master has gone, with nobody to take over.

use std::time::{Duration, Instant};

use jobflow::testing::{LostMaster, PATIENCE, assert_sound, wait_for};
use jobflow::{
    BulkAction, BulkOperation, BulkState, BulkTarget, Error, Filter, JobId, JobQueue, JobState,
    ListRequest, NewBulk, NewJob, Partition, QueueName, SettingsChange,
};

use tokio::time::timeout;

use crate::bulk::{bulk, done, of as meant, runner};
use crate::cluster::{of, queue_of, run_all, until_heard};
use crate::{LEASE, WORKER};

/// The numbers of the partitions that go.
fn numbers(lost: &LostMaster) -> Vec<u8> {
    lost.gone.iter().map(Partition::number).collect()
}

/// All pages of all jobs; the ids, and the partitions that were left out.
async fn list(queue: &JobQueue) -> (Vec<JobId>, Vec<Partition>) {
    let mut request = ListRequest::default();
    let (mut ids, mut unreachable) = (Vec::new(), Vec::new());
    loop {
        let page = queue.list(&request).await.unwrap();
        ids.extend(page.jobs.iter().map(|job| job.id));
        unreachable.extend(page.unreachable);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return (ids, unreachable);
        }
    }
}

#[tokio::test]
async fn a_queue_goes_on_without_the_partitions_of_a_lost_master() {
    let mut lost = LostMaster::start("noop").await;
    let (queue, name) = (lost.queue.clone(), lost.name.clone());
    lost.kill_replicas();
    lost.cluster.server(lost.server).kill();
    let refused = store(&lost, 999, &Error::StoreUnavailable).await;
    let stored = 1_000;
    // Each partition that has gone is tried once a second.
    assert!(refused < 100, "{refused} refused");
    let snapshot = queue.queue(&name).await.unwrap();
    let partitions = snapshot.partitions;
    assert_eq!(partitions.unreachable, numbers(&lost));
    assert_eq!(snapshot.counts.waiting, stored);
    let each = partitions.each.iter().map(|part| part.counts.waiting);
    assert_eq!(each.sum::<u64>(), stored);
    assert_eq!(partitions.each.len(), lost.well.len());
    let (ids, unreachable) = list(&queue).await;
    assert_eq!((ids.len() as u64, &unreachable), (stored, &lost.gone));
    let until = Instant::now() + Duration::from_secs(60);
    let groups = queue.dead_letter_groups(&Filter::default(), until).await;
    assert!(!groups.unwrap().complete);
    for filter in ["state = waiting", "kind = noop"] {
        let filter = Filter::parse(filter).unwrap();
        let count = queue.count(&filter, until).await.unwrap();
        assert_eq!((count.count, count.complete), (stored, false), "{filter}");
    }
    assert_eq!(run_all(&queue, &name).await as u64, stored);
}

/// Stores so many jobs that nothing binds to a partition. Returns how many more were
/// refused like this.
async fn store(lost: &LostMaster, jobs: usize, like: &Error) -> usize {
    let (mut stored, mut refused) = (0, 0);
    while stored < jobs {
        match lost.queue.submit(of(&lost.name)).await {
            Ok(_) => stored += 1,
            Err(error) if error == *like => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    refused
}

#[tokio::test]
async fn new_jobs_go_elsewhere_while_a_master_takes_no_writes() {
    let lost = LostMaster::start("noop").await;
    let at = &lost.cluster.servers()[lost.server];
    let set = |replicas| at.cli(&["CONFIG", "SET", "min-replicas-to-write", replicas]);
    assert_eq!(set("9").trim(), "OK");
    let refused = store(&lost, 1_000, &Error::StoreReadOnly).await;
    assert!((1..100).contains(&refused), "{refused} refused");
    assert_eq!(set("0").trim(), "OK");
    assert_eq!(run_all(&lost.queue, &lost.name).await, 1_001);
    assert_sound(&lost.queue).await;
}

#[tokio::test]
async fn a_queue_of_which_nothing_is_in_reach_is_shown_as_that() {
    let mut lost = LostMaster::start("noop").await;
    let (other, _) = queue_of(&lost.cluster, &lost.queue, lost.server);
    lost.queue.submit(of(&other)).await.unwrap();
    lost.kill_replicas();
    lost.cluster.server(lost.server).kill();
    let snapshot = lost.queue.snapshot().await.unwrap();
    let shown = |name: &QueueName| {
        let mut queues = snapshot.queues.iter();
        let queue = queues.find(|queue| queue.name == *name).unwrap();
        (queue.counts.all(), queue.partitions.unreachable.clone())
    };
    assert_eq!(snapshot.queues.len(), 2);
    assert_eq!(shown(&other), (0, vec![0]));
    assert_eq!(shown(&lost.name), (1, numbers(&lost)));
    let alone = lost.queue.queue(&other).await.unwrap();
    assert_eq!(alone.partitions.unreachable, [0]);
    // A list of that queue alone has nothing to go on with.
    let request = ListRequest {
        filter: Filter::parse(&format!("queue = {other}")).unwrap(),
        ..ListRequest::default()
    };
    let refused = lost.queue.list(&request).await.unwrap_err();
    assert_eq!(refused, Error::StoreUnavailable);
    let kept = lost.queue.delete_queue(&lost.name).await.unwrap_err();
    assert_eq!(kept, Error::StoreUnavailable);
    // Nor is it spread otherwise, which those that are away would not learn of.
    let before = lost.queue.queue(&lost.name).await.unwrap().partitions.count;
    for count in [before - 1, before + 1] {
        let change = [SettingsChange::Partitions(Some(count))];
        let kept = lost.queue.update_settings(&lost.name, &change, None).await;
        assert_eq!(kept, Err(Error::StoreUnavailable));
        let now = lost.queue.queue(&lost.name).await.unwrap();
        assert_eq!(now.partitions.count, before);
    }
}

#[tokio::test]
async fn a_pause_holds_where_it_can_and_events_are_heard_from_there() {
    let mut lost = LostMaster::start("noop").await;
    let (queue, name) = (lost.queue.clone(), lost.name.clone());
    let first = Partition::first(name.clone());
    lost.fall_silent();
    let half_done = queue.pause(&name, None, "moving house", None).await;
    assert_eq!(half_done, Err(Error::StoreUnavailable));
    let claimed = queue.claim_from(&first, 1, LEASE, WORKER).await.unwrap();
    assert!(claimed.jobs.is_empty(), "it is paused");

    let parts = queue.all_partitions().await.unwrap();
    let positions = queue.event_positions(parts).await.unwrap();
    assert!(lost.gone.iter().all(|part| positions.is_unknown(part)));
    assert!(!positions.is_unknown(&first));
    let mut events = queue.event_reader();
    for part in queue.all_partitions().await.unwrap() {
        if !lost.gone.contains(&part) {
            events.follow(part).await.unwrap();
        }
    }
    lost.cluster.servers()[lost.server].thaw();
    let followed = async { while events.follow(lost.gone[0].clone()).await.is_err() {} };
    timeout(PATIENCE, followed).await.expect("it is back");
    lost.cluster.servers()[lost.server].freeze();
    let beside = JobId::generate(&name);
    queue.submit(of(&name).id(beside).unwrap()).await.unwrap();
    until_heard(&mut events, beside).await;

    lost.cluster.servers()[lost.server].thaw();
    wait_for("the pause of the rest", async || {
        queue.pause(&name, None, "moving house", None).await.ok()
    })
    .await;
    assert_eq!(run_all(&queue, &name).await, 0);
    queue.resume(&name, None).await.unwrap();
    assert_eq!(run_all(&queue, &name).await, 2);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_slow_bulk_operation_comes_back_while_others_have_work() {
    // It comes first to one of those that go, and then to one with work for longer
    // than anybody here waits.
    let mut lost = loop {
        let lost = LostMaster::start("noop").await;
        if lost.gone[0] < lost.well[lost.well.len() - 1] {
            break lost;
        }
    };
    let queue = lost.queue.clone();
    run_all(&queue, &lost.name).await;
    let away = queue.submit(lost.job_in(&lost.gone[0], "noop")).await;
    let away = away.unwrap().id;
    let (rate, long) = (10.0, 400_u32);
    assert!(f64::from(long) / rate > 1.5 * PATIENCE.as_secs_f64());
    let last = lost.well.last().unwrap();
    let jobs = (0..long).map(|_| lost.job_in(last, "noop"));
    for submitted in queue.submit_batch(jobs.collect()).await {
        submitted.unwrap();
    }
    lost.fall_silent();
    let _runner = runner(&queue);
    let slow = NewBulk {
        rate,
        ..bulk(BulkAction::Cancel, meant("kind = noop"))
    };
    let id = queue.start_bulk(slow).await.unwrap().id;
    wait_for("the first jobs of the others", async || {
        (queue.get_bulk(&id).await.unwrap().changed > 0).then_some(())
    })
    .await;
    lost.cluster.servers()[lost.server].thaw();
    wait_for("the job where the master is back", async || {
        let job = queue.get(away).await.ok()?;
        (job.state == JobState::Cancelled).then_some(())
    })
    .await;
    let stopped = queue.stop_bulk(&id).await.unwrap();
    assert_eq!(stopped.state, BulkState::Stopped);
    assert!(stopped.changed < long.into(), "{}", stopped.changed);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_bulk_operation_does_what_it_can_reach_and_comes_back_for_the_rest() {
    let mut lost = LostMaster::start("noop").await;
    let (queue, name) = (lost.queue.clone(), lost.name.clone());
    run_all(&queue, &name).await;
    let (mut named, mut others) = (Vec::new(), 0);
    for n in 0..240 {
        let kind = if n % 2 == 0 { "named" } else { "other" };
        let new = NewJob::new(kind, "{}").unwrap();
        let new = new.queue(name.as_str()).unwrap();
        let keyed = new.idempotency_key(format!("key-{n}")).unwrap();
        let id = queue.submit(keyed).await.unwrap().id;
        match kind {
            "named" => named.push(id),
            _ => others += 1,
        }
    }
    let elsewhere = |id: &&JobId| !lost.gone.contains(&Partition::of(&name, **id));
    let reached = named.iter().filter(elsewhere).count() as u64;
    assert!((1..120).contains(&reached), "{reached}");
    lost.fall_silent();

    let _runner = runner(&queue);
    let by_ids = bulk(BulkAction::Delete, BulkTarget::Ids(named));
    let by_filter = bulk(BulkAction::Cancel, meant("kind = other"));
    let by_ids = queue.start_bulk(by_ids).await.unwrap();
    let operation = wait_for("what can be reached", async || {
        let operation = queue.get_bulk(&by_ids.id).await.unwrap();
        (operation.changed == reached).then_some(operation)
    })
    .await;
    assert_eq!(operation.state, BulkState::Running);
    assert_eq!(operation.unreachable, lost.gone);
    let by_filter = queue.start_bulk(by_filter).await.unwrap();
    assert!(!by_filter.total.complete);
    let listed = queue.list_bulks(0, "").await.unwrap().operations;
    let missing = |operation: &BulkOperation| operation.unreachable == lost.gone;
    assert!(listed.len() == 2 && listed.iter().all(missing));

    lost.cluster.servers()[lost.server].thaw();
    for (id, jobs) in [(by_ids.id, 120), (by_filter.id, others)] {
        let operation = done(&queue, &id).await;
        assert_eq!(operation.state, BulkState::Done);
        assert_eq!((operation.changed, operation.skipped), (jobs, 0));
        assert_eq!(operation.unreachable, []);
    }
    let counts = queue.queue(&name).await.unwrap().counts;
    assert_eq!((counts.cancelled, counts.waiting), (others, 0));
    assert_sound(&queue).await;
}
