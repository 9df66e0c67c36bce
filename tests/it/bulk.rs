use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use futures_util::future::join_all;
use jobflow::testing::{TestQueue, wait_for};
use jobflow::{
    BulkAction, BulkOperation, BulkState, BulkTarget, Code, Filter, Fingerprint, JobError, JobId,
    JobQueue, JobState, NewBulk, NewJob, Outcome, Pulses, QueueName, RunAt, maintenance,
};
use tokio::task::JoinHandle;

use crate::list::submit_many;
use crate::{LEASE, WORKER, claim, claim_one, default_queue, error, job, state, submit};

pub(crate) fn bulk(action: BulkAction, target: BulkTarget) -> NewBulk {
    NewBulk {
        action,
        target,
        reason: String::new(),
        rate: 0.0,
        validate_only: false,
        request_id: None,
    }
}

pub(crate) fn of(filter: &str) -> BulkTarget {
    BulkTarget::Filter(Filter::parse(filter).unwrap())
}

pub(crate) fn runner(queue: &JobQueue) -> JoinHandle<()> {
    tokio::spawn(maintenance::run_bulks(
        queue.clone(),
        Pulses::default(),
        pending(),
    ))
}

pub(crate) async fn done(queue: &JobQueue, id: &str) -> BulkOperation {
    wait_for("the end of a bulk operation", async || {
        let operation = queue.get_bulk(id).await.unwrap();
        operation.is_over().then_some(operation)
    })
    .await
}

/// Starts it and waits for its end.
pub(crate) async fn run(queue: &JobQueue, new: NewBulk) -> BulkOperation {
    let runner = runner(queue);
    let started = queue.start_bulk(new).await.unwrap();
    assert_eq!(started.state, BulkState::Running);
    let operation = done(queue, &started.id).await;
    runner.abort();
    operation
}

async fn fail(queue: &TestQueue, message: &str) -> JobId {
    submit(queue, job()).await;
    let claimed = claim_one(queue).await;
    let error = JobError {
        code: "HANDLER_ERROR".to_owned(),
        message: message.to_owned(),
    };
    queue.finish(&claimed, Outcome::Fail(error)).await.unwrap();
    claimed.id
}

#[tokio::test]
async fn named_jobs_are_changed_and_the_others_told() {
    let queue = TestQueue::new();
    let failed = fail(&queue, "no").await;
    let waiting = submit(&queue, job()).await;
    let elsewhere = submit(&queue, job().queue("mail").unwrap()).await;
    let nowhere = JobId::generate(&QueueName::default());
    let ids = vec![waiting, nowhere, failed, elsewhere, waiting];
    let new = NewBulk {
        reason: "spring cleaning".to_owned(),
        ..bulk(BulkAction::Cancel, BulkTarget::Ids(ids))
    };
    let operation = run(&queue, new).await;
    assert_eq!(operation.state, BulkState::Done);
    assert_eq!((operation.total.count, operation.total.complete), (3, true));
    assert_eq!((operation.changed, operation.skipped), (2, 2));
    let reasons: BTreeSet<_> = operation
        .failures
        .iter()
        .map(|failure| (failure.id, failure.reason.as_str()))
        .collect();
    let expected = [
        (nowhere, "JOB_NOT_FOUND"),
        (failed, "INVALID_STATE_TRANSITION"),
    ];
    assert_eq!(reasons, BTreeSet::from(expected));
    assert!(operation.created.unwrap() <= operation.finished.unwrap());
    for id in [waiting, elsewhere] {
        let job = queue.get(id).await.unwrap();
        assert_eq!(job.state, JobState::Cancelled);
        assert_eq!(job.error.unwrap().message, "spring cleaning");
    }
    assert_eq!(state(&queue, failed).await, JobState::Failed);
    queue.close().await;
}

