//! Durability on the wire: by gRPC, in batches and streams, and by REST.

use std::time::Duration;

use http::StatusCode;
use jobflow::testing::TestRedis;
use jobflow::{Durability, JobId, proto};
use jobflow_server::Config;
use proto::submit_job_result::Verdict;
use tonic::Code;
use uuid::Uuid;

use crate::support::{Server, details};

fn request(class: proto::Durability) -> proto::SubmitJobRequest {
    proto::SubmitJobRequest {
        kind: "k".to_owned(),
        durability: class.into(),
        request_id: Uuid::now_v7().to_string(),
        ..proto::SubmitJobRequest::default()
    }
}

/// A server over a Redis without replicas that keeps nothing on disk.
async fn start(redis: &TestRedis) -> Server {
    Server::start(Config {
        redis_url: redis.url(),
        durability_timeout: Duration::from_millis(200),
        ..Config::default()
    })
    .await
}

#[tokio::test]
async fn a_job_in_doubt_is_unknown_with_its_id_and_one_job_when_it_is_repeated() {
    let redis = TestRedis::start();
    let server = start(&redis).await;
    let request = request(proto::Durability::Replicated);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let refused = server.jobs().submit_job(request.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unknown);
        let (reason, details) = details(&refused);
        assert_eq!(reason, "DURABILITY_UNKNOWN");
        assert!(details.retry_info().is_some());
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!(metadata["durability"], "replicated");
        ids.push(metadata["job_id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    let id: JobId = ids[0].parse().unwrap();
    assert_eq!(server.queue.get(id).await.unwrap().id, id);
    assert_eq!(server.stored().await, 1);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_class_that_is_not_to_be_had_is_refused_and_nothing_stored() {
    let redis = TestRedis::start();
    let server = start(&redis).await;
    let request = request(proto::Durability::Fsync);
    let refused = server.jobs().submit_job(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(details(&refused).0, "DURABILITY_UNAVAILABLE");
    assert!(refused.message().contains("appendonly"), "{refused}");

    let answer = server.post(r#"{"name":"k","durability":"fsync"}"#).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.json()["reason"], "DURABILITY_UNAVAILABLE");
    assert_eq!(server.stored().await, 0);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn each_job_of_a_batch_and_of_a_stream_has_its_own_class() {
    let redis = TestRedis::start();
    let server = start(&redis).await;
    let requests: Vec<_> = [
        proto::Durability::Unspecified,
        proto::Durability::Memory,
        proto::Durability::Fsync,
        proto::Durability::Replicated,
    ]
    .map(request)
    .to_vec();
    let batch = proto::BatchSubmitJobsRequest {
        requests: requests.clone(),
    };
    let batch = server.jobs().batch_submit_jobs(batch).await.unwrap();
    let message = proto::SubmitJobsRequest { requests };
    let messages = tokio_stream::iter([message]);
    let stream = server.jobs().submit_jobs(messages).await.unwrap();
    let results = [batch.into_inner().results, stream.into_inner().results];
    let words = |verdict: &Verdict| match verdict {
        Verdict::CreatedId(_) => "created".to_owned(),
        Verdict::DuplicateId(_) => "duplicate".to_owned(),
        Verdict::Rejected(why) => why.reason.clone(),
        Verdict::Unknown(why) => format!("{} {}", why.reason, why.id.is_empty()),
    };
    let told = results.map(|results| {
        let verdicts = results.into_iter().map(|result| result.verdict.unwrap());
        verdicts.map(|verdict| words(&verdict)).collect::<Vec<_>>()
    });
    let [unavailable, unknown] = ["DURABILITY_UNAVAILABLE", "DURABILITY_UNKNOWN false"];
    assert_eq!(told[0], ["created", "created", unavailable, unknown]);
    assert_eq!(told[1], ["duplicate", "duplicate", unavailable, unknown]);
    assert_eq!(server.stored().await, 3);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn rest_tells_the_id_of_a_job_in_doubt() {
    let redis = TestRedis::start();
    let server = start(&redis).await;
    let body = r#"{"name":"k","durability":"replicated","idempotencyKey":"one"}"#;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = server.post(body).await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(answer.header("retry-after"), "1");
        let problem = answer.json();
        assert_eq!(problem["reason"], "DURABILITY_UNKNOWN");
        ids.push(problem["jobId"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(server.stored().await, 1);
    let found = server.get(&format!("/jobs/{}", ids[0])).await;
    assert_eq!(found.json()["job"]["status"], "waiting");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_queue_says_for_its_jobs_and_the_server_for_the_others() {
    let redis = TestRedis::start();
    let server = Server::start(Config {
        redis_url: redis.url(),
        durability: Durability::Fsync,
        ..Config::default()
    })
    .await;
    let class = proto::Durability::Unspecified;
    let refused = server.jobs().submit_job(request(class)).await.unwrap_err();
    assert_eq!(details(&refused).0, "DURABILITY_UNAVAILABLE");
    let memory = request(proto::Durability::Memory);
    server.jobs().submit_job(memory).await.unwrap();
    let update = proto::UpdateQueueRequest {
        queue: Some(proto::Queue {
            name: "default".to_owned(),
            settings: Some(proto::QueueSettings {
                durability: proto::Durability::Memory.into(),
                ..proto::QueueSettings::default()
            }),
            ..proto::Queue::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["settings.durability".to_owned()],
        }),
        etag: String::new(),
    };
    let queue = server.queues().update_queue(update).await.unwrap();
    let settings = queue.into_inner().queue.unwrap().settings.unwrap();
    assert_eq!(settings.durability(), proto::Durability::Memory);
    server.jobs().submit_job(request(class)).await.unwrap();
    server.stop().await.unwrap();
}
