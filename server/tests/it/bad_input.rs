//! Bad input gets a typed error that names the field, and stores nothing.

use http::{Method, StatusCode};
use jobflow::MAX_PAYLOAD;
use jobflow::proto::submit_job_request::When;
use jobflow::proto::{GetJobRequest, SubmitJobRequest};
use jobflow::testing::TestQueue;
use tonic::Code;

use crate::support::{Answer, Server, details, field};

const ODD: [&str; 9] = ["{", "}", "a:b", "a\0b", "../x", "😀", "-a", " a", "a b"];

fn odd_names() -> Vec<String> {
    let long = ["a".repeat(65), "a".repeat(4096)];
    ODD.iter()
        .map(|&name| name.to_owned())
        .chain(long)
        .collect()
}

fn assert_problem(answer: &Answer, status: u16, reason: &str) {
    let problem = answer.json();
    assert_eq!(answer.status.as_u16(), status, "{problem}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(problem["success"], false);
    assert_eq!(problem["status"], status);
    assert_eq!(problem["reason"], reason);
    assert_eq!(problem["requestId"], answer.header("x-request-id"));
    for text in ["type", "title", "detail"] {
        assert!(problem[text].is_string(), "{problem}");
    }
}

#[tokio::test]
async fn rest_names_the_field_and_stores_nothing() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let mut cases = vec![
        ("{".to_owned(), "body"),
        ("[]".to_owned(), "body"),
        ("{}".to_owned(), "name"),
        (r#"{"name":"a","priority":10}"#.to_owned(), "priority"),
        (r#"{"name":"a","delay":-1}"#.to_owned(), "delay"),
        (r#"{"name":"a","delay":315360000001}"#.to_owned(), "delay"),
        (r#"{"name":"a","attempts":0}"#.to_owned(), "attempts"),
        (r#"{"name":"a","attempts":1001}"#.to_owned(), "attempts"),
        (r#"{"name":""}"#.to_owned(), "name"),
        (r#"{"name":"a","queue":""}"#.to_owned(), "queue"),
    ];
    for name in odd_names() {
        cases.push((serde_json::json!({ "name": name }).to_string(), "name"));
        cases.push((
            serde_json::json!({"name": "a", "queue": name}).to_string(),
            "queue",
        ));
    }
    for (body, field) in cases {
        let answer = server.post(body.clone()).await;
        assert_problem(&answer, 400, "INVALID_FIELD");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{body}");
    }
    assert_eq!(server.stored().await, 0);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn rest_tells_the_other_faults_apart() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let json = [("content-type", "application/json")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let fat = format!(r#"{{"name":"a","data":"{}"}}"#, "x".repeat(MAX_PAYLOAD));
    assert_problem(&server.post(fat).await, 413, "PAYLOAD_TOO_LARGE");
    assert_problem(
        &server.post(" ".repeat(2 * MAX_PAYLOAD)).await,
        413,
        "PAYLOAD_TOO_LARGE",
    );
    for headers in [&form[..], &[]] {
        let answer = server
            .call(Method::POST, "/jobs", headers, r#"{"name":"a"}"#)
            .await;
        assert_problem(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let unknown = "/jobs/01890a5d-ac96-774b-bcce-b302099a8057";
    assert_problem(&server.get(unknown).await, 404, "JOB_NOT_FOUND");
    assert_problem(&server.get("/jobs/42").await, 400, "INVALID_FIELD");
    assert_problem(&server.get("/jobs/%00").await, 400, "INVALID_FIELD");
    assert_problem(&server.get("/nothing").await, 404, "ROUTE_NOT_FOUND");
    let put = server.call(Method::PUT, "/jobs", &json, "").await;
    assert_problem(&put, 405, "METHOD_NOT_ALLOWED");
    assert_eq!(put.header("allow"), "POST");
    assert_eq!(server.stored().await, 0);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_request_id_goes_in_and_comes_back() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let given = [("x-request-id", "mine-1")];
    let answer = server.call(Method::GET, "/jobs/42", &given, "").await;
    assert_eq!(
        (answer.status, answer.header("x-request-id")),
        (StatusCode::BAD_REQUEST, "mine-1")
    );
    assert_eq!(answer.json()["requestId"], "mine-1");

    let mut request = tonic::Request::new(GetJobRequest {
        id: "42".to_owned(),
        view: 0,
    });
    request
        .metadata_mut()
        .insert("x-request-id", "mine-2".parse().unwrap());
    let status = server.jobs().get_job(request).await.unwrap_err();
    let (reason, details) = details(&status);
    assert_eq!(reason, "INVALID_FIELD");
    assert_eq!(
        details.error_info().unwrap().metadata["request_id"],
        "mine-2"
    );
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn grpc_names_the_field_and_stores_nothing() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    for (request, name) in bad_requests() {
        let status = server.jobs().submit_job(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{name}");
        let reason = if name == "payload" {
            "PAYLOAD_TOO_LARGE"
        } else {
            "INVALID_FIELD"
        };
        assert_eq!(details(&status).0, reason);
        assert_eq!(field(&status), name);
    }
    assert_eq!(server.stored().await, 0);
    server.stop().await.unwrap();
    queue.close().await;
}

/// A sound request but for one field, and that field.
fn bad_requests() -> Vec<(SubmitJobRequest, &'static str)> {
    let mut bad = vec![
        (with(|request| request.kind.clear()), "kind"),
        (
            with(|request| request.payload = vec![0; MAX_PAYLOAD + 1].into()),
            "payload",
        ),
        (with(|request| request.priority = Some(10)), "priority"),
        (with(|request| request.priority = Some(-1)), "priority"),
        (with(|request| request.when = delay(-1, 0)), "delay"),
        (
            with(|request| request.when = delay(315_360_000, 1_000_000)),
            "delay",
        ),
        (
            with(|request| request.max_attempts = Some(0)),
            "max_attempts",
        ),
        (
            with(|request| request.max_attempts = Some(1_001)),
            "max_attempts",
        ),
        (
            with(|request| request.request_id = "no".to_owned()),
            "request_id",
        ),
        (
            with(|request| request.content_type = "é".to_owned()),
            "content_type",
        ),
        (
            with(|request| request.idempotency_key = "k".repeat(257)),
            "idempotency_key",
        ),
    ];
    for name in odd_names() {
        bad.push((with(|request| request.kind = name.clone()), "kind"));
        bad.push((with(|request| request.queue = name), "queue"));
    }
    bad
}

fn with(change: impl FnOnce(&mut SubmitJobRequest)) -> SubmitJobRequest {
    let mut request = SubmitJobRequest {
        kind: "k".to_owned(),
        ..SubmitJobRequest::default()
    };
    change(&mut request);
    request
}

fn delay(seconds: i64, nanos: i32) -> Option<When> {
    Some(When::Delay(prost_types::Duration { seconds, nanos }))
}
