use std::time::{Duration, Instant};

use jobflow::testing::TestQueue;
use jobflow::{Filter, JobCount, Kind, NewJob, Outcome, RunAt};

use crate::{claim, claim_one, default_queue, error, job, submit};

async fn count(queue: &TestQueue, filter: &str) -> JobCount {
    let until = Instant::now() + Duration::from_secs(60);
    let filter = Filter::parse(filter).unwrap();
    queue.count(&filter, until).await.unwrap()
}

async fn all(queue: &TestQueue, filter: &str) -> u64 {
    let JobCount { count, complete } = count(queue, filter).await;
    assert!(complete, "{filter}");
    count
}

#[tokio::test]
async fn sets_and_jobs_are_counted_alike() {
    let queue = TestQueue::new();
    let later = RunAt::After(Duration::from_secs(60));
    for i in 0..7 {
        let kind = if i < 3 { "a" } else { "b" };
        submit(
            &queue,
            NewJob::new(kind, "")
                .unwrap()
                .tags(["t".to_owned()])
                .unwrap(),
        )
        .await;
    }
    submit(&queue, job().run_at(later).unwrap()).await;
    submit(&queue, job().queue("mail").unwrap()).await;
    let claimed = claim_one(&queue).await;
    queue
        .finish(&claimed, Outcome::Fail(error()))
        .await
        .unwrap();
    for (filter, expected) in [
        ("", 9),
        ("state = waiting", 7),
        ("state = waiting OR state = failed", 8),
        ("state != waiting", 2),
        ("queue = mail", 1),
        ("queue = default AND state = waiting", 6),
        ("queue = nowhere", 0),
        ("state = completed", 0),
        ("kind = a", 3),
        ("kind = a state = waiting", 2),
        ("kind = b OR state = scheduled", 5),
        ("tags:t", 7),
        ("tags:t state = failed", 1),
        ("attempt > 0", 1),
        ("priority = 5", 9),
        ("error_code = HANDLER_ERROR", 1),
        ("create_time > 2020-01-01T00:00:00Z", 9),
        (&format!("id = {}", claimed.id), 1),
    ] {
        assert_eq!(all(&queue, filter).await, expected, "{filter}");
    }
    queue.close().await;
}

#[tokio::test]
async fn waiting_jobs_of_paused_kinds_count_as_waiting() {
    let queue = TestQueue::new();
    for kind in ["a", "b", "a"] {
        submit(&queue, NewJob::new(kind, "").unwrap()).await;
    }
    let a = Kind::new("a").unwrap();
    queue
        .pause(&default_queue(), Some(&a), "", None)
        .await
        .unwrap();
    assert_eq!(claim(&queue, 3).await.jobs.len(), 1);
    assert_eq!(all(&queue, "state = waiting").await, 2);
    assert_eq!(all(&queue, "state = waiting kind = a").await, 2);
    queue.close().await;
}

#[tokio::test]
async fn a_count_whose_time_is_over_says_so() {
    let queue = TestQueue::new();
    for _ in 0..3 {
        submit(&queue, job()).await;
    }
    let filter = Filter::parse("kind = noop").unwrap();
    let cut = queue.count(&filter, Instant::now()).await.unwrap();
    assert_eq!(
        cut,
        JobCount {
            count: 0,
            complete: false
        }
    );
    // Sizes take no time.
    let sizes = queue
        .count(&Filter::default(), Instant::now())
        .await
        .unwrap();
    assert_eq!(
        sizes,
        JobCount {
            count: 3,
            complete: true
        }
    );
    queue.close().await;
}
