use jobflow::testing::{TestQueue, namespace_key};
use jobflow::{Code, Error, Force, JobId, JobState, Kind, Outcome};

use crate::{
    bring_to, claim, claim_one, contents, default_queue, job, key, last_event, numbers, store,
    submit,
};

#[tokio::test]
async fn nothing_is_left_of_a_deleted_job() {
    let queue = TestQueue::new();
    for from in [
        JobState::Scheduled,
        JobState::Retrying,
        JobState::Completed,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Waiting,
    ] {
        let new = job()
            .idempotency_key("k")
            .unwrap()
            .tags(["a".to_owned(), "b".to_owned()])
            .unwrap()
            .start_limit(jobflow::StartLimit::Within(crate::LEASE))
            .unwrap();
        let id = bring_to(&queue, new, from).await;
        queue.delete(id, Force::No, None).await.unwrap();
        assert_eq!(
            last_event(&queue),
            [("d".to_owned(), id.as_bytes().to_vec())]
        );
        assert_eq!(queue.get(id).await.unwrap_err().code(), Code::JobNotFound);
        let again = queue.delete(id, Force::No, None).await.unwrap_err();
        assert_eq!(again.code(), Code::JobNotFound);
        let mut left: Vec<_> = contents(&queue).into_keys().collect();
        left.retain(|found| {
            ![
                "config", "counters", "events", "queues", "wake", "seconds", "minutes", "hours",
            ]
            .iter()
            .any(|name| found.ends_with(name))
        });
        assert!(left.is_empty(), "{left:?}");
    }
    queue.close().await;
}

#[tokio::test]
async fn an_active_job_is_deleted_only_by_force_and_its_worker_is_told() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    let before = contents(&queue);
    let refused = queue.delete(id, Force::No, None).await.unwrap_err();
    assert!(matches!(
        refused,
        Error::InvalidStateTransition {
            from: JobState::Active,
            to: None,
            ..
        }
    ));
    assert_eq!(contents(&queue), before);
    let mut listener = store(&queue);
    let mut channel = listener.as_pubsub();
    let name = namespace_key(&queue.config().namespace, "control");
    channel.subscribe(name).unwrap();
    queue.delete(id, Force::Yes, None).await.unwrap();
    let told: Vec<u8> = channel.get_message().unwrap().get_payload().unwrap();
    assert_eq!(told, [b"c", &id.as_bytes()[..]].concat());
    let late = queue.finish(&claimed, Outcome::Ack(None)).await;
    assert_eq!(late.unwrap_err().code(), Code::LeaseLost);
    assert_eq!(numbers(&queue).await.counts, jobflow::Counts::default());
    queue.close().await;
}

#[tokio::test]
async fn a_job_of_a_paused_kind_is_deleted_where_it_lies() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let kind = Kind::new("noop").unwrap();
    queue
        .pause(&default_queue(), Some(&kind), "", None)
        .await
        .unwrap();
    assert!(claim(&queue, 1).await.jobs.is_empty());
    queue.delete(id, Force::No, None).await.unwrap();
    let mut store = store(&queue);
    let mut count = redis::cmd("EXISTS");
    let left: usize = count.arg(key(&queue, "parked")).query(&mut store).unwrap();
    assert_eq!(left, 0);
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_never_was_can_not_be_deleted() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let unknown = JobId::generate(&default_queue());
    for force in [Force::No, Force::Yes] {
        let refused = queue.delete(unknown, force, None).await.unwrap_err();
        assert_eq!(refused.code(), Code::JobNotFound);
    }
    queue.close().await;
}
