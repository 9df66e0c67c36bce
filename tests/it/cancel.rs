use std::time::Duration;

use bytes::Bytes;
use jobflow::testing::{TestQueue, namespace_key};
use jobflow::{Code, Error, Extension, JobResult, JobState, Kind, Outcome};

use crate::{
    LEASE, WORKER, bring_to, claim, claim_one, contents, default_queue, error, get, job, job_in,
    key, last_event, lose_worker, numbers, state, store, submit,
};

const REASON: &str = "no longer wanted";

#[tokio::test]
async fn a_job_that_does_not_run_is_cancelled_at_once() {
    let queue = TestQueue::new();
    let states = [JobState::Retrying, JobState::Scheduled, JobState::Waiting];
    for from in states {
        let id = job_in(&queue, from).await;
        assert_eq!(
            queue.cancel(id, REASON, None).await.unwrap(),
            JobState::Cancelled
        );
        let stored = get(&queue, id).await;
        assert_eq!(stored.state, JobState::Cancelled, "from {from}");
        let error = stored.error.unwrap();
        assert_eq!((&*error.code, &*error.message), ("CANCELLED", REASON));
        assert!(stored.finished >= Some(stored.created));
        assert!(!stored.cancel_requested);
        assert_eq!(
            last_event(&queue),
            [("x".to_owned(), id.as_bytes().to_vec())]
        );
    }
    let numbers = numbers(&queue).await;
    assert_eq!((numbers.counts.cancelled, numbers.totals.cancelled), (3, 3));
    assert!(claim(&queue, 10).await.jobs.is_empty());
    queue.close().await;
}

#[tokio::test]
async fn a_job_of_a_paused_kind_is_cancelled_where_it_lies() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let kind = Kind::new("noop").unwrap();
    queue
        .pause(&default_queue(), Some(&kind), "", None)
        .await
        .unwrap();
    assert!(claim(&queue, 1).await.jobs.is_empty());
    queue.cancel(id, "", None).await.unwrap();
    assert_eq!(state(&queue, id).await, JobState::Cancelled);
    queue.resume(&default_queue(), Some(&kind)).await.unwrap();
    assert!(claim(&queue, 1).await.jobs.is_empty());
    queue.close().await;
}

#[tokio::test]
async fn an_active_job_is_asked_to_end_and_its_worker_is_told() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    let mut listener = store(&queue);
    let mut channel = listener.as_pubsub();
    let name = namespace_key(&queue.config().namespace, "control");
    channel.subscribe(name).unwrap();
    for _ in 0..2 {
        let now = queue.cancel(id, REASON, None).await.unwrap();
        assert_eq!(now, JobState::Active);
        let told: Vec<u8> = channel.get_message().unwrap().get_payload().unwrap();
        assert_eq!(told, [b"c", &id.as_bytes()[..]].concat());
    }
    assert!(get(&queue, id).await.cancel_requested);
    let lease = [(id, claimed.token)];
    let extended = queue.extend(&default_queue(), LEASE, &lease).await.unwrap();
    assert_eq!(extended, [Extension::CancelRequested]);
    queue.finish(&claimed, Outcome::Cancelled).await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn each_outcome_of_a_job_asked_to_end_leads_to_its_state() {
    let queue = TestQueue::new();
    let result = JobResult {
        bytes: Bytes::from_static(b"1"),
        content_type: "application/json".to_owned(),
    };
    for (outcome, expected) in [
        (Outcome::Ack(None), JobState::Completed),
        (Outcome::Ack(Some(result)), JobState::Completed),
        (Outcome::Error(error()), JobState::Cancelled),
        (Outcome::ErrorAfter(LEASE, error()), JobState::Cancelled),
        (Outcome::Fail(error()), JobState::Cancelled),
        (Outcome::Snooze(LEASE), JobState::Cancelled),
        (Outcome::Release, JobState::Cancelled),
        (Outcome::Unhandled(LEASE), JobState::Cancelled),
        (Outcome::Cancelled, JobState::Cancelled),
    ] {
        let id = submit(&queue, job()).await;
        let claimed = claim_one(&queue).await;
        queue.cancel(id, REASON, None).await.unwrap();
        for _ in 0..2 {
            let now = queue.finish(&claimed, outcome.clone()).await.unwrap();
            assert_eq!(now, expected, "{outcome:?}");
        }
        let stored = get(&queue, id).await;
        assert_eq!(stored.state, expected, "{outcome:?}");
        let reason = stored.error.map(|error| error.message);
        let kept = (expected == JobState::Cancelled).then(|| REASON.to_owned());
        assert_eq!(reason, kept, "{outcome:?}");
        assert!(!stored.cancel_requested);
    }
    let totals = numbers(&queue).await.totals;
    assert_eq!((totals.completed, totals.cancelled), (2, 7));
    assert_eq!((totals.errored, totals.failed, totals.snoozed), (0, 0, 0));
    queue.close().await;
}

