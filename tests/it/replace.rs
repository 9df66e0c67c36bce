use jobflow::testing::TestQueue;
use jobflow::{
    Code, Error, JobId, JobState, KeyScope, Kind, NewJob, OnConflict, Outcome, SettingsChange,
};

use crate::{
    bring_to, claim, claim_one, contents, default_queue, get, job, job_in, key, last_event,
    lose_worker, numbers, state, store, submit,
};

const KEY: &str = "order-1";

fn keyed(on_conflict: OnConflict) -> NewJob {
    job().idempotency_key(KEY).unwrap().on_conflict(on_conflict)
}

fn kept() -> NewJob {
    keyed(OnConflict::ReturnExisting)
}

fn scoped() -> NewJob {
    kept().key_scope(KeyScope::Unfinished)
}

const STATES: [JobState; 7] = [
    JobState::Scheduled,
    JobState::Waiting,
    JobState::Active,
    JobState::Retrying,
    JobState::Completed,
    JobState::Failed,
    JobState::Cancelled,
];

#[tokio::test]
async fn a_rejecting_submit_names_the_holder_and_its_state() {
    for holds in STATES {
        let queue = TestQueue::new();
        let holder = bring_to(&queue, kept(), holds).await;
        let before = contents(&queue);
        let refused = queue.submit(keyed(OnConflict::Reject)).await.unwrap_err();
        assert_eq!(
            refused,
            Error::IdempotencyConflict {
                id: holder,
                state: holds
            }
        );
        assert_eq!(contents(&queue), before);
        queue.close().await;
    }
}

#[tokio::test]
async fn a_rejecting_submit_repeated_under_its_id_finds_itself() {
    let queue = TestQueue::new();
    let id = JobId::generate(&default_queue());
    let new = || keyed(OnConflict::Reject).id(id).unwrap();
    assert!(!queue.submit(new()).await.unwrap().duplicate);
    let again = queue.submit(new()).await.unwrap();
    assert_eq!((again.id, again.duplicate), (id, true));
    // A request id is no key of the caller's: its repeat is no conflict.
    let request = uuid::Uuid::now_v7();
    let named = || job().request_id(request).on_conflict(OnConflict::Reject);
    let first = submit(&queue, named()).await;
    assert_eq!(submit(&queue, named()).await, first);
    queue.close().await;
}

#[tokio::test]
async fn a_replacing_submit_calls_off_a_job_that_does_not_run() {
    for policy in [OnConflict::ReplaceWaiting, OnConflict::CancelActive] {
        for holds in [JobState::Scheduled, JobState::Waiting, JobState::Retrying] {
            let queue = TestQueue::new();
            let holder = bring_to(&queue, kept(), holds).await;
            let submitted = queue.submit(keyed(policy)).await.unwrap();
            assert_eq!(submitted.replaced, Some(holder), "{holds}");
            assert!(!submitted.duplicate);
            let old = get(&queue, holder).await;
            assert_eq!(
                (old.state, old.idempotency_key),
                (JobState::Cancelled, None)
            );
            assert_eq!(old.error.unwrap().code, "CANCELLED");
            let new = get(&queue, submitted.id).await;
            assert_eq!(new.idempotency_key.as_deref(), Some(KEY));
            assert_eq!(claim_one(&queue).await.id, submitted.id);
            assert_eq!(numbers(&queue).await.totals.cancelled, 1);
            queue.close().await;
        }
    }
}

#[tokio::test]
async fn a_replacing_submit_finds_a_parked_job() {
    let queue = TestQueue::new();
    let holder = submit(&queue, kept()).await;
    let kind = Kind::new("noop").unwrap();
    queue
        .pause(&default_queue(), Some(&kind), "", None)
        .await
        .unwrap();
    assert!(claim(&queue, 1).await.jobs.is_empty());
    let submitted = queue.submit(keyed(OnConflict::ReplaceWaiting)).await;
    assert_eq!(submitted.unwrap().replaced, Some(holder));
    assert_eq!(state(&queue, holder).await, JobState::Cancelled);
    queue.close().await;
}

