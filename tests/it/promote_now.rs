use jobflow::testing::TestQueue;
use jobflow::{Code, Error, JobId, JobState, NewJob, RunAt};

use crate::{LEASE, claim_one, contents, default_queue, get, job, job_in, last_event, submit};

#[tokio::test]
async fn a_scheduled_or_retrying_job_waits_now() {
    let queue = TestQueue::new();
    for from in [JobState::Scheduled, JobState::Retrying] {
        let id = job_in(&queue, from).await;
        queue.promote_job(id).await.unwrap();
        assert_eq!(
            last_event(&queue),
            [("w".to_owned(), id.as_bytes().to_vec())]
        );
        let stored = get(&queue, id).await;
        assert_eq!(stored.state, JobState::Waiting);
        let attempt = claim_one(&queue).await.attempt;
        assert_eq!(attempt, if from == JobState::Retrying { 2 } else { 1 });
    }
    queue.close().await;
}

#[tokio::test]
async fn a_promoted_job_keeps_its_band_and_joins_its_tail() {
    let queue = TestQueue::new();
    let urgent = NewJob::new("noop", "")
        .unwrap()
        .priority(jobflow::Priority::new(0).unwrap());
    let later = submit(&queue, urgent.clone().run_at(RunAt::After(LEASE)).unwrap()).await;
    submit(&queue, job()).await;
    let first = submit(&queue, urgent).await;
    queue.promote_job(later).await.unwrap();
    assert_eq!(claim_one(&queue).await.id, first);
    assert_eq!(claim_one(&queue).await.id, later);
    queue.close().await;
}

#[tokio::test]
async fn a_job_in_any_other_state_can_not_be_promoted() {
    let queue = TestQueue::new();
    for from in [
        JobState::Active,
        JobState::Completed,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Waiting,
    ] {
        let id = job_in(&queue, from).await;
        let before = contents(&queue);
        let refused = queue.promote_job(id).await.unwrap_err();
        let Error::InvalidStateTransition { from: named, .. } = refused else {
            panic!("{refused}")
        };
        assert_eq!(named, from);
        assert_eq!(contents(&queue), before);
    }
    let gone = queue.promote_job(JobId::generate(&default_queue())).await;
    assert_eq!(gone.unwrap_err().code(), Code::JobNotFound);
    queue.close().await;
}