#[tokio::test]
async fn a_job_asked_to_end_whose_worker_is_lost_becomes_cancelled() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let short = Duration::from_millis(100);
    let lost = queue
        .claim(&default_queue(), 1, short, WORKER)
        .await
        .unwrap();
    queue.cancel(id, REASON, None).await.unwrap();
    jobflow::testing::wait_for("the lease to run out", || async {
        queue.reap(&default_queue()).await.unwrap();
        (state(&queue, id).await == JobState::Cancelled).then_some(())
    })
    .await;
    assert_eq!(get(&queue, id).await.error.unwrap().message, REASON);
    let late = queue.finish(&lost.jobs[0], Outcome::Ack(None)).await;
    assert_eq!(late.unwrap_err().code(), Code::LeaseLost);
    assert_eq!(numbers(&queue).await.totals.cancelled, 1);
    queue.close().await;
}

#[tokio::test]
async fn a_job_is_retried_as_if_nobody_had_called_it_off() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    queue.cancel(id, REASON, None).await.unwrap();
    queue.finish(&claimed, Outcome::Release).await.unwrap();
    queue.retry(id, None, None).await.unwrap();
    let again = claim_one(&queue).await;
    assert!(!get(&queue, id).await.cancel_requested);
    assert_eq!(
        queue.finish(&again, Outcome::Release).await.unwrap(),
        JobState::Waiting
    );
    lose_worker(&queue).await;
    assert_eq!(state(&queue, id).await, JobState::Waiting);
    queue.close().await;
}

#[tokio::test]
async fn a_final_job_can_not_be_cancelled() {
    let queue = TestQueue::new();
    for from in [JobState::Completed, JobState::Failed, JobState::Cancelled] {
        let id = job_in(&queue, from).await;
        let before = contents(&queue);
        let refused = queue.cancel(id, REASON, None).await.unwrap_err();
        let Error::InvalidStateTransition {
            from: named, to, ..
        } = refused
        else {
            panic!("{refused}")
        };
        assert_eq!((named, to), (from, Some(JobState::Cancelled)));
        assert_eq!(contents(&queue), before);
    }
    queue.close().await;
}

#[tokio::test]
async fn a_reason_over_its_limit_is_refused() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let long = "r".repeat(1_025);
    let refused = queue.cancel(id, &long, None).await.unwrap_err();
    assert_eq!(refused.field(), Some("reason"));
    queue.cancel(id, &long[..1_024], None).await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn only_the_newest_cancelled_jobs_are_kept() {
    let queue = TestQueue::with(|config| config.retention.cancelled.count = 2);
    let mut ids = Vec::new();
    for n in 0..4 {
        let keyed = job().idempotency_key(format!("k{n}")).unwrap();
        ids.push(bring_to(&queue, keyed, JobState::Waiting).await);
        queue.cancel(ids[n], "", None).await.unwrap();
    }
    assert_eq!(numbers(&queue).await.counts.cancelled, 2);
    let mut store = store(&queue);
    let held: usize = redis::cmd("HLEN")
        .arg(key(&queue, "idem"))
        .query(&mut store)
        .unwrap();
    assert_eq!(held, 2);
    queue.close().await;
}
