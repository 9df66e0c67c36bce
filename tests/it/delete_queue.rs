use jobflow::testing::TestQueue;
use jobflow::{Code, Error, Force, JobQueue, JobState, Kind, Outcome, SettingsChange, Totals};

use crate::{claim, claim_one, contents, default_queue, job, job_in, numbers, submit};

async fn make_empty(queue: &TestQueue) {
    let id = job_in(queue, JobState::Completed).await;
    queue.delete(id, Force::No, None).await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_a_deleted_queue() {
    let queue = TestQueue::new();
    make_empty(&queue).await;
    let settings = [SettingsChange::KeepFailed(Some(1))];
    queue
        .update_settings(&default_queue(), &settings, None)
        .await
        .unwrap();
    queue.drain(&default_queue()).await.unwrap();
    queue.delete_queue(&default_queue()).await.unwrap();
    assert!(contents(&queue).is_empty());
    assert!(queue.queues().await.unwrap().is_empty());
    for refused in [
        queue.delete_queue(&default_queue()).await,
        queue.queue(&default_queue()).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::QueueNotFound);
    }
    queue.close().await;
}

#[tokio::test]
async fn a_queue_with_jobs_is_not_deleted_whatever_their_state() {
    for state in JobState::ALL {
        if state == JobState::Blocked {
            continue;
        }
        let queue = TestQueue::new();
        job_in(&queue, state).await;
        let before = contents(&queue);
        let refused = queue.delete_queue(&default_queue()).await.unwrap_err();
        assert!(matches!(refused, Error::QueueNotEmpty { jobs: 1, .. }));
        assert_eq!(contents(&queue), before);
        queue.close().await;
    }
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let kind = Kind::new("noop").unwrap();
    queue
        .pause(&default_queue(), Some(&kind), "", None)
        .await
        .unwrap();
    assert!(claim(&queue, 1).await.jobs.is_empty());
    let refused = queue.delete_queue(&default_queue()).await.unwrap_err();
    assert_eq!(refused.code(), Code::QueueNotEmpty);
    queue.close().await;
}

#[tokio::test]
async fn a_deleted_queue_begins_anew_for_every_process() {
    let queue = TestQueue::new();
    make_empty(&queue).await;
    let other = JobQueue::open(queue.config().clone()).unwrap();
    other.submit(job()).await.unwrap();
    let claimed = claim_one(&queue).await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    queue
        .purge(&default_queue(), &[JobState::Completed])
        .await
        .unwrap();
    queue.delete_queue(&default_queue()).await.unwrap();
    // The other one thinks that it has made the queue known.
    let id = other.submit(job()).await.unwrap().id;
    assert_eq!(queue.get(id).await.unwrap().state, JobState::Waiting);
    let totals = Totals {
        submitted: 1,
        ..Totals::default()
    };
    assert_eq!(numbers(&queue).await.totals, totals);
    queue.close().await;
}

#[tokio::test]
async fn a_late_finish_does_not_bring_a_deleted_queue_back() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    queue.delete(id, Force::Yes, None).await.unwrap();
    queue.delete_queue(&default_queue()).await.unwrap();
    let late = queue.finish(&claimed, Outcome::Ack(None)).await;
    assert_eq!(late.unwrap_err().code(), Code::LeaseLost);
    queue.promote(&default_queue()).await.unwrap();
    queue.reap(&default_queue()).await.unwrap();
    queue.prune(&default_queue()).await.unwrap();
    assert!(contents(&queue).is_empty());
    queue.close().await;
}
