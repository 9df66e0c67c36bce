//! `StreamMetrics`.

use std::collections::HashMap;

use jobflow::proto::{self, HealthStatus};
use jobflow::testing::TestQueue;
use jobflow::{NewJob, Outcome, WorkerBeat};
use tonic::Code;

use crate::support::{Server, details, field};

fn every(millis: i32) -> proto::StreamMetricsRequest {
    proto::StreamMetricsRequest {
        interval: Some(prost_types::Duration {
            seconds: 0,
            nanos: millis * 1_000_000,
        }),
    }
}

#[tokio::test]
async fn the_first_message_is_a_snapshot_and_the_sequence_grows() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    queue.submit(NewJob::new("k", "{}").unwrap()).await.unwrap();
    let mut stream = server
        .metrics()
        .stream_metrics(every(100))
        .await
        .unwrap()
        .into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(first.snapshot);
    assert_eq!(first.counts.unwrap().waiting, 1);
    assert_eq!(first.queues.len(), 1);
    assert_eq!(
        first.health.unwrap().status(),
        HealthStatus::Unhealthy,
        "no worker"
    );
    let mut last = first.sequence;
    for _ in 0..3 {
        let message = stream.message().await.unwrap().unwrap();
        assert!(!message.snapshot && message.sequence > last);
        last = message.sequence;
    }
    drop(stream);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_finished_job_and_its_worker_are_seen() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let mut stream = server
        .metrics()
        .stream_metrics(every(100))
        .await
        .unwrap()
        .into_inner();
    let id = queue
        .submit(NewJob::new("k", "{}").unwrap())
        .await
        .unwrap()
        .id;
    let beat = WorkerBeat {
        id: "tester".to_owned(),
        host: "h".to_owned(),
        pid: 1,
        version: "0".to_owned(),
        queues: vec!["default".to_owned()],
        kinds: vec!["*".to_owned()],
        slots: 4,
        busy: 1,
        ..WorkerBeat::default()
    };
    queue.beat(&beat).await.unwrap();
    let claimed = server.claim("default").await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    let message = loop {
        let message = stream.message().await.unwrap().unwrap();
        if !message.recent_jobs.is_empty() {
            break message;
        }
    };
    assert_eq!(message.recent_jobs[0].id, id.to_string());
    assert_eq!(message.recent_jobs[0].worker, "tester");
    assert_eq!(message.workers.unwrap().slots, 4);
    assert_eq!(message.totals.unwrap().completed, 1);
    assert_eq!(message.health.unwrap().status(), HealthStatus::Healthy);
    drop(stream);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn streams_are_fed_from_the_same_polls() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(
            server
                .metrics()
                .stream_metrics(every(100))
                .await
                .unwrap()
                .into_inner(),
        );
    }
    let mut polls = HashMap::new();
    for _ in 0..5 {
        for stream in &mut streams {
            let message = stream.message().await.unwrap().unwrap();
            let time = *polls.entry(message.sequence).or_insert(message.time);
            assert_eq!(message.time, time, "one sequence number, one poll");
        }
    }
    drop(streams);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn an_interval_out_of_range_is_refused() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let status = server
        .metrics()
        .stream_metrics(every(99))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(details(&status).0, "INVALID_FIELD");
    assert_eq!(field(&status), "interval");
    server.stop().await.unwrap();
    queue.close().await;
}