#[tokio::test]
async fn each_action_changes_the_jobs_that_it_suits() {
    let queue = TestQueue::new();
    let failed = fail(&queue, "no").await;
    submit(&queue, job()).await;
    let completed = claim_one(&queue).await;
    queue.finish(&completed, Outcome::Ack(None)).await.unwrap();
    let later = || RunAt::After(Duration::from_secs(600));
    let scheduled = submit(&queue, job().run_at(later()).unwrap()).await;

    let promoted = run(&queue, bulk(BulkAction::Promote, of(""))).await;
    assert_eq!((promoted.changed, promoted.skipped), (1, 0));
    assert_eq!(state(&queue, scheduled).await, JobState::Waiting);

    let retried = run(&queue, bulk(BulkAction::Retry, of("kind = noop"))).await;
    assert_eq!((retried.changed, retried.skipped), (1, 0));
    assert_eq!(state(&queue, failed).await, JobState::Waiting);
    assert_eq!(state(&queue, completed.id).await, JobState::Completed);

    let again = run(&queue, bulk(BulkAction::Retry, of("state = completed"))).await;
    assert_eq!((again.changed, again.total.count), (1, 1));
    assert_eq!(state(&queue, completed.id).await, JobState::Waiting);

    let active = claim_one(&queue).await;
    let deleted = run(&queue, bulk(BulkAction::Delete, of(""))).await;
    assert_eq!((deleted.changed, deleted.skipped), (2, 0));
    assert_eq!(state(&queue, active.id).await, JobState::Active);

    let asked = run(&queue, bulk(BulkAction::Cancel, of("state = active"))).await;
    assert_eq!(asked.changed, 1);
    assert!(queue.get(active.id).await.unwrap().cancel_requested);
    queue.close().await;
}

#[tokio::test]
async fn jobs_that_come_or_move_after_the_start_are_left_alone() {
    let queue = TestQueue::new();
    let old = fail(&queue, "no").await;
    let waiting = submit(&queue, job()).await;
    let moved = submit(&queue, job()).await;
    let retry = queue
        .start_bulk(bulk(BulkAction::Retry, of("")))
        .await
        .unwrap();
    let cancel = queue
        .start_bulk(bulk(BulkAction::Cancel, of("")))
        .await
        .unwrap();
    crate::next_millisecond(&queue, cancel.created.unwrap()).await;
    // Nobody runs them yet.
    let new = submit(&queue, job()).await;
    queue.cancel(waiting, "", None).await.unwrap();
    let claimed = claim(&queue, 1).await.jobs.remove(0);
    assert_eq!(claimed.id, moved);
    queue
        .finish(&claimed, Outcome::Fail(error()))
        .await
        .unwrap();

    let runner = runner(&queue);
    let retry = done(&queue, &retry.id).await;
    let cancel = done(&queue, &cancel.id).await;
    runner.abort();
    assert_eq!((retry.changed, retry.skipped), (1, 0));
    assert_eq!((cancel.changed, cancel.skipped), (0, 0));
    for (id, is) in [
        (old, JobState::Waiting),
        (new, JobState::Waiting),
        (waiting, JobState::Cancelled),
        (moved, JobState::Failed),
    ] {
        assert_eq!(state(&queue, id).await, is, "{id}");
    }
    queue.close().await;
}

#[tokio::test]
async fn a_group_of_dead_letters_is_replayed_by_its_fingerprint() {
    let queue = TestQueue::new();
    let mut of_cause = Vec::new();
    for i in 0..10 {
        let message = if i % 2 == 0 {
            format!("row {i} is bad")
        } else {
            "no disk".to_owned()
        };
        let id = fail(&queue, &message).await;
        of_cause.extend((i % 2 == 0).then_some(id));
    }
    let record = queue.get(of_cause[0]).await.unwrap();
    let print = Fingerprint::of(&record.kind, &record.error.unwrap()).hex;
    let filter = format!("state = failed AND fingerprint = {print}");
    let replayed = run(&queue, bulk(BulkAction::Retry, of(&filter))).await;
    assert_eq!((replayed.changed, replayed.total.count), (5, 5));
    for id in of_cause {
        assert_eq!(state(&queue, id).await, JobState::Waiting);
    }
    queue.close().await;
}

#[tokio::test]
async fn a_preview_counts_and_stores_nothing() {
    let queue = TestQueue::new();
    submit_many(&queue, 7, |_| job()).await;
    fail(&queue, "no").await;
    for (target, total) in [
        (of("state = waiting"), 7),
        (of(""), 7),
        (BulkTarget::Ids(vec![JobId::generate(&default_queue())]), 0),
    ] {
        let new = NewBulk {
            validate_only: true,
            ..bulk(BulkAction::Cancel, target)
        };
        let preview = queue.start_bulk(new).await.unwrap();
        assert_eq!((preview.id.as_str(), preview.total.count), ("", total));
    }
    assert!(queue.list_bulks(0, "").await.unwrap().operations.is_empty());
    queue.close().await;
}

