//! REST: shapes, and `data` byte for byte.

use http::{Method, StatusCode};
use jobflow::testing::TestQueue;
use jobflow::{JobResult, NewJob, Outcome};

use crate::support::Server;

const TRICKY: &str = r#"{"n":12345678901234567890,"e":[],"o":{},"s":"\u0000é😀","f":1.10}"#;

#[tokio::test]
async fn a_submit_is_answered_in_exactly_this_shape() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let answer = server
        .post(r#"{"name": "email-delivery", "data": {"to": "a@b"}}"#)
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("content-type"), "application/json");
    let job = &answer.json()["job"];
    let (id, timestamp) = (
        job["id"].as_str().unwrap(),
        job["timestamp"].as_u64().unwrap(),
    );
    assert_eq!(answer.header("location"), format!("/jobs/{id}"));
    let shape = format!(
        r#"{{"success":true,"job":{{"id":"{id}","status":"waiting","timestamp":{timestamp}}}}}"#
    );
    assert_eq!(answer.body, shape);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn data_is_kept_byte_for_byte() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let body = format!(r#" {{ "name":"email" , "data" : {TRICKY} }} "#);
    let location = server.post(body).await.header("location").to_owned();
    let shown = server.get(&location).await.body;
    assert!(shown.contains(&format!(r#""data":{TRICKY},"#)), "{shown}");
    assert_eq!(server.claim("default").await.payload, TRICKY);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn without_data_the_payload_is_null() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    server.post(r#"{"name":"email"}"#).await;
    assert_eq!(server.claim("default").await.payload, "null");
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn every_option_reaches_the_job() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let body = r#"{"name":"email","queue":"mail","priority":1,"delay":60000,"attempts":7,"idempotencyKey":"k"}"#;
    let answer = server.post(body).await;
    assert_eq!(answer.json()["job"]["status"], "scheduled");
    let job = server.get(answer.header("location")).await.json()["job"].clone();
    assert_eq!(job["name"], "email");
    assert_eq!(job["queue"], "mail");
    assert_eq!(job["priority"], 1);
    assert_eq!(job["maxAttempts"], 7);
    assert_eq!(job["idempotencyKey"], "k");
    let (ready, created) = (job["readyAt"].as_u64(), job["timestamp"].as_u64());
    assert_eq!(ready.unwrap() - created.unwrap(), 60_000);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn the_same_idempotency_key_returns_the_first_job() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "order-7"),
    ];
    let first = server
        .call(Method::POST, "/jobs", &headers, r#"{"name":"email"}"#)
        .await;
    let second = server
        .post(r#"{"name":"email","idempotencyKey":"order-7"}"#)
        .await;
    assert_eq!(
        (first.status, second.status),
        (StatusCode::CREATED, StatusCode::OK)
    );
    assert_eq!(first.json(), second.json());
    assert_eq!(server.stored().await, 1);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_completed_job_shows_its_result_and_other_bytes_in_base64() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let job = NewJob::new("k", vec![0xff])
        .unwrap()
        .content_type("image/png")
        .unwrap();
    let id = queue.submit(job).await.unwrap().id;
    let result = JobResult {
        bytes: TRICKY.into(),
        content_type: "application/json".to_owned(),
    };
    let claimed = server.claim("default").await;
    queue
        .finish(&claimed, Outcome::Ack(Some(result)))
        .await
        .unwrap();
    let answer = server.get(&format!("/jobs/{id}")).await;
    let job = &answer.json()["job"];
    assert_eq!(job["status"], "completed");
    assert_eq!(job["dataBase64"], "/w==");
    assert!(job["data"].is_null() && job["finishedAt"].is_u64());
    assert!(
        answer.body.contains(&format!(r#""result":{TRICKY}"#)),
        "{}",
        answer.body
    );
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn stats_count_all_queues_and_each() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    server.post(r#"{"name":"a","queue":"one"}"#).await;
    server
        .post(r#"{"name":"a","queue":"two","delay":60000}"#)
        .await;
    let stats = server.get("/stats").await.json();
    assert_eq!(stats["success"], true);
    assert_eq!(stats["counts"]["waiting"], 1);
    assert_eq!(stats["counts"]["scheduled"], 1);
    assert_eq!(stats["totals"]["submitted"], 2);
    assert_eq!(stats["queues"][0]["name"], "one");
    assert_eq!(stats["queues"][1]["counts"]["scheduled"], 1);
    assert_eq!(
        stats["health"]["status"], "unhealthy",
        "a job waits and no worker is there"
    );
    server.stop().await.unwrap();
    queue.close().await;
}
