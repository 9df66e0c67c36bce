//! Queues that are spread over several partitions.

mod mend;
mod spread;
mod work;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use jobflow::testing::{PATIENCE, TestQueue, wait_for};
use jobflow::{
    BulkAction, BulkTarget, Code, EventId, Filter, Happening, JobId, JobQueue, JobState, Kind,
    ListRequest, NewBulk, NewJob, Outcome, Partition, SettingsChange,
};
use tokio::time::timeout;

use crate::{LEASE, WORKER, default_queue, error, get, job, numbers, submit};

async fn spread(queue: &JobQueue, count: u8) {
    let change = SettingsChange::Partitions(Some(count));
    let name = default_queue();
    queue.update_settings(&name, &[change], None).await.unwrap();
}

/// A queue that is there and has so many partitions.
async fn spread_over(count: u8) -> TestQueue {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    run_all(&queue).await;
    spread(&queue, count).await;
    queue
}

/// Another process: it knows nothing of what the first one knows.
fn other(queue: &TestQueue) -> JobQueue {
    JobQueue::open(queue.config().clone()).unwrap()
}

async fn submit_many(queue: &JobQueue, count: usize) -> Vec<JobId> {
    let jobs = (0..count).map(|_| job()).collect();
    let submitted = queue.submit_batch(jobs).await.into_iter();
    submitted.map(|submitted| submitted.unwrap().id).collect()
}

fn partitions_of<'a>(ids: impl IntoIterator<Item = &'a JobId>) -> BTreeSet<u8> {
    let parts = ids
        .into_iter()
        .map(|id| Partition::of(&default_queue(), *id));
    parts.map(|part| part.number()).collect()
}

/// Runs what waits; how often each ran.
async fn run_all(queue: &JobQueue) -> HashMap<JobId, usize> {
    let mut ran = HashMap::new();
    loop {
        let claimed = queue
            .claim(&default_queue(), 50, LEASE, WORKER)
            .await
            .unwrap();
        if claimed.jobs.is_empty() {
            return ran;
        }
        for job in &claimed.jobs {
            *ran.entry(job.id).or_default() += 1;
            queue.finish(job, Outcome::Ack(None)).await.unwrap();
        }
    }
}

fn keyed(n: usize) -> NewJob {
    job().idempotency_key(format!("order-{n}")).unwrap()
}

async fn submit_keyed(queue: &JobQueue, keys: usize) -> Vec<JobId> {
    let jobs = (0..keys).map(keyed).collect();
    let submitted = queue.submit_batch(jobs).await.into_iter();
    submitted.map(|submitted| submitted.unwrap().id).collect()
}

#[tokio::test]
async fn jobs_without_a_key_are_spread_evenly() {
    let queue = spread_over(4).await;
    let ids = submit_many(&queue, 2_000).await;
    let mut shares = HashMap::<_, usize>::new();
    for id in &ids {
        *shares
            .entry(Partition::of(&default_queue(), *id))
            .or_default() += 1;
    }
    assert_eq!(shares.len(), 4);
    // In runs of a call each, and in a cluster by turns of the servers, of which one
    // may have a partition alone, and another one the rest.
    assert!(
        shares.values().all(|share| (125..=1_125).contains(share)),
        "{shares:?}"
    );
    assert_eq!(numbers(&queue).await.counts.waiting, 2_000);
    assert_eq!(run_all(&queue).await.len(), 2_000);
    queue.close().await;
}

