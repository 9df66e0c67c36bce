use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{Code, Force, JobState, NewJob, Outcome, QueueName, StartLimit, StoreTime};

use crate::{
    WORKER, claim, claim_one, contents, default_queue, error, job, job_in, last_event, numbers,
    submit,
};

async fn drain(queue: &TestQueue) {
    queue.drain(&default_queue()).await.unwrap();
}

/// The queue has just told that it is empty.
fn is_told(queue: &TestQueue) -> bool {
    last_event(queue) == [("e".to_owned(), Vec::new())]
}

#[tokio::test]
async fn a_draining_queue_refuses_new_jobs_and_runs_the_others() {
    let queue = TestQueue::new();
    let key = || job().idempotency_key("k").unwrap();
    let first = submit(&queue, key()).await;
    drain(&queue).await;
    assert!(numbers(&queue).await.control.draining);
    assert!(!is_told(&queue));
    let refused = queue.submit(job()).await.unwrap_err();
    assert_eq!(refused.code(), Code::QueueDraining);
    let results = queue.submit_batch(vec![job(), key()]).await;
    assert_eq!(results[0].as_ref().unwrap_err().code(), Code::QueueDraining);
    assert_eq!(results[1].as_ref().unwrap().id, first);
    for outcome in [
        Outcome::ErrorAfter(Duration::ZERO, error()),
        Outcome::Snooze(Duration::ZERO),
        Outcome::Release,
    ] {
        let claimed = claim_one(&queue).await;
        queue.finish(&claimed, outcome).await.unwrap();
        assert!(!is_told(&queue));
    }
    let claimed = claim_one(&queue).await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    assert!(is_told(&queue));
    queue.resume(&default_queue(), None).await.unwrap();
    assert!(!numbers(&queue).await.control.draining);
    submit(&queue, job()).await;
    queue.close().await;
}

#[tokio::test]
async fn an_empty_queue_is_drained_at_once() {
    let queue = TestQueue::new();
    job_in(&queue, JobState::Completed).await;
    drain(&queue).await;
    assert!(is_told(&queue));
    queue.close().await;
}

#[tokio::test]
async fn the_end_of_the_last_job_is_told_however_it_ends() {
    let late = StartLimit::Before(StoreTime(1));
    let ends = ["cancel", "delete", "purge", "expire", "lose"];
    for end in ends {
        let queue = TestQueue::with(|config| config.crash_cap = 1);
        job_in(&queue, JobState::Completed).await;
        let new = match end {
            "expire" => job().start_limit(late).unwrap(),
            _ => job(),
        };
        let id = submit(&queue, new).await;
        drain(&queue).await;
        assert!(!is_told(&queue));
        match end {
            "cancel" => drop(queue.cancel(id, "", None).await.unwrap()),
            "delete" => queue.delete(id, Force::No, None).await.unwrap(),
            "purge" => {
                let states = [JobState::Waiting, JobState::Scheduled];
                queue.purge(&default_queue(), &states).await.unwrap();
            }
            "expire" => drop(queue.promote(&default_queue()).await.unwrap()),
            _ => {
                let short = Duration::from_millis(100);
                let lost = queue.claim(&default_queue(), 1, short, WORKER).await;
                assert_eq!(lost.unwrap().jobs.len(), 1);
                wait_for("the lease to run out", || async {
                    (claim(&queue, 1).await.next_due.is_none()).then_some(())
                })
                .await;
            }
        }
        assert!(is_told(&queue), "{end}");
        queue.close().await;
    }
}

#[tokio::test]
async fn what_happens_to_final_jobs_of_a_drained_queue_is_no_news() {
    let queue = TestQueue::new();
    let ids = [
        job_in(&queue, JobState::Completed).await,
        job_in(&queue, JobState::Failed).await,
    ];
    drain(&queue).await;
    queue.delete(ids[0], Force::No, None).await.unwrap();
    assert_eq!(last_event(&queue)[0].0, "d");
    queue
        .purge(&default_queue(), &[JobState::Failed])
        .await
        .unwrap();
    assert_eq!(last_event(&queue)[0].0, "d");
    let before = contents(&queue);
    queue.cancel(ids[1], "", None).await.unwrap_err();
    assert_eq!(contents(&queue), before);
    queue.close().await;
}

#[tokio::test]
async fn an_unknown_queue_can_not_be_drained() {
    let queue = TestQueue::new();
    let unknown = QueueName::new("nowhere").unwrap();
    let refused = queue.drain(&unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::QueueNotFound);
    let elsewhere = NewJob::new("k", "").unwrap().queue("nowhere").unwrap();
    queue.submit(elsewhere).await.unwrap();
    queue.close().await;
}
