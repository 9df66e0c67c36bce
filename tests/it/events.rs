use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{EventReader, JobState, Outcome};

use crate::{claim_one, default_queue, error, job, submit};

async fn read(reader: &mut EventReader, count: usize) -> Vec<(jobflow::JobId, JobState)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let events = reader.next(Duration::from_secs(2)).await.unwrap();
        assert!(!events.is_empty(), "only {seen:?} came");
        seen.extend(events.into_iter().map(|event| (event.id, event.state)));
    }
    seen
}

#[tokio::test]
async fn every_move_is_told_in_order() {
    let queue = TestQueue::new();
    let mut reader = queue.event_reader();
    reader.follow(default_queue()).await.unwrap();
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
    reader.follow(default_queue()).await.unwrap();
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
    reader.follow(default_queue()).await.unwrap();
    let read_on = tokio::time::timeout(
        Duration::from_millis(10),
        reader.next(Duration::from_secs(2)),
    );
    assert!(read_on.await.is_err(), "nothing has happened yet");
    let id = submit(&queue, job()).await;
    assert_eq!(read(&mut reader, 1).await, [(id, JobState::Waiting)]);
    queue.close().await;
}