#[tokio::test]
async fn replace_waiting_returns_a_job_that_has_started() {
    for holds in [
        JobState::Active,
        JobState::Completed,
        JobState::Failed,
        JobState::Cancelled,
    ] {
        let queue = TestQueue::new();
        let holder = bring_to(&queue, kept(), holds).await;
        let submitted = queue
            .submit(keyed(OnConflict::ReplaceWaiting))
            .await
            .unwrap();
        assert_eq!((submitted.id, submitted.duplicate), (holder, true));
        assert_eq!((submitted.state, submitted.replaced), (holds, None));
        assert!(!get(&queue, holder).await.cancel_requested);
        queue.close().await;
    }
}

#[tokio::test]
async fn cancel_active_asks_the_running_job_to_end_and_says_why() {
    let queue = TestQueue::new();
    let holder = submit(&queue, scoped()).await;
    let running = claim_one(&queue).await;
    let submitted = queue.submit(keyed(OnConflict::CancelActive)).await.unwrap();
    assert_eq!(submitted.replaced, Some(holder));
    let asked = get(&queue, holder).await;
    assert!(asked.cancel_requested);
    assert_eq!(asked.idempotency_key, None);
    queue.finish(&running, Outcome::Release).await.unwrap();
    let old = get(&queue, holder).await;
    assert_eq!(old.state, JobState::Cancelled);
    assert_eq!(
        old.error.unwrap().message,
        "replaced by a job with the same idempotency key"
    );
    // The key is the new job's by now; the end of the old one frees nothing.
    assert_eq!(submit(&queue, kept()).await, submitted.id);
    queue.close().await;
}

#[tokio::test]
async fn cancel_active_takes_the_key_of_a_final_job() {
    for holds in [JobState::Completed, JobState::Failed, JobState::Cancelled] {
        let queue = TestQueue::new();
        let holder = bring_to(&queue, kept(), holds).await;
        let submitted = queue.submit(keyed(OnConflict::CancelActive)).await.unwrap();
        assert_eq!(submitted.replaced, Some(holder));
        let old = get(&queue, holder).await;
        assert_eq!((old.state, old.idempotency_key), (holds, None));
        queue.close().await;
    }
}

#[tokio::test]
async fn within_one_batch_the_first_job_of_a_key_wins() {
    let queue = TestQueue::new();
    let holder = submit(&queue, kept()).await;
    let batch = vec![
        kept(),
        keyed(OnConflict::ReplaceWaiting),
        keyed(OnConflict::ReplaceWaiting),
        job(),
    ];
    let results = queue.submit_batch(batch).await;
    let submitted: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!((submitted[0].id, submitted[0].duplicate), (holder, true));
    assert_eq!(submitted[0].state, JobState::Cancelled);
    assert_eq!(submitted[1].replaced, Some(holder));
    assert_eq!(submitted[2].id, submitted[1].id);
    assert!(submitted[2].duplicate && !submitted[3].duplicate);
    assert_eq!(numbers(&queue).await.counts.waiting, 2);
    queue.close().await;
}

#[tokio::test]
async fn a_replacing_submit_whose_answer_was_lost_does_not_replace_itself() {
    let queue = TestQueue::new();
    let holder = submit(&queue, kept()).await;
    let id = JobId::generate(&default_queue());
    for n in 0..3 {
        let new = keyed(OnConflict::CancelActive).id(id).unwrap();
        let submitted = queue.submit(new).await.unwrap();
        assert_eq!((submitted.id, submitted.duplicate), (id, n > 0));
    }
    assert_eq!(state(&queue, holder).await, JobState::Cancelled);
    assert_eq!(state(&queue, id).await, JobState::Waiting);
    queue.close().await;
}

