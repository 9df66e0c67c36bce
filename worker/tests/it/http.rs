use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method, StatusCode};
use jobflow::testing::TestQueue;
use jobflow::{JobRecord, JobState, MAX_PAYLOAD, NewJob};
use jobflow_worker::Worker;
use jobflow_worker::handlers::{HandlerSpec, Secret};
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::support::{Running, eager, error_of, submit, wait_until};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Seen = Arc<Mutex<Vec<(Method, HeaderMap, Bytes)>>>;

/// An HTTP server that answers all alike and remembers what it was sent.
async fn answers(answer: impl Fn() -> Response + Send + Sync + 'static) -> (String, Seen) {
    let seen = Seen::default();
    let answer = Arc::new(answer);
    let router = Router::new().fallback(any(
        move |State(seen): State<Seen>, method: Method, headers: HeaderMap, body: Bytes| {
            seen.lock().unwrap().push((method, headers, body));
            let answer = answer.clone();
            async move { answer() }
        },
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
    let router = router.with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, seen)
}

async fn run_at(address: &str, job: NewJob, state: JobState) -> JobRecord {
    let queue = TestQueue::new();
    let spec: HandlerSpec = format!("http:{address}").parse().unwrap();
    let spec = spec.signed_with(&Secret::read_all(SECRET).unwrap());
    let worker = Worker::builder(&queue).grace(Duration::from_millis(1));
    let worker = Running::start(worker.handler_for("k", spec.handler()));
    let id = submit(&queue, job).await;
    let job = wait_until(&queue, id, state).await;
    worker.stop().await;
    queue.close().await;
    job
}

#[tokio::test]
async fn the_payload_is_posted_with_a_signature_and_the_answer_is_the_result() {
    let (address, seen) = answers(|| ([("content-type", "text/csv")], "1,2").into_response()).await;
    let payload = r#"{"n":12345678901234567890}"#;
    let job = eager(payload)
        .headers([("tenant".to_owned(), "a".to_owned())])
        .unwrap();
    let job = run_at(&address, job, JobState::Completed).await;
    let result = job.result.unwrap();
    assert_eq!(
        (&result.bytes[..], result.content_type.as_str()),
        (&b"1,2"[..], "text/csv")
    );

    let seen = seen.lock().unwrap();
    let [(method, headers, body)] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!((method, &body[..]), (&Method::POST, payload.as_bytes()));
    let header = |name: &str| headers[name].to_str().unwrap();
    for (name, value) in [
        ("content-type", "application/json"),
        ("webhook-id", &job.id.to_string()),
        ("idempotency-key", &job.id.to_string()),
        ("jobflow-kind", "k"),
        ("jobflow-queue", "default"),
        ("jobflow-attempt", "1"),
        ("jobflow-max-attempts", "3"),
        ("jobflow-header-tenant", "a"),
    ] {
        assert_eq!(header(name), value, "{name}");
    }
    let key = STANDARD
        .decode(SECRET.trim_start_matches("whsec_"))
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{payload}", job.id, header("webhook-timestamp")).as_bytes());
    let signature = header("webhook-signature").strip_prefix("v1,").unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    mac.verify_slice(&signature).unwrap();
}

#[tokio::test]
async fn a_client_error_fails_the_job_and_a_server_error_is_tried_again() {
    let (address, seen) = answers(|| (StatusCode::GONE, "no such thing").into_response()).await;
    let job = run_at(&address, eager("{}"), JobState::Failed).await;
    assert_eq!(error_of(&job), ("HTTP_STATUS", "410 Gone: no such thing"));
    assert_eq!((job.attempt, seen.lock().unwrap().len()), (1, 1));

    let (address, seen) = answers(|| StatusCode::BAD_GATEWAY.into_response()).await;
    let job = run_at(&address, eager("{}"), JobState::Failed).await;
    assert_eq!(error_of(&job), ("HTTP_STATUS", "502 Bad Gateway"));
    assert_eq!((job.attempt, seen.lock().unwrap().len()), (3, 3));
}

#[tokio::test]
async fn retry_after_takes_the_place_of_the_backoff() {
    let hour = || {
        let busy = StatusCode::TOO_MANY_REQUESTS;
        (busy, [("retry-after", "3600")]).into_response()
    };
    let (address, _) = answers(hour).await;
    let job = run_at(&address, eager("{}"), JobState::Retrying).await;
    assert!(job.ready.unwrap().since(job.created) >= Duration::from_secs(3_600));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, never) = answers(|| StatusCode::OK.into_response()).await;
    let moved = move || {
        let to = [("location", elsewhere.clone())];
        (StatusCode::TEMPORARY_REDIRECT, to).into_response()
    };
    let (address, _) = answers(moved).await;
    let job = run_at(
        &address,
        eager("{}").max_attempts(1).unwrap(),
        JobState::Failed,
    )
    .await;
    assert!(error_of(&job).1.ends_with("redirects are not followed"));
    assert!(never.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_over_the_limit_fails_the_job_and_is_not_kept() {
    let (address, _) = answers(|| "x".repeat(MAX_PAYLOAD * 20).into_response()).await;
    let job = run_at(&address, eager("{}"), JobState::Failed).await;
    assert_eq!((error_of(&job).0, job.attempt), ("PAYLOAD_TOO_LARGE", 1));
    let (address, _) = answers(|| "x".repeat(MAX_PAYLOAD).into_response()).await;
    let job = run_at(&address, eager("{}"), JobState::Completed).await;
    assert_eq!(job.result.unwrap().bytes.len(), MAX_PAYLOAD);
}

#[tokio::test]
async fn an_address_where_nobody_listens_costs_no_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let job = run_at(
        &address,
        eager("{}").max_attempts(1).unwrap(),
        JobState::Scheduled,
    )
    .await;
    assert_eq!((job.attempt, job.error), (0, None));
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_errored_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.readable().await;
            drop(stream);
        }
    });
    let job = run_at(
        &address,
        eager("{}").max_attempts(1).unwrap(),
        JobState::Failed,
    )
    .await;
    assert_eq!(error_of(&job).0, "HTTP_FAILED");
}
