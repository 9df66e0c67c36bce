use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{
    Backoff, Code, Durability, Etag, JobState, MAX_DELAY, Outcome, QueueName, QueueSettings, RunAt,
    SettingsChange,
};

use crate::{
    LEASE, claim, claim_one, contents, default_queue, error, get, job, job_in, numbers, submit,
};

async fn set(queue: &TestQueue, changes: &[SettingsChange]) {
    queue
        .update_settings(&default_queue(), changes, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn every_setting_is_shown_and_goes_back_to_its_default() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let hour = Duration::from_secs(3_600);
    let backoff = Backoff::new(LEASE, 1.5, hour).unwrap();
    let changes = [
        SettingsChange::MaxWaiting(Some(9)),
        SettingsChange::KeepCompleted(Some(1)),
        SettingsChange::AgeCompleted(Some(hour)),
        SettingsChange::KeepFailed(Some(2)),
        SettingsChange::AgeFailed(Some(2 * hour)),
        SettingsChange::KeepCancelled(Some(3)),
        SettingsChange::AgeCancelled(Some(3 * hour)),
        SettingsChange::MaxAttempts(Some(4)),
        SettingsChange::Timeout(Some(LEASE)),
        SettingsChange::Backoff(Some(backoff)),
        SettingsChange::Durability(Some(Durability::Fsync)),
    ];
    set(&queue, &changes).await;
    let expected = QueueSettings {
        max_waiting: Some(9),
        keep_completed: Some(1),
        age_completed: Some(hour),
        keep_failed: Some(2),
        age_failed: Some(2 * hour),
        keep_cancelled: Some(3),
        age_cancelled: Some(3 * hour),
        max_attempts: Some(4),
        timeout: Some(LEASE),
        backoff: Some(backoff),
        durability: Some(Durability::Fsync),
        partitions: None,
    };
    assert_eq!(numbers(&queue).await.control.settings, expected);
    let back = [
        SettingsChange::MaxWaiting(None),
        SettingsChange::KeepCompleted(None),
        SettingsChange::AgeCompleted(None),
        SettingsChange::KeepFailed(None),
        SettingsChange::AgeFailed(None),
        SettingsChange::KeepCancelled(None),
        SettingsChange::AgeCancelled(None),
        SettingsChange::MaxAttempts(None),
        SettingsChange::Timeout(None),
        SettingsChange::Backoff(None),
        SettingsChange::Durability(None),
    ];
    set(&queue, &back).await;
    assert_eq!(
        numbers(&queue).await.control.settings,
        QueueSettings::default()
    );
    queue.close().await;
}

#[tokio::test]
async fn an_etag_of_before_changes_nothing() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let first = numbers(&queue).await.control.etag;
    set(&queue, &[SettingsChange::KeepFailed(Some(1))]).await;
    let second = numbers(&queue).await.control.etag;
    assert_ne!(first, second);
    let before = contents(&queue);
    for old in [first, Etag::new("x")] {
        let changes = [SettingsChange::KeepFailed(Some(2))];
        let refused = queue
            .update_settings(&default_queue(), &changes, Some(&old))
            .await;
        assert_eq!(refused.unwrap_err().code(), Code::EtagMismatch);
    }
    let one_bad = [
        SettingsChange::KeepFailed(Some(2)),
        SettingsChange::AgeFailed(Some(2 * MAX_DELAY)),
    ];
    let refused = queue
        .update_settings(&default_queue(), &one_bad, None)
        .await;
    assert_eq!(refused.unwrap_err().field(), Some("age_failed"));
    assert_eq!(contents(&queue), before);
    let changes = [SettingsChange::KeepFailed(Some(3))];
    queue
        .update_settings(&default_queue(), &changes, Some(&second))
        .await
        .unwrap();
    assert_eq!(numbers(&queue).await.control.settings.keep_failed, Some(3));
    queue.close().await;
}

#[tokio::test]
async fn an_unknown_queue_has_no_settings() {
    let queue = TestQueue::new();
    let unknown = QueueName::new("nowhere").unwrap();
    let refused = queue.update_settings(&unknown, &[], None).await;
    assert_eq!(refused.unwrap_err().code(), Code::QueueNotFound);
    assert!(contents(&queue).is_empty());
    queue.close().await;
}