#[tokio::test]
async fn a_repeated_start_returns_the_first_operation() {
    let queue = TestQueue::new();
    submit_many(&queue, 3, |_| job()).await;
    let new = NewBulk {
        request_id: Some("0198c0de-0000-4000-8000-000000000001".parse().unwrap()),
        ..bulk(BulkAction::Cancel, of(""))
    };
    let starts = join_all((0..8).map(|_| queue.start_bulk(new.clone()))).await;
    let ids: BTreeSet<_> = starts.into_iter().map(|start| start.unwrap().id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(queue.list_bulks(0, "").await.unwrap().operations.len(), 1);
    queue.close().await;
}

#[tokio::test]
async fn operations_are_listed_newest_first_and_the_oldest_are_forgotten() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let mut ids = Vec::new();
    for _ in 0..205 {
        let id = queue
            .start_bulk(bulk(BulkAction::Promote, of("")))
            .await
            .unwrap()
            .id;
        queue.stop_bulk(&id).await.unwrap();
        ids.push(id);
    }
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let page = queue.list_bulks(30, &token).await.unwrap();
        assert!(page.operations.len() <= 30);
        listed.extend(page.operations.into_iter().map(|operation| operation.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    ids.reverse();
    assert_eq!(listed.len(), 200);
    assert!(listed == ids[..200]);
    let gone = queue.get_bulk(&ids[204]).await.unwrap_err();
    assert_eq!(gone.code(), Code::BulkOperationNotFound);
    queue.close().await;
}

#[tokio::test]
async fn operations_out_of_range_are_refused() {
    let queue = TestQueue::new();
    let id = JobId::generate(&default_queue());
    let good = || bulk(BulkAction::Cancel, of(""));
    for (new, field) in [
        (
            NewBulk {
                rate: -1.0,
                ..good()
            },
            "rate",
        ),
        (
            NewBulk {
                rate: f64::NAN,
                ..good()
            },
            "rate",
        ),
        (
            NewBulk {
                rate: 1e9,
                ..good()
            },
            "rate",
        ),
        (
            NewBulk {
                reason: "x".repeat(1_025),
                ..good()
            },
            "reason",
        ),
        (
            NewBulk {
                target: BulkTarget::Ids(vec![]),
                ..good()
            },
            "ids",
        ),
        (
            NewBulk {
                target: BulkTarget::Ids(vec![id; 1_001]),
                ..good()
            },
            "ids",
        ),
    ] {
        let error = queue.start_bulk(new).await.unwrap_err();
        assert_eq!(error.field(), Some(field));
    }
    queue.close().await;
}

#[tokio::test]
async fn operations_that_are_not_there_and_foreign_tokens_are_told() {
    let queue = TestQueue::new();
    for id in [
        "",
        "x",
        "0198c0de-0000-7000-8000-000000000001",
        "0198c0de-0000-7000-8000-000000000001:end",
    ] {
        for error in [
            queue.get_bulk(id).await.unwrap_err(),
            queue.stop_bulk(id).await.unwrap_err(),
        ] {
            assert_eq!(error.code(), Code::BulkOperationNotFound, "{id}");
        }
    }
    let error = queue.list_bulks(0, "odd").await.unwrap_err();
    assert_eq!(error.field(), Some("page_token"));
    queue.close().await;
}

#[tokio::test]
async fn large_sets_of_ids_go_through_several_steps_and_queues() {
    let queue = TestQueue::new();
    let mut ids = submit_many(&queue, 450, |_| job()).await;
    for _ in 0..50 {
        let other = NewJob::new("noop", "").unwrap().queue("mail").unwrap();
        ids.push(submit(&queue, other).await);
    }
    let jobs = queue
        .claim(&default_queue(), 5, LEASE, WORKER)
        .await
        .unwrap()
        .jobs;
    let operation = run(&queue, bulk(BulkAction::Delete, BulkTarget::Ids(ids))).await;
    assert_eq!((operation.changed, operation.skipped), (495, 5));
    assert_eq!(operation.failures.len(), 5);
    assert!(jobs.iter().all(|job| {
        operation
            .failures
            .iter()
            .any(|failure| failure.id == job.id)
    }));
    queue.close().await;
}
