use jobflow::testing::TestQueue;
use jobflow::{Code, JobState, Kind, QueueName, RunAt};

use crate::{LEASE, claim, default_queue, job, job_in, numbers, submit};

async fn purge(queue: &TestQueue, states: &[JobState]) -> u64 {
    queue.purge(&default_queue(), states).await.unwrap()
}

#[tokio::test]
async fn only_jobs_of_the_given_states_are_deleted() {
    let queue = TestQueue::new();
    for state in [
        JobState::Scheduled,
        JobState::Retrying,
        JobState::Completed,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Active,
        JobState::Waiting,
    ] {
        job_in(&queue, state).await;
    }
    assert_eq!(
        purge(&queue, &[JobState::Failed, JobState::Retrying]).await,
        2
    );
    let counts = numbers(&queue).await.counts;
    assert_eq!((counts.failed, counts.retrying), (0, 0));
    assert_eq!((counts.waiting, counts.active, counts.completed), (1, 1, 1));
    let rest = [
        JobState::Scheduled,
        JobState::Waiting,
        JobState::Completed,
        JobState::Cancelled,
        JobState::Blocked,
    ];
    assert_eq!(purge(&queue, &rest).await, 4);
    assert_eq!(numbers(&queue).await.counts.active, 1);
    queue.close().await;
}

#[tokio::test]
async fn many_jobs_are_purged_in_bounded_steps() {
    let queue = TestQueue::new();
    let kind = Kind::new("noop").unwrap();
    for n in 0..5 {
        let keyed = |m| {
            let job = job().idempotency_key(format!("{n}-{m}")).unwrap();
            job.tags(["a".to_owned()]).unwrap()
        };
        queue.submit_batch((0..100).map(keyed).collect()).await;
    }
    queue
        .pause(&default_queue(), Some(&kind), "", None)
        .await
        .unwrap();
    // Some of the waiting jobs lie where those of paused kinds do.
    assert!(claim(&queue, 256).await.jobs.is_empty());
    let other = jobflow::NewJob::new("other", "").unwrap();
    submit(&queue, other).await;
    submit(&queue, job().run_at(RunAt::After(LEASE)).unwrap()).await;
    assert_eq!(purge(&queue, &[JobState::Waiting]).await, 501);
    let counts = numbers(&queue).await.counts;
    assert_eq!((counts.waiting, counts.scheduled), (0, 1));
    queue.close().await;
}

#[tokio::test]
async fn what_can_not_be_purged_is_told() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    for states in [&[][..], &[JobState::Waiting, JobState::Active]] {
        let refused = queue.purge(&default_queue(), states).await.unwrap_err();
        assert_eq!(refused.field(), Some("states"));
    }
    assert_eq!(numbers(&queue).await.counts.waiting, 1);
    let unknown = QueueName::new("nowhere").unwrap();
    let refused = queue.purge(&unknown, &[JobState::Waiting]).await;
    assert_eq!(refused.unwrap_err().code(), Code::QueueNotFound);
    queue.close().await;
}