#[tokio::test]
async fn a_full_queue_lets_a_job_be_replaced_but_not_be_doubled() {
    let queue = TestQueue::new();
    let holder = submit(&queue, kept()).await;
    let full = [SettingsChange::MaxWaiting(Some(1))];
    queue
        .update_settings(&default_queue(), &full, None)
        .await
        .unwrap();
    let submitted = queue
        .submit(keyed(OnConflict::ReplaceWaiting))
        .await
        .unwrap();
    assert_eq!(submitted.replaced, Some(holder));
    // It runs now and waits no more, so a second one would be one too many.
    claim_one(&queue).await;
    submit(&queue, job()).await;
    let refused = queue.submit(keyed(OnConflict::CancelActive)).await;
    assert_eq!(refused.unwrap_err().code(), Code::QueueFull);
    assert!(!get(&queue, submitted.id).await.cancel_requested);
    queue.close().await;
}

#[tokio::test]
async fn a_draining_queue_replaces_nothing() {
    let queue = TestQueue::new();
    let holder = submit(&queue, kept()).await;
    queue.drain(&default_queue()).await.unwrap();
    let refused = queue.submit(keyed(OnConflict::CancelActive)).await;
    assert_eq!(refused.unwrap_err().code(), Code::QueueDraining);
    assert_eq!(state(&queue, holder).await, JobState::Waiting);
    assert!(queue.submit(kept()).await.unwrap().duplicate);
    queue.close().await;
}

#[tokio::test]
async fn a_key_of_unfinished_jobs_is_freed_however_the_job_ends() {
    let queue = TestQueue::with(|config| config.crash_cap = 1);
    let outcomes = [
        Some(Outcome::Ack(None)),
        Some(Outcome::Fail(crate::error())),
        Some(Outcome::Cancelled),
        None,
    ];
    for outcome in outcomes {
        let id = submit(&queue, scoped()).await;
        match outcome {
            Some(outcome) => {
                let claimed = claim_one(&queue).await;
                queue.finish(&claimed, outcome).await.unwrap();
            }
            None => lose_worker(&queue).await,
        }
        assert!(state(&queue, id).await.is_final());
        assert_eq!(get(&queue, id).await.idempotency_key, None);
    }
    let id = submit(&queue, scoped()).await;
    queue.cancel(id, "", None).await.unwrap();
    let late = jobflow::StartLimit::Before(jobflow::StoreTime(1));
    let id = submit(&queue, scoped().start_limit(late).unwrap()).await;
    assert!(claim(&queue, 1).await.jobs.is_empty());
    assert_eq!(state(&queue, id).await, JobState::Failed);
    assert!(!queue.submit(scoped()).await.unwrap().duplicate);
    assert_eq!(numbers(&queue).await.totals.submitted, 7);
    queue.close().await;
}

#[tokio::test]
async fn a_key_of_unfinished_jobs_outlives_attempts() {
    let queue = TestQueue::new();
    let id = submit(&queue, scoped()).await;
    for outcome in [
        Outcome::ErrorAfter(std::time::Duration::ZERO, crate::error()),
        Outcome::Release,
        Outcome::Snooze(std::time::Duration::ZERO),
    ] {
        let claimed = claim_one(&queue).await;
        queue.finish(&claimed, outcome).await.unwrap();
        let again = queue.submit(scoped()).await.unwrap();
        assert_eq!((again.id, again.duplicate), (id, true));
    }
    queue.close().await;
}

#[tokio::test]
async fn a_replaced_job_is_told_of_before_the_new_one() {
    let queue = TestQueue::new();
    let holder = submit(&queue, kept()).await;
    let new = submit(&queue, keyed(OnConflict::ReplaceWaiting)).await;
    assert_eq!(
        last_event(&queue),
        [("w".to_owned(), new.as_bytes().to_vec())]
    );
    let held: Vec<u8> = redis::cmd("HGET")
        .arg(key(&queue, "idem"))
        .arg(format!("k:{KEY}"))
        .query(&mut store(&queue))
        .unwrap();
    assert_eq!(held, new.as_bytes());
    let free = job_in(&queue, JobState::Scheduled).await;
    assert_ne!(free, holder);
    queue.close().await;
}