#[tokio::test]
async fn a_full_queue_takes_no_more_until_one_has_left() {
    let queue = TestQueue::new();
    let kept = submit(&queue, job().idempotency_key("k").unwrap()).await;
    set(&queue, &[SettingsChange::MaxWaiting(Some(3))]).await;
    let later = job().run_at(RunAt::After(LEASE)).unwrap();
    let batch = vec![job(), later, job(), job().idempotency_key("k").unwrap()];
    let results = queue.submit_batch(batch).await;
    assert!(results[0].is_ok() && results[1].is_ok());
    let refused = results[2].as_ref().unwrap_err();
    assert_eq!(refused.code(), Code::QueueFull);
    assert!(refused.is_transient());
    assert_eq!(
        results[3].as_ref().unwrap().id,
        kept,
        "a repeat is no new job"
    );
    claim_one(&queue).await;
    submit(&queue, job()).await;
    let refused = queue.submit(job()).await.unwrap_err();
    assert_eq!(refused.code(), Code::QueueFull);
    assert_eq!(numbers(&queue).await.totals.submitted, 4);
    queue.close().await;
}

#[tokio::test]
async fn jobs_of_paused_kinds_count_as_waiting() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    set(&queue, &[SettingsChange::MaxWaiting(Some(1))]).await;
    let kind = jobflow::Kind::new("noop").unwrap();
    queue
        .pause(&default_queue(), Some(&kind), "", None)
        .await
        .unwrap();
    assert!(claim(&queue, 1).await.jobs.is_empty());
    let refused = queue.submit(job()).await.unwrap_err();
    assert_eq!(refused.code(), Code::QueueFull);
    queue.close().await;
}

#[tokio::test]
async fn a_queue_keeps_as_many_final_jobs_as_it_says() {
    let queue = TestQueue::new();
    submit(&queue, job()).await;
    let keep = [
        SettingsChange::KeepCompleted(Some(1)),
        SettingsChange::KeepFailed(Some(2)),
        SettingsChange::KeepCancelled(Some(0)),
    ];
    set(&queue, &keep).await;
    claim_one(&queue).await;
    for _ in 0..3 {
        for state in [JobState::Completed, JobState::Failed] {
            job_in(&queue, state).await;
        }
        let id = job_in(&queue, JobState::Scheduled).await;
        queue.cancel(id, "", None).await.unwrap();
    }
    let counts = numbers(&queue).await.counts;
    assert_eq!(
        (counts.completed, counts.failed, counts.cancelled),
        (1, 2, 0)
    );
    set(&queue, &[SettingsChange::KeepFailed(Some(0))]).await;
    queue.prune(&default_queue()).await.unwrap();
    assert_eq!(numbers(&queue).await.counts.failed, 0);
    queue.close().await;
}

#[tokio::test]
async fn a_queue_keeps_final_jobs_as_long_as_it_says() {
    let queue = TestQueue::new();
    for state in [JobState::Completed, JobState::Failed, JobState::Cancelled] {
        job_in(&queue, state).await;
    }
    let none = Some(Duration::ZERO);
    let ages = [
        SettingsChange::AgeCompleted(none),
        SettingsChange::AgeCancelled(none),
    ];
    set(&queue, &ages).await;
    assert_eq!(queue.prune(&default_queue()).await.unwrap(), 2);
    let counts = numbers(&queue).await.counts;
    assert_eq!(
        (counts.completed, counts.failed, counts.cancelled),
        (0, 1, 0)
    );
    queue.close().await;
}

#[tokio::test]
async fn a_queue_speaks_for_jobs_that_do_not_say() {
    let queue = TestQueue::new();
    let silent = submit(&queue, job()).await;
    let says = job().max_attempts(5).unwrap().timeout(LEASE).unwrap();
    let says = submit(&queue, says).await;
    let minute = Duration::from_secs(60);
    let backoff = Backoff::new(minute, 1.0, minute).unwrap();
    let defaults = [
        SettingsChange::MaxAttempts(Some(1)),
        SettingsChange::Timeout(Some(minute)),
        SettingsChange::Backoff(Some(backoff)),
    ];
    set(&queue, &defaults).await;
    let stored = get(&queue, silent).await;
    assert_eq!((stored.max_attempts, stored.timeout), (1, minute));
    let claimed = claim(&queue, 2).await.jobs;
    assert_eq!((claimed[0].max_attempts, claimed[0].timeout), (1, minute));
    assert_eq!((claimed[1].max_attempts, claimed[1].timeout), (5, LEASE));
    assert_eq!((claimed[0].backoff, claimed[1].backoff), (backoff, backoff));
    let ends = [(silent, JobState::Failed), (says, JobState::Retrying)];
    for (claimed, (id, state)) in claimed.iter().zip(ends) {
        assert_eq!(claimed.id, id);
        let now = queue.finish(claimed, Outcome::Error(error())).await;
        assert_eq!(now.unwrap(), state);
    }
    queue.close().await;
}
