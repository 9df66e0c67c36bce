//! What all changes of jobs have in common: versions, many at once, steps of
//! bulk operations.

use jobflow::testing::TestQueue;
use jobflow::{BulkStep, Change, Code, Error, Etag, Force, JobChanges, JobId, JobState, QueueName};

use crate::{
    claim_one, contents, default_queue, get, job, job_in, key, last_event, numbers, state, store,
    submit,
};

fn cancel() -> Change {
    Change::Cancel {
        reason: "bulk".to_owned(),
    }
}

fn step(from: &str, to: &str) -> BulkStep {
    BulkStep {
        operation: "op".to_owned(),
        expected_cursor: from.to_owned(),
        next_cursor: to.to_owned(),
    }
}

async fn change(
    queue: &TestQueue,
    change: &Change,
    ids: &[JobId],
    step: Option<&BulkStep>,
) -> Option<Vec<Result<JobState, Code>>> {
    let verdicts = queue.change_jobs(&default_queue(), change, ids, step).await;
    let code = |verdict: Result<JobState, Error>| verdict.map_err(|error| error.code());
    Some(verdicts.unwrap()?.into_iter().map(code).collect())
}

/// What is known of the bulk operation.
fn bulk(queue: &TestQueue, field: &str) -> Option<Vec<u8>> {
    let mut get = redis::cmd("HGET");
    get.arg(key(queue, "bulk")).arg(format!("op:{field}"));
    get.query(&mut store(queue)).unwrap()
}

#[tokio::test]
async fn an_etag_of_before_changes_nothing() {
    let queue = TestQueue::new();
    for from in [JobState::Failed, JobState::Retrying] {
        let id = job_in(&queue, from).await;
        let old = get(&queue, id).await.etag.unwrap();
        queue.retry(id, None, None).await.unwrap();
        let claimed = claim_one(&queue).await;
        queue
            .finish(&claimed, jobflow::Outcome::Fail(crate::error()))
            .await
            .unwrap();
        let present = get(&queue, id).await.etag.unwrap();
        assert_ne!(old, present);
        let before = contents(&queue);
        for etag in [old, Etag::new("x")] {
            let etag = Some(&etag);
            let payload = Some(("new".into(), None));
            for refused in [
                queue.cancel(id, "", etag).await.map(drop),
                queue.retry(id, None, etag).await,
                queue.retry(id, payload, etag).await,
                queue.update(id, JobChanges::default(), etag).await,
                queue.delete(id, Force::Yes, etag).await,
            ] {
                assert_eq!(refused.unwrap_err().code(), Code::EtagMismatch);
            }
        }
        assert_eq!(contents(&queue), before);
        queue.delete(id, Force::No, Some(&present)).await.unwrap();
    }
    queue.close().await;
}

#[tokio::test]
async fn every_change_makes_another_version() {
    let queue = TestQueue::new();
    let id = job_in(&queue, JobState::Scheduled).await;
    let mut seen = vec![get(&queue, id).await.etag.unwrap()];
    for n in 0..4 {
        let etag = seen.last();
        match n {
            0 => queue.update(id, JobChanges::default(), etag).await.unwrap(),
            1 => queue.promote_job(id).await.unwrap(),
            2 => drop(claim_one(&queue).await),
            _ => drop(queue.cancel(id, "", etag).await.unwrap()),
        }
        let etag = get(&queue, id).await.etag.unwrap();
        assert!(!seen.contains(&etag), "change {n}");
        seen.push(etag);
    }
    queue.close().await;
}

#[tokio::test]
async fn a_promotion_and_an_extension_leave_an_etag_valid_where_nothing_changed() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let etag = get(&queue, id).await.etag;
    queue.promote(&default_queue()).await.unwrap();
    queue.cancel(id, "", etag.as_ref()).await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn each_job_of_many_gets_its_own_verdict() {
    let queue = TestQueue::new();
    let done = job_in(&queue, JobState::Completed).await;
    let running = job_in(&queue, JobState::Active).await;
    let waiting = submit(&queue, job()).await;
    let unknown = JobId::generate(&default_queue());
    let ids = [waiting, done, unknown, running, waiting];
    let verdicts = change(&queue, &cancel(), &ids, None).await;
    let final_now = Err(Code::InvalidStateTransition);
    let expected = [
        Ok(JobState::Cancelled),
        final_now,
        Err(Code::JobNotFound),
        Ok(JobState::Active),
        final_now,
    ];
    assert_eq!(verdicts.unwrap(), expected);
    assert_eq!(numbers(&queue).await.totals.cancelled, 1);
    let verdicts = change(&queue, &Change::Retry, &[done, waiting, running], None).await;
    let waits = Ok(JobState::Waiting);
    assert_eq!(verdicts.unwrap(), [waits, waits, final_now]);
    let (name, ids) = last_event(&queue).remove(0);
    assert_eq!((&*name, ids.len()), ("w", 32), "one entry for both");
    let forced = Change::Delete(Force::Yes);
    let verdicts = change(&queue, &forced, &[done, waiting, running], None).await;
    assert!(verdicts.unwrap().iter().all(Result::is_ok));
    let scheduled = job_in(&queue, JobState::Scheduled).await;
    let verdicts = change(&queue, &Change::Promote, &[scheduled, done], None).await;
    assert_eq!(verdicts.unwrap(), [waits, Err(Code::JobNotFound)]);
    queue.close().await;
}

