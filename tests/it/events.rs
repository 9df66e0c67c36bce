use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{
    EventBatch, EventEntry, EventId, EventReader, Force, Happening, JobId, JobState, Outcome,
    Partition,
};

use crate::{claim_one, default_queue, error, job, submit};

fn first() -> Partition {
    Partition::first(default_queue())
}

async fn read(reader: &mut EventReader, count: usize) -> Vec<(JobId, JobState)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let batches = reader.next(Duration::from_secs(2)).await.unwrap();
        assert!(!batches.is_empty(), "only {seen:?} came");
        seen.extend(batches.iter().flat_map(moves));
    }
    seen
}

/// The moves that a batch tells of.
fn moves(batch: &EventBatch) -> Vec<(JobId, JobState)> {
    let of_entry = |entry: &EventEntry| match entry.what {
        Happening::Moved(state) => entry.jobs.iter().map(|id| (*id, state)).collect(),
        _ => Vec::new(),
    };
    batch.entries.iter().flat_map(of_entry).collect()
}

#[tokio::test]
async fn every_move_is_told_in_order() {
    let queue = TestQueue::new();
    let mut reader = queue.event_reader();
    reader.follow(first()).await.unwrap();
    let id = submit(&queue, job()).await;
    let first = claim_one(&queue).await;
    queue
        .finish(&first, Outcome::ErrorAfter(Duration::ZERO, error()))
        .await
        .unwrap();
    let second = claim_one(&queue).await;
    queue.finish(&second, Outcome::Ack(None)).await.unwrap();
    let expected = [
        JobState::Waiting,
        JobState::Active,
        JobState::Retrying,
        JobState::Waiting,
        JobState::Active,
        JobState::Completed,
    ];
    let seen = read(&mut reader, expected.len()).await;
    assert_eq!(seen, expected.map(|state| (id, state)));
    queue.close().await;
}

#[tokio::test]
async fn only_what_comes_after_is_told_and_silence_ends() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let mut reader = queue.event_reader();
    reader.follow(first()).await.unwrap();
    assert!(
        reader
            .next(Duration::from_millis(10))
            .await
            .unwrap()
            .is_empty()
    );
    let later = submit(&queue, job()).await;
    assert_eq!(read(&mut reader, 1).await, [(later, JobState::Waiting)]);
    queue.close().await;
}

#[tokio::test]
async fn a_dropped_read_loses_nothing() {
    let queue = TestQueue::new();
    let mut reader = queue.event_reader();
    reader.follow(first()).await.unwrap();
    let read_on = tokio::time::timeout(
        Duration::from_millis(10),
        reader.next(Duration::from_secs(2)),
    );
    assert!(read_on.await.is_err(), "nothing has happened yet");
    let id = submit(&queue, job()).await;
    assert_eq!(read(&mut reader, 1).await, [(id, JobState::Waiting)]);
    queue.close().await;
}

#[tokio::test]
async fn events_carry_the_time_and_tell_of_deleted_jobs_and_drained_queues() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    queue.drain(&default_queue()).await.unwrap();
    queue.delete(id, Force::No, None).await.unwrap();
    let part = first();
    let batch = queue.events_after(&part, EventId::BEGINNING).await.unwrap();
    let told: Vec<_> = batch.entries.iter().map(|entry| entry.what).collect();
    let expected = [
        Happening::Moved(JobState::Waiting),
        Happening::Deleted,
        Happening::Drained,
    ];
    assert_eq!(told, expected);
    let times: Vec<_> = batch.entries.iter().map(|entry| entry.id.time()).collect();
    assert!(times.is_sorted() && times[0].0 > 0, "{times:?}");
    queue.close().await;
}

#[tokio::test]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    let queue = TestQueue::new();
    let mut expected = Vec::new();
    let mut place = EventId::BEGINNING;
    let mut seen = Vec::new();
    for _ in 0..3 {
        for _ in 0..70 {
            expected.push((submit(&queue, job()).await, JobState::Waiting));
        }
        let batch = queue.events_after(&first(), place).await.unwrap();
        assert!(!batch.gap);
        seen.extend(moves(&batch));
        place = batch.last;
    }
    let rest = queue.events_after(&first(), place).await.unwrap();
    assert!(rest.entries.is_empty() && !rest.gap && !rest.more);
    assert_eq!(seen, expected);
    queue.close().await;
}

#[tokio::test]
async fn whoever_comes_too_late_is_told_of_a_gap() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let part = first();
    let first = queue.events_after(&part, EventId::BEGINNING).await.unwrap();
    let mut reader = queue.event_reader();
    reader.follow(part.clone()).await.unwrap();
    // One entry each, more than a stream keeps.
    for _ in 0..40 {
        let each = (0..100).map(|_| queue.submit(job()));
        // One call for those made at the same time, so one after the other.
        for submitted in each {
            submitted.await.unwrap();
        }
    }
    for (place, what) in [
        (first.last, "a place"),
        (EventId::BEGINNING, "the beginning"),
    ] {
        let late = queue.events_after(&part, place).await.unwrap();
        assert!(late.gap && late.more, "behind {what}");
        let next = queue.events_after(&part, late.last).await.unwrap();
        assert!(!next.gap && !next.entries.is_empty(), "behind {what}");
    }
    let followed = reader.next(Duration::from_secs(2)).await.unwrap();
    assert!(followed[0].gap, "a reader that was too slow");
    let parts = queue.all_partitions().await.unwrap();
    let positions = queue.event_positions(parts).await.unwrap();
    let same = queue.event_positions_of(&positions.token()).unwrap();
    assert_eq!(same, positions);
    queue.close().await;
}
