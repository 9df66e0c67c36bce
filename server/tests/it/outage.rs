//! The store is down, comes back, or can not be trusted.

use http::StatusCode;
use jobflow::proto::{self, HealthStatus};
use jobflow::testing::{TestRedis, wait_for};
use jobflow_server::Config;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Server, details};

fn request() -> proto::SubmitJobRequest {
    proto::SubmitJobRequest {
        kind: "k".to_owned(),
        ..proto::SubmitJobRequest::default()
    }
}

async fn serving(server: &Server) -> ServingStatus {
    let service = "jobflow.v1.JobService".to_owned();
    let answer = HealthClient::new(server.channel())
        .check(HealthCheckRequest { service })
        .await;
    answer.unwrap().into_inner().status()
}

async fn ready(server: &Server) {
    wait_for("/readyz", async || {
        let answer = server.get("/readyz").await;
        (answer.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_starts_without_the_store_and_recovers_by_itself() {
    let mut redis = TestRedis::start();
    redis.stop();
    let server = Server::over_redis(&redis).await;
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    let answer = server.post(r#"{"name":"a"}"#).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["reason"], "STORE_UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(
        server.get("/readyz").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let status = server.jobs().submit_job(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let (reason, details) = details(&status);
    assert_eq!(reason, "STORE_UNAVAILABLE");
    assert!(details.retry_info().unwrap().retry_delay.is_some());
    assert_eq!(serving(&server).await, ServingStatus::NotServing);

    redis.resume();
    ready(&server).await;
    assert_eq!(
        server.post(r#"{"name":"a"}"#).await.status,
        StatusCode::CREATED
    );
    assert_eq!(serving(&server).await, ServingStatus::Serving);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_stream_tells_of_the_outage_and_of_its_end() {
    let mut redis = TestRedis::start_durable();
    let server = Server::over_redis(&redis).await;
    server.post(r#"{"name":"a","delay":60000}"#).await;
    let request = proto::StreamMetricsRequest::default();
    let mut stream = server
        .metrics()
        .stream_metrics(request)
        .await
        .unwrap()
        .into_inner();
    let good = stream.message().await.unwrap().unwrap();
    assert_eq!(good.health.unwrap().status(), HealthStatus::Healthy);

    redis.kill();
    let told = loop {
        let message = stream.message().await.unwrap().unwrap();
        if message.health.as_ref().unwrap().status() == HealthStatus::Unhealthy {
            break message;
        }
    };
    assert_eq!(told.counts.unwrap().scheduled, 1, "the last known numbers");
    assert!(told.time.unwrap().seconds > 0, "and their age");

    redis.resume();
    loop {
        let message = stream.message().await.unwrap().unwrap();
        if message.health.unwrap().status() == HealthStatus::Healthy {
            assert_eq!(message.counts.unwrap().scheduled, 1);
            break;
        }
    }
    drop(stream);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_that_evicts_is_refused_unless_allowed() {
    let redis = TestRedis::start_with(&["--save", "", "--maxmemory-policy", "allkeys-lru"]);
    let refused = Server::over_redis(&redis).await.stop().await.unwrap_err();
    assert_eq!(refused.code(), jobflow::Code::StoreUnsafe);
    assert!(refused.to_string().contains("allkeys-lru"), "{refused}");

    let server = Server::start(Config {
        redis_url: redis.url(),
        allow_eviction: true,
        ..Config::default()
    })
    .await;
    ready(&server).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_not_ready() {
    let redis = TestRedis::start();
    let server = Server::over_redis(&redis).await;
    ready(&server).await;
    assert_eq!(redis.cli(&["REPLICAOF", "127.0.0.1", "1"]).trim(), "OK");
    assert_eq!(
        server.get("/readyz").await.json()["reason"],
        "STORE_READ_ONLY"
    );
    let answer = server.post(r#"{"name":"a"}"#).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["reason"], "STORE_READ_ONLY");
    let stats = server.get("/stats").await.json();
    assert_eq!(stats["health"]["status"], "unhealthy");
    assert_eq!(redis.cli(&["REPLICAOF", "NO", "ONE"]).trim(), "OK");
    ready(&server).await;
    assert_eq!(server.post(r#"{"name":"a"}"#).await.status, 201);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_full_store_asks_for_patience() {
    let redis = TestRedis::start();
    let server = Server::over_redis(&redis).await;
    ready(&server).await;
    assert_eq!(redis.cli(&["CONFIG", "SET", "maxmemory", "1"]).trim(), "OK");
    let answer = server.post(r#"{"name":"a"}"#).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.json()["reason"], "STORE_OUT_OF_MEMORY");
    assert_eq!(answer.header("retry-after"), "1");
    let status = server.jobs().submit_job(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let batch = proto::BatchSubmitJobsRequest {
        requests: vec![request(); 3],
    };
    let status = server.jobs().batch_submit_jobs(batch).await.unwrap_err();
    assert_eq!(
        details(&status).0,
        "STORE_OUT_OF_MEMORY",
        "nothing was stored"
    );
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_that_comes_up_evicting_gets_no_jobs() {
    let mut redis = TestRedis::start_with(&["--save", "", "--maxmemory-policy", "allkeys-lru"]);
    redis.stop();
    let server = Server::over_redis(&redis).await;
    assert_eq!(
        server.get("/readyz").await.json()["reason"],
        "STORE_UNAVAILABLE"
    );
    redis.resume();
    wait_for("the policy to be seen", async || {
        let answer = server.get("/readyz").await;
        (answer.json()["reason"] == "STORE_UNSAFE").then_some(())
    })
    .await;
    let answer = server.post(r#"{"name":"a"}"#).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["reason"], "STORE_UNSAFE");
    let status = server.jobs().submit_job(request()).await.unwrap_err();
    assert_eq!(
        (status.code(), details(&status).0.as_str()),
        (Code::Unavailable, "STORE_UNSAFE")
    );
    assert_eq!(server.stored().await, 0);
    server.stop().await.unwrap();
}
