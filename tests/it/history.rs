use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{Attempt, AttemptOutcome, JobError, JobState, Outcome};

use crate::{WORKER, claim_one, default_queue, error, get, job, lose_worker, submit};

fn outcomes(attempts: &[Attempt]) -> Vec<(u32, AttemptOutcome)> {
    attempts
        .iter()
        .map(|one| (one.number, one.outcome))
        .collect()
}

#[tokio::test]
async fn each_attempt_that_has_ended_is_told_in_order() {
    let queue = TestQueue::new();
    let id = submit(&queue, job().max_attempts(9).unwrap()).await;
    for outcome in [
        Outcome::ErrorAfter(Duration::ZERO, error()),
        Outcome::Snooze(Duration::ZERO),
        Outcome::Release,
        Outcome::Unhandled(Duration::ZERO),
    ] {
        let claimed = claim_one(&queue).await;
        queue.finish(&claimed, outcome).await.unwrap();
    }
    lose_worker(&queue).await;
    let last = claim_one(&queue).await;
    assert_eq!(
        get(&queue, id).await.attempts.len(),
        4,
        "the one that runs is none"
    );
    queue.finish(&last, Outcome::Ack(None)).await.unwrap();
    let stored = get(&queue, id).await;
    let expected = [
        (1, AttemptOutcome::Errored),
        (2, AttemptOutcome::Snoozed),
        (2, AttemptOutcome::Released),
        (2, AttemptOutcome::Lost),
        (2, AttemptOutcome::Acked),
    ];
    assert_eq!(outcomes(&stored.attempts), expected);
    let mut before = stored.created;
    for attempt in &stored.attempts {
        assert_eq!(attempt.worker, WORKER);
        assert!(before <= attempt.started && attempt.started <= attempt.ended);
        before = attempt.ended;
    }
    assert_eq!(stored.attempts[0].error, Some(error()));
    assert!(stored.attempts[1..].iter().all(|one| one.error.is_none()));
    assert_eq!(Some(before), stored.finished);
    queue.close().await;
}

#[tokio::test]
async fn history_goes_on_over_retries() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    for (outcome, told) in [
        (Outcome::Ack(None), AttemptOutcome::Acked),
        (Outcome::Fail(error()), AttemptOutcome::Errored),
        (Outcome::Cancelled, AttemptOutcome::Cancelled),
    ] {
        let claimed = claim_one(&queue).await;
        queue.finish(&claimed, outcome).await.unwrap();
        let attempts = get(&queue, id).await.attempts;
        assert_eq!(attempts.last().unwrap().outcome, told);
        queue.retry(id, None, None).await.unwrap();
    }
    assert_eq!(outcomes(&get(&queue, id).await.attempts).len(), 3);
    queue.close().await;
}

#[tokio::test]
async fn a_handler_that_errors_while_it_is_called_off_is_told() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    queue.cancel(id, "stop", None).await.unwrap();
    queue
        .finish(&claimed, Outcome::Fail(error()))
        .await
        .unwrap();
    let attempts = get(&queue, id).await.attempts;
    assert_eq!(outcomes(&attempts), [(1, AttemptOutcome::Cancelled)]);
    assert_eq!(attempts[0].error, Some(error()));
    queue.close().await;
}

#[tokio::test]
async fn the_newest_twenty_attempts_and_two_payloads_are_kept() {
    let queue = TestQueue::new();
    let id = submit(&queue, job().max_attempts(1_000).unwrap()).await;
    for n in 0..25 {
        let claimed = claim_one(&queue).await;
        assert_eq!(claimed.attempt, n + 1);
        let again = Outcome::ErrorAfter(Duration::from_secs(60), error());
        queue.finish(&claimed, again).await.unwrap();
        let payload = Some((n.to_string().into(), None));
        queue.retry(id, payload, None).await.unwrap();
    }
    let stored = get(&queue, id).await;
    let numbers: Vec<_> = stored.attempts.iter().map(|one| one.number).collect();
    assert_eq!(numbers, (6..=25).collect::<Vec<_>>());
    let old: Vec<_> = stored
        .previous_payloads
        .iter()
        .map(|old| &old.payload[..])
        .collect();
    assert_eq!(old, [&b"22"[..], b"23"]);
    queue.close().await;
}

#[tokio::test]
async fn a_long_message_is_cut_in_history_and_kept_with_the_job() {
    let queue = TestQueue::new();
    let id = submit(&queue, job()).await;
    let claimed = claim_one(&queue).await;
    let long = JobError {
        code: "LONG".to_owned(),
        message: "é".repeat(2_000),
    };
    queue
        .finish(&claimed, Outcome::Fail(long.clone()))
        .await
        .unwrap();
    let stored = get(&queue, id).await;
    assert_eq!(stored.error, Some(long));
    let told = stored.attempts[0].error.clone().unwrap();
    assert_eq!((&*told.code, told.message), ("LONG", "é".repeat(512)));
    queue.close().await;
}

#[tokio::test]
async fn many_finishes_at_once_each_tell_their_own_attempt() {
    let queue = TestQueue::new();
    queue.submit_batch((0..100).map(|_| job()).collect()).await;
    let jobs = crate::claim(&queue, 100).await.jobs;
    let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
    let ends = jobs.into_iter().enumerate().map(|(n, job)| {
        let queue = (*queue).clone();
        let error = JobError {
            code: format!("E{n}"),
            message: String::new(),
        };
        tokio::spawn(async move { queue.finish(&job, Outcome::Fail(error)).await })
    });
    for end in ends.collect::<Vec<_>>() {
        assert_eq!(end.await.unwrap().unwrap(), JobState::Failed);
    }
    for (n, id) in ids.into_iter().enumerate() {
        let attempts = get(&queue, id).await.attempts;
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].error.as_ref().unwrap().code, format!("E{n}"));
    }
    assert_eq!(crate::numbers(&queue).await.counts.failed, 100);
    queue.prune(&default_queue()).await.unwrap();
    queue.close().await;
}