#[tokio::test]
async fn too_many_jobs_and_a_long_reason_are_refused_at_once() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let before = contents(&queue);
    let ids = [id; 101];
    let refused = queue
        .change_jobs(&default_queue(), &cancel(), &ids, None)
        .await;
    assert_eq!(refused.unwrap_err().field(), Some("ids"));
    let long = Change::Cancel {
        reason: "r".repeat(1_025),
    };
    let refused = queue
        .change_jobs(&default_queue(), &long, &ids[..1], None)
        .await;
    assert_eq!(refused.unwrap_err().field(), Some("reason"));
    assert_eq!(contents(&queue), before);
    queue.close().await;
}

#[tokio::test]
async fn a_step_moves_the_operation_on_with_its_counts() {
    let queue = TestQueue::new();
    let done = job_in(&queue, JobState::Completed).await;
    let ids = [submit(&queue, job()).await, submit(&queue, job()).await];
    let first = step("", "1");
    let targets = [ids[0], done];
    assert!(
        change(&queue, &cancel(), &targets, Some(&first))
            .await
            .is_some()
    );
    assert_eq!(bulk(&queue, "cursor").unwrap(), b"1");
    assert_eq!(bulk(&queue, "changed").unwrap(), b"1");
    assert_eq!(bulk(&queue, "skipped").unwrap(), b"1");
    let why = b"INVALID_STATE_TRANSITION completed";
    let entry = [done.as_bytes(), &[34][..], why].concat();
    assert_eq!(bulk(&queue, "failures").unwrap(), entry);
    // A page without jobs moves it on as well.
    let second = step("1", "2");
    assert_eq!(
        change(&queue, &cancel(), &[], Some(&second)).await,
        Some(Vec::new())
    );
    assert_eq!(bulk(&queue, "cursor").unwrap(), b"2");
    let third = step("2", "3");
    change(&queue, &cancel(), &ids[1..], Some(&third))
        .await
        .unwrap();
    assert_eq!(bulk(&queue, "changed").unwrap(), b"2");
    assert_eq!(bulk(&queue, "failures").unwrap(), entry);
    queue.close().await;
}

#[tokio::test]
async fn a_step_from_elsewhere_does_nothing() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let first = step("", "1");
    change(&queue, &Change::Promote, &[], Some(&first))
        .await
        .unwrap();
    let before = contents(&queue);
    let changes = [
        cancel(),
        Change::Retry,
        Change::Promote,
        Change::Delete(Force::Yes),
    ];
    for done_before in [step("", "1"), step("2", "3")] {
        for change in &changes {
            for ids in [&[id][..], &[]] {
                let verdicts = self::change(&queue, change, ids, Some(&done_before)).await;
                assert_eq!(verdicts, None);
            }
        }
    }
    assert_eq!(contents(&queue), before);
    assert_eq!(state(&queue, id).await, JobState::Waiting);
    queue.close().await;
}

#[tokio::test]
async fn the_failures_of_a_long_operation_stay_bounded() {
    let queue = TestQueue::new();
    let unknown: Vec<_> = (0..100)
        .map(|_| JobId::generate(&default_queue()))
        .collect();
    submit(&queue, job()).await;
    let mut cursor = String::new();
    for n in 1..=10 {
        let next = n.to_string();
        let step = step(&cursor, &next);
        change(&queue, &Change::Retry, &unknown, Some(&step))
            .await
            .unwrap();
        cursor = next;
    }
    assert_eq!(bulk(&queue, "skipped").unwrap(), b"1000");
    let failures = bulk(&queue, "failures").unwrap();
    let entry = 16 + 1 + "JOB_NOT_FOUND".len();
    assert!(failures.len() < 16_384 && failures.len().is_multiple_of(100 * entry));
    queue.close().await;
}

#[tokio::test]
async fn jobs_of_an_unknown_queue_are_not_found() {
    let queue = TestQueue::new();
    let unknown = QueueName::new("nowhere").unwrap();
    let id = JobId::generate(&unknown);
    let refused = queue.cancel(id, "", None).await.unwrap_err();
    assert_eq!(refused, Error::JobNotFound { id });
    let verdicts = queue.change_jobs(&unknown, &cancel(), &[id], None).await;
    assert_eq!(verdicts.unwrap().unwrap(), [Err(Error::JobNotFound { id })]);
    assert!(contents(&queue).is_empty());
    queue.close().await;
}
