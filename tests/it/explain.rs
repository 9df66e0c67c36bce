use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{
    Code, Explanation, JobId, JobState, Kind, NewJob, Outcome, Priority, QueueName, RunAt,
    StoreTime, WorkerBeat,
};

use crate::{claim, claim_one, default_queue, error, job, submit};

async fn beat(queue: &TestQueue, kinds: &[&str]) {
    let beat = serde_json::json!({
        "id": "w", "host": "h", "pid": 1, "version": "0", "queues": ["default"],
        "kinds": kinds, "slots": 4, "busy": 1,
    });
    let beat: WorkerBeat = serde_json::from_value(beat).unwrap();
    queue.beat(&beat).await.unwrap();
}

async fn explain(queue: &TestQueue, id: JobId) -> (Vec<&'static str>, Explanation) {
    let explanation = queue.explain(id).await.unwrap();
    let reasons = explanation
        .obstacles
        .iter()
        .map(|obstacle| obstacle.reason.as_str());
    (reasons.collect(), explanation)
}

#[tokio::test]
async fn places_and_slots_are_those_of_the_store() {
    let queue = TestQueue::new();
    beat(&queue, &["*"]).await;
    let first = submit(&queue, job()).await;
    let second = submit(&queue, job()).await;
    let urgent = submit(&queue, job().priority(Priority::new(0).unwrap())).await;
    let (reasons, next) = explain(&queue, urgent).await;
    assert_eq!((reasons, next.jobs_ahead), (vec![], Some(0)));
    assert_eq!((next.workers, next.free_slots), (1, 3));
    assert_eq!(explain(&queue, first).await.1.jobs_ahead, Some(1));
    let (reasons, last) = explain(&queue, second).await;
    assert_eq!((reasons, last.jobs_ahead), (vec!["BEHIND_OTHERS"], Some(2)));
    queue.close().await;
}

#[tokio::test]
async fn every_obstacle_is_found_in_the_store() {
    let queue = TestQueue::new();
    let waiting = submit(&queue, job()).await;
    assert_eq!(explain(&queue, waiting).await.0, ["NO_WORKER"]);
    beat(&queue, &["other"]).await;
    assert_eq!(explain(&queue, waiting).await.0, ["NO_HANDLER"]);
    beat(&queue, &["noop"]).await;
    assert_eq!(explain(&queue, waiting).await.0, Vec::<&str>::new());

    let noop = Kind::new("noop").unwrap();
    let end = StoreTime(queue.snapshot().await.unwrap().time.0 + 600_000);
    queue.pause(&default_queue(), None, "", None).await.unwrap();
    queue
        .pause(&default_queue(), Some(&noop), "too fast", Some(end))
        .await
        .unwrap();
    let (reasons, paused) = explain(&queue, waiting).await;
    assert_eq!(reasons, ["QUEUE_PAUSED", "KIND_PAUSED"]);
    assert_eq!(paused.obstacles[1].until, Some(end));
    assert!(
        paused.obstacles[1].description.contains("(too fast)"),
        "{paused:?}"
    );
    queue.resume(&default_queue(), None).await.unwrap();
    // A claim sets the job of the paused kind aside; it still has its place.
    let other = submit(&queue, NewJob::new("other", "").unwrap()).await;
    assert_eq!(claim(&queue, 5).await.jobs[0].id, other);
    let (reasons, parked) = explain(&queue, waiting).await;
    assert_eq!((reasons, parked.jobs_ahead), (vec!["KIND_PAUSED"], Some(0)));
    queue.resume(&default_queue(), Some(&noop)).await.unwrap();

    let at = RunAt::After(Duration::from_secs(90));
    let scheduled = submit(&queue, job().run_at(at).unwrap()).await;
    let (reasons, later) = explain(&queue, scheduled).await;
    assert_eq!(reasons, ["NOT_DUE"]);
    assert!(later.obstacles[0].until.is_some());
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_errored_ran_or_ended_says_so() {
    let queue = TestQueue::new();
    beat(&queue, &["*"]).await;
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    let (reasons, active) = explain(&queue, id).await;
    assert_eq!((reasons, active.state), (vec![], JobState::Active));
    let retry = Outcome::ErrorAfter(Duration::from_secs(60), error());
    queue.finish(&claimed, retry).await.unwrap();
    let (reasons, retrying) = explain(&queue, id).await;
    assert_eq!(reasons, ["IN_BACKOFF"]);
    assert!(
        retrying
            .summary
            .ends_with("errored with HANDLER_ERROR: no luck.")
    );
    queue.cancel(id, "", None).await.unwrap();
    assert!(
        explain(&queue, id)
            .await
            .1
            .summary
            .starts_with("It was cancelled")
    );
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_is_not_there_can_not_be_explained() {
    let queue = TestQueue::new();
    let id = JobId::generate(&QueueName::default());
    assert_eq!(
        queue.explain(id).await.unwrap_err().code(),
        Code::JobNotFound
    );
    queue.close().await;
}
