use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{Code, Error, JobState, MAX_PAYLOAD, Outcome};

use crate::{
    bring_to, claim_one, contents, error, get, job, job_in, last_event, lose_worker, numbers,
    state, submit,
};

#[tokio::test]
async fn a_final_job_waits_again_with_all_its_attempts() {
    for from in [JobState::Completed, JobState::Failed, JobState::Cancelled] {
        let queue = TestQueue::new();
        let id = submit(&queue, job().max_attempts(2).unwrap()).await;
        lose_worker(&queue).await;
        let first = claim_one(&queue).await;
        let again = Outcome::ErrorAfter(Duration::ZERO, error());
        queue.finish(&first, again).await.unwrap();
        let last = claim_one(&queue).await;
        let outcome = match from {
            JobState::Completed => Outcome::Ack(None),
            JobState::Failed => Outcome::Error(error()),
            _ => Outcome::Cancelled,
        };
        queue.finish(&last, outcome).await.unwrap();
        queue.retry(id, None, None).await.unwrap();
        let stored = get(&queue, id).await;
        assert_eq!((stored.state, stored.attempt), (JobState::Waiting, 0));
        assert_eq!((stored.crash_count, stored.worker), (0, None));
        assert_eq!((stored.result, stored.error), (None, None));
        assert_eq!((stored.started, stored.finished), (None, None));
        assert_eq!(stored.attempts.len(), 3, "what was is not forgotten");
        assert_eq!(
            last_event(&queue),
            [("w".to_owned(), id.as_bytes().to_vec())]
        );
        assert_eq!(claim_one(&queue).await.attempt, 1);
        queue.close().await;
    }
}

#[tokio::test]
async fn a_retried_job_joins_the_tail_of_its_band() {
    let queue = TestQueue::new();
    let failed = job_in(&queue, JobState::Failed).await;
    let waiting = submit(&queue, job()).await;
    queue.retry(failed, None, None).await.unwrap();
    assert_eq!(claim_one(&queue).await.id, waiting);
    assert_eq!(claim_one(&queue).await.id, failed);
    queue.close().await;
}

#[tokio::test]
async fn a_retrying_job_waits_without_the_rest_of_its_backoff() {
    let queue = TestQueue::new();
    let id = job_in(&queue, JobState::Retrying).await;
    queue.retry(id, None, None).await.unwrap();
    let claimed = claim_one(&queue).await;
    assert_eq!((claimed.id, claimed.attempt), (id, 2));
    assert_eq!(get(&queue, id).await.error, Some(error()));
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_is_not_final_can_not_be_retried() {
    let queue = TestQueue::new();
    for from in [JobState::Active, JobState::Scheduled, JobState::Waiting] {
        let id = job_in(&queue, from).await;
        let before = contents(&queue);
        for payload in [None, Some(("new".into(), None))] {
            let refused = queue.retry(id, payload, None).await.unwrap_err();
            let Error::InvalidStateTransition {
                from: named, to, ..
            } = refused
            else {
                panic!("{refused}")
            };
            assert_eq!((named, to), (from, Some(JobState::Waiting)));
        }
        assert_eq!(contents(&queue), before);
    }
    queue.close().await;
}

#[tokio::test]
async fn a_new_payload_replaces_the_old_one_which_is_kept() {
    let queue = TestQueue::new();
    let id = bring_to(&queue, job(), JobState::Failed).await;
    let created = get(&queue, id).await.created;
    let text = Some("text/plain".to_owned());
    queue
        .retry(id, Some(("one".into(), text)), None)
        .await
        .unwrap();
    let claimed = claim_one(&queue).await;
    assert_eq!(&claimed.payload[..], b"one");
    assert_eq!(claimed.content_type, "text/plain");
    queue
        .finish(&claimed, Outcome::Fail(error()))
        .await
        .unwrap();
    for payload in ["two", "three"] {
        queue
            .retry(id, Some((payload.into(), None)), None)
            .await
            .unwrap();
        let claimed = claim_one(&queue).await;
        assert_eq!(claimed.content_type, "text/plain", "kept unless given");
        queue
            .finish(&claimed, Outcome::Fail(error()))
            .await
            .unwrap();
    }
    let stored = get(&queue, id).await;
    assert_eq!(
        (&stored.payload[..], stored.created),
        (&b"three"[..], created)
    );
    let old: Vec<_> = stored
        .previous_payloads
        .iter()
        .map(|old| &old.payload[..])
        .collect();
    assert_eq!(old, [b"one", b"two"], "the last two are kept");
    assert!(stored.previous_payloads[0].replaced <= stored.previous_payloads[1].replaced);
    queue.close().await;
}

#[tokio::test]
async fn a_payload_over_the_limit_changes_nothing() {
    let queue = TestQueue::new();
    let id = job_in(&queue, JobState::Failed).await;
    let before = contents(&queue);
    let huge = Some((vec![0; MAX_PAYLOAD + 1].into(), None));
    let refused = queue.retry(id, huge, None).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.field()),
        (Code::PayloadTooLarge, Some("payload"))
    );
    let odd = Some(("".into(), Some("é".to_owned())));
    let refused = queue.retry(id, odd, None).await.unwrap_err();
    assert_eq!(refused.field(), Some("content_type"));
    assert_eq!(contents(&queue), before);
    assert_eq!(state(&queue, id).await, JobState::Failed);
    assert_eq!(numbers(&queue).await.counts.failed, 1);
    queue.close().await;
}