#[tokio::test]
async fn what_is_asked_of_a_queue_is_asked_of_all_its_partitions() {
    let queue = spread_over(5).await;
    let ids: Vec<_> = submit_keyed(&queue, 100).await;
    assert_eq!(partitions_of(&ids).len(), 5);
    // Pages, one after the other.
    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let filter = Filter::parse("queue = default state = waiting").unwrap();
        let request = ListRequest {
            filter,
            page_token,
            page_size: 7,
            ..ListRequest::default()
        };
        let page = queue.list(&request).await.unwrap();
        assert!(page.jobs.iter().all(|job| job.queue == default_queue()));
        listed.extend(page.jobs.into_iter().map(|job| job.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.len(), 100);
    assert_eq!(listed.iter().collect::<HashSet<_>>(), ids.iter().collect());
    let soon = Instant::now() + PATIENCE;
    let count = |filter: &str| {
        let (queue, filter) = (&queue, Filter::parse(filter).unwrap());
        async move { queue.count(&filter, soon).await.unwrap().count }
    };
    assert_eq!(count("state = waiting").await, 100);
    assert_eq!(count("kind = noop state = waiting").await, 100);
    for id in &ids[..10] {
        assert_eq!(get(&queue, *id).await.state, JobState::Waiting);
        assert_eq!(queue.explain(*id).await.unwrap().state, JobState::Waiting);
    }
    assert_eq!(
        queue.cancel(ids[0], "", None).await.unwrap(),
        JobState::Cancelled
    );
    let kinds = queue.kinds(&default_queue(), &ids).await.unwrap();
    assert!(
        kinds
            .iter()
            .all(|kind| *kind == Some(Kind::new("noop").unwrap()))
    );
    assert_eq!(queue.queues().await.unwrap(), [default_queue()]);
    assert_eq!(queue.snapshot().await.unwrap().queues.len(), 1);
    queue.close().await;
}

#[tokio::test]
async fn failed_jobs_of_all_partitions_are_one_group_and_purged_together() {
    let queue = spread_over(5).await;
    let ids: Vec<_> = submit_keyed(&queue, 100).await;
    queue.cancel(ids[0], "", None).await.unwrap();
    let soon = Instant::now() + PATIENCE;
    let claimed = queue
        .claim(&default_queue(), 99, LEASE, WORKER)
        .await
        .unwrap()
        .jobs;
    assert_eq!(claimed.len(), 99);
    let leases: Vec<_> = claimed.iter().map(|job| (job.id, job.token)).collect();
    let extended = queue
        .extend(&default_queue(), LEASE, &leases)
        .await
        .unwrap();
    assert!(
        extended
            .iter()
            .all(|held| *held == jobflow::Extension::Held)
    );
    for job in &claimed {
        queue.finish(job, Outcome::Fail(error())).await.unwrap();
    }
    let groups = queue
        .dead_letter_groups(&Filter::default(), soon)
        .await
        .unwrap();
    assert_eq!((groups.groups.len(), groups.groups[0].count), (1, 99));
    let states = [JobState::Failed, JobState::Cancelled];
    let purge = queue.count_purge(&default_queue(), &states).await.unwrap();
    assert_eq!(purge, 100);
    assert_eq!(queue.purge(&default_queue(), &states).await.unwrap(), 100);
    assert_eq!(numbers(&queue).await.counts.failed, 0);
    queue.close().await;
}

#[tokio::test]
async fn a_bulk_operation_goes_through_all_partitions() {
    let queue = spread_over(6).await;
    let ids = submit_keyed(&queue, 300).await;
    let new = |target| NewBulk {
        action: BulkAction::Cancel,
        target,
        reason: String::new(),
        rate: 0.0,
        validate_only: false,
        request_id: None,
    };
    let by_ids = queue
        .start_bulk(new(BulkTarget::Ids(ids[..40].to_vec())))
        .await
        .unwrap();
    let rest = Filter::parse("state = waiting").unwrap();
    let by_filter = queue
        .start_bulk(new(BulkTarget::Filter(rest)))
        .await
        .unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let runner = jobflow::maintenance::run_bulks(
        (*queue).clone(),
        jobflow::Pulses::default(),
        stop.clone().cancelled_owned(),
    );
    let runner = tokio::spawn(runner);
    for operation in [by_ids, by_filter] {
        wait_for("the operation to end", async || {
            let operation = queue.get_bulk(&operation.id).await.unwrap();
            operation.is_over().then_some(())
        })
        .await;
    }
    stop.cancel();
    runner.await.unwrap();
    assert_eq!(numbers(&queue).await.counts.cancelled, 300);
    queue.close().await;
}

#[tokio::test]
async fn events_of_all_partitions_go_on_where_a_reader_was() {
    let queue = spread_over(4).await;
    let parts = queue.all_partitions().await.unwrap();
    let before = queue.event_positions(parts).await.unwrap().token();
    let ids = submit_keyed(&queue, 40).await;
    let mut positions = queue.event_positions_of(&before).unwrap();
    let mut seen = HashSet::new();
    for part in queue.all_partitions().await.unwrap() {
        let batch = queue
            .events_after(&part, positions.of(&part))
            .await
            .unwrap();
        assert!(!batch.gap && batch.part == part);
        seen.extend(batch.entries.iter().flat_map(|entry| entry.jobs.clone()));
        positions.set(&part, batch.last);
    }
    assert_eq!(seen, ids.iter().copied().collect());
    // And those of partitions that were not there when the token was given out.
    spread(&queue, 12).await;
    let more = submit_keyed(&queue, 200).await;
    let resumed = queue.event_positions_of(&positions.token()).unwrap();
    let mut late = HashSet::new();
    for part in queue.all_partitions().await.unwrap() {
        let batch = queue.events_after(&part, resumed.of(&part)).await.unwrap();
        assert!(!batch.gap);
        late.extend(batch.entries.iter().flat_map(|entry| entry.jobs.clone()));
    }
    assert_eq!(late, more[40..].iter().copied().collect());
    // A reader hears them as they come.
    let mut reader = queue.event_reader();
    for part in queue.all_partitions().await.unwrap() {
        reader.follow(part).await.unwrap();
    }
    let last = submit(&queue, job()).await;
    let heard = async {
        loop {
            let batches = reader.next(Duration::from_secs(1)).await.unwrap();
            let mut entries = batches.iter().flat_map(|batch| &batch.entries);
            let waits = Happening::Moved(JobState::Waiting);
            if entries.any(|entry| entry.what == waits && entry.jobs == [last]) {
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("the event comes");
    assert_ne!(
        resumed.of(&Partition::first(default_queue())),
        EventId::BEGINNING
    );
    queue.close().await;
}

#[tokio::test]
async fn a_pause_a_drain_and_settings_hold_in_all_partitions() {
    let queue = spread_over(4).await;
    submit_keyed(&queue, 40).await;
    queue.pause(&default_queue(), None, "", None).await.unwrap();
    // One that is added later is paused, too.
    spread(&queue, 6).await;
    submit_many(&queue, 1_000).await;
    assert!(run_all(&queue).await.is_empty());
    queue.resume(&default_queue(), None).await.unwrap();
    assert_eq!(run_all(&queue).await.len(), 1_040);
    let noop = Kind::new("noop").unwrap();
    queue
        .pause(&default_queue(), Some(&noop), "", None)
        .await
        .unwrap();
    submit_many(&queue, 1_000).await;
    assert!(run_all(&queue).await.is_empty());
    assert_eq!(numbers(&queue).await.counts.waiting, 1_000);
    queue.resume(&default_queue(), Some(&noop)).await.unwrap();
    assert_eq!(run_all(&queue).await.len(), 1_000);
    // What the queue may hold is shared by its partitions.
    let most = [
        SettingsChange::MaxWaiting(Some(60)),
        SettingsChange::MaxAttempts(Some(9)),
    ];
    queue
        .update_settings(&default_queue(), &most, None)
        .await
        .unwrap();
    let jobs = (0..4_000).map(|_| job()).collect();
    let stored = queue.submit_batch(jobs).await;
    let stored: Vec<_> = stored.into_iter().filter_map(Result::ok).collect();
    assert_eq!(stored.len(), 60);
    for submitted in &stored {
        assert_eq!(get(&queue, submitted.id).await.max_attempts, 9);
    }
    queue.drain(&default_queue()).await.unwrap();
    for _ in 0..300 {
        let refused = queue.submit(job()).await.unwrap_err();
        assert_eq!(refused.code(), Code::QueueDraining);
    }
    assert!(numbers(&queue).await.control.draining);
    assert_eq!(run_all(&queue).await.len(), 60);
    queue.close().await;
}
