use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jobflow::testing::TestQueue;
use jobflow::{DeadLetters, Filter, JobError, NewJob, Outcome};

use crate::{LEASE, WORKER, claim_one, default_queue, job, submit};

async fn groups(queue: &TestQueue, filter: &str) -> DeadLetters {
    let until = Instant::now() + Duration::from_secs(60);
    let filter = Filter::parse(filter).unwrap();
    queue.dead_letter_groups(&filter, until).await.unwrap()
}

fn failure(code: &str, message: String) -> Outcome {
    Outcome::Fail(JobError {
        code: code.to_owned(),
        message,
    })
}

/// The i-th failure; five causes, the first the most frequent.
fn cause(i: usize) -> Outcome {
    match i % 15 {
        0..5 => failure(
            "HANDLER_ERROR",
            format!("order {i} of customer 'c{i}' is gone"),
        ),
        5..9 => failure(
            "HANDLER_ERROR",
            format!("connect to 10.0.0.{i}:5432: refused\nat {i}"),
        ),
        9..12 => failure("TIMEOUT", format!("no end after {i} ms")),
        12..14 => failure("HANDLER_PANIC", format!("index out of bounds: {i}")),
        _ => failure("COMMAND_FAILED", "exit status: 65".to_owned()),
    }
}

#[tokio::test]
async fn failures_of_five_causes_make_five_groups() {
    let queue = TestQueue::new();
    let mut last = None;
    for start in (0..600).step_by(100) {
        for submitted in queue.submit_batch((0..100).map(|_| job()).collect()).await {
            submitted.unwrap();
        }
        let claimed = queue
            .claim(&default_queue(), 100, LEASE, WORKER)
            .await
            .unwrap()
            .jobs;
        let ends = claimed
            .iter()
            .enumerate()
            .map(|(i, job)| queue.finish(job, cause(start + i)));
        for end in join_all(ends).await {
            end.unwrap();
        }
        last = claimed.last().map(|job| job.id);
    }
    let found = groups(&queue, "").await;
    assert!(found.complete);
    let told: Vec<_> = found
        .groups
        .iter()
        .map(|group| {
            (
                group.count,
                group.code.as_str(),
                group.fingerprint.line.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (200, "HANDLER_ERROR", "order <n> of customer <text> is gone"),
            (160, "HANDLER_ERROR", "connect to <n>: refused"),
            (120, "TIMEOUT", "no end after <n> ms"),
            (80, "HANDLER_PANIC", "index out of bounds: <n>"),
            (40, "COMMAND_FAILED", "exit status: <n>"),
        ]
    );
    let last = queue.get(last.unwrap()).await.unwrap();
    let latest = found.groups.iter().map(|group| group.last).max();
    assert_eq!(latest, last.finished);
    for group in &found.groups {
        assert!(group.first <= group.last);
        let example = queue.get(group.example).await.unwrap();
        assert_eq!(example.finished, Some(group.last));
        // The fingerprint of a group finds its jobs.
        let filter = Filter::parse(&format!("fingerprint = {}", group.fingerprint.hex)).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        assert_eq!(
            queue.count(&filter, until).await.unwrap().count,
            group.count
        );
    }
    queue.close().await;
}

#[tokio::test]
async fn only_failed_jobs_that_the_filter_means_are_grouped() {
    let queue = TestQueue::new();
    for kind in ["a", "a", "b"] {
        submit(&queue, NewJob::new(kind, "").unwrap()).await;
        let claimed = claim_one(&queue).await;
        queue
            .finish(&claimed, failure("X", String::new()))
            .await
            .unwrap();
    }
    submit(&queue, NewJob::new("a", "").unwrap()).await;
    let retrying = claim_one(&queue).await;
    let error = JobError {
        code: "X".to_owned(),
        message: String::new(),
    };
    let later = Outcome::ErrorAfter(Duration::from_secs(60), error);
    queue.finish(&retrying, later).await.unwrap();
    let all = groups(&queue, "").await.groups;
    assert_eq!(
        all.iter().map(|group| group.count).collect::<Vec<_>>(),
        [2, 1]
    );
    let of_b = groups(&queue, "kind = b").await.groups;
    assert_eq!((of_b.len(), of_b[0].kind.as_str()), (1, "b"));
    assert_eq!(
        groups(&queue, "state = completed").await,
        DeadLetters {
            groups: vec![],
            complete: true
        }
    );
    queue.close().await;
}

#[tokio::test]
async fn groups_whose_time_is_over_say_so() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    queue
        .finish(&claimed, failure("X", "late".to_owned()))
        .await
        .unwrap();
    let found = queue
        .dead_letter_groups(&Filter::default(), Instant::now())
        .await
        .unwrap();
    assert!(!found.complete && found.groups.is_empty());
    queue.close().await;
}

#[tokio::test]
async fn at_most_a_hundred_groups_are_told() {
    let queue = TestQueue::new();
    for submitted in queue.submit_batch((0..120).map(|_| job()).collect()).await {
        submitted.unwrap();
    }
    let claimed = queue
        .claim(&default_queue(), 120, LEASE, WORKER)
        .await
        .unwrap()
        .jobs;
    let code = |i: usize| {
        format!("CODE_{}", char::from(b'A' + u8::try_from(i / 12).unwrap())) + &"X".repeat(i % 12)
    };
    let ends = claimed
        .iter()
        .enumerate()
        .map(|(i, job)| queue.finish(job, failure(&code(i), String::new())));
    for end in join_all(ends).await {
        end.unwrap();
    }
    let found = groups(&queue, "").await;
    assert_eq!((found.groups.len(), found.complete), (100, true));
    queue.close().await;
}
