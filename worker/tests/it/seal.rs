//! Sealed payloads and results.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use jobflow::payload::{self, Keyring, Opened, Place};
use jobflow::testing::TestQueue;
use jobflow::{Job, JobRecord, JobState, NewJob};
use jobflow_worker::{AttemptError, Context, Worker, WorkerBuilder};
use serde::{Deserialize, Serialize};

use crate::support::{Running, error_of, raw, submit, wait_until};

const SECRET: &str = "canary-4111-1111";

#[derive(Serialize, Deserialize)]
struct Charge {
    card: String,
}

impl Job for Charge {
    const KIND: &'static str = "charge";
}

async fn charge(job: Charge, ctx: Context) -> Result<String, AttemptError> {
    assert_eq!(ctx.content_type(), "application/json");
    Ok(format!("charged {}", job.card))
}

fn keys(id: &str, byte: u8) -> Keyring {
    Keyring::new(id, [byte; 32]).unwrap()
}

fn job(keys: &Keyring) -> NewJob {
    let card = SECRET.to_owned();
    let job = NewJob::of(&Charge { card }).unwrap();
    job.max_attempts(1).unwrap().sealed(keys).unwrap()
}

fn worker(queue: &TestQueue) -> WorkerBuilder {
    Worker::builder(queue).handler(charge)
}

fn has_secret(bytes: &[u8]) -> bool {
    bytes
        .windows(SECRET.len())
        .any(|part| part == SECRET.as_bytes())
}

fn result_of(job: &JobRecord, keys: &Keyring) -> Opened {
    let result = job.result.clone().unwrap();
    assert_eq!(result.content_type, payload::CONTENT_TYPE);
    assert!(!has_secret(&result.bytes));
    let place = Place {
        kind: &job.kind,
        id: job.id,
    };
    keys.open_result(place, &result.bytes).unwrap()
}

#[tokio::test]
async fn a_sealed_payload_reaches_its_handler_and_the_result_comes_back_sealed() {
    let queue = TestQueue::new();
    let keys = keys("k", 1);
    let worker = Running::start(worker(&queue).keys(keys.clone()));
    let id = submit(&queue, job(&keys)).await;
    let job = wait_until(&queue, id, JobState::Completed).await;
    assert!(!has_secret(&job.payload) && payload::is_sealed(&job.content_type));
    let result = result_of(&job, &keys);
    assert_eq!(result.content_type, "application/json");
    assert_eq!(result.bytes, format!("\"charged {SECRET}\""));
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn keys_are_rotated_while_jobs_of_the_old_one_wait() {
    let queue = TestQueue::new();
    let old = keys("old", 1);
    let waited = submit(&queue, job(&old)).await;
    let both = keys("new", 2).and("old", [1; 32]).unwrap();
    let worker = Running::start(worker(&queue).keys(both.clone()));
    let fresh = submit(&queue, job(&both)).await;
    for id in [waited, fresh] {
        let job = wait_until(&queue, id, JobState::Completed).await;
        // Results are sealed by the present key, whatever the payload was sealed by.
        result_of(&job, &keys("new", 2));
    }
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn without_the_right_key_the_attempt_fails_and_says_so_and_nothing_else() {
    for (held, code) in [
        (None, "PAYLOAD_KEY_MISSING"),
        (Some(keys("other", 1)), "PAYLOAD_KEY_MISSING"),
        (Some(keys("k", 2)), "PAYLOAD_SEAL_BROKEN"),
    ] {
        let queue = TestQueue::new();
        let builder = match held {
            Some(keys) => worker(&queue).keys(keys),
            None => worker(&queue),
        };
        let worker = Running::start(builder);
        let id = submit(&queue, job(&keys("k", 1))).await;
        let job = wait_until(&queue, id, JobState::Failed).await;
        let (found, message) = error_of(&job);
        assert_eq!(found, code);
        assert!(!message.contains(SECRET), "{message}");
        assert_eq!(worker.stop().await.panics.get(), 0);
        queue.close().await;
    }
}

#[tokio::test]
async fn a_payload_that_is_moved_to_another_job_does_not_open_there() {
    let queue = TestQueue::new();
    let keys = keys("k", 1);
    let stolen = job(&keys);
    let id = submit(&queue, stolen.clone()).await;
    let sealed = queue.get(id).await.unwrap();
    let replayed = NewJob::new("charge", sealed.payload).unwrap();
    let replayed = replayed.content_type(payload::CONTENT_TYPE).unwrap();
    let replayed = submit(&queue, replayed).await;
    let worker = Running::start(worker(&queue).keys(keys));
    let job = wait_until(&queue, replayed, JobState::Failed).await;
    assert_eq!(error_of(&job).0, "PAYLOAD_SEAL_BROKEN");
    wait_until(&queue, id, JobState::Completed).await;
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_worker_without_keys_hands_on_what_is_sealed_as_it_is() {
    let queue = TestQueue::new();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let kept = Arc::clone(&seen);
    let handler = raw(move |ctx: Context| {
        let kept = Arc::clone(&kept);
        async move {
            assert!(!has_secret(ctx.payload()));
            kept.lock().unwrap().insert(ctx.content_type().to_owned());
            Ok(())
        }
    });
    let worker = Running::start(Worker::builder(&queue).handler_for("charge", handler));
    let id = submit(&queue, job(&keys("k", 1))).await;
    wait_until(&queue, id, JobState::Completed).await;
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, BTreeSet::from([payload::CONTENT_TYPE.to_owned()]));
    worker.stop().await;
    queue.close().await;
}
