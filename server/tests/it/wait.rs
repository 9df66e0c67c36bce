//! `WaitJob`.

use std::time::Duration;

use jobflow::testing::{TestQueue, TestRedis};
use jobflow::{JobId, NewJob, Outcome, proto};
use tonic::{Code, Request};

use crate::support::{Server, details};

fn wait(id: JobId, seconds: i64) -> proto::WaitJobRequest {
    proto::WaitJobRequest {
        id: id.to_string(),
        timeout: Some(prost_types::Duration { seconds, nanos: 0 }),
    }
}

async fn submit(server: &Server) -> JobId {
    let job = NewJob::new("k", "{}").unwrap();
    server.queue.submit(job).await.unwrap().id
}

#[tokio::test]
async fn many_waits_end_when_the_job_is_final() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    let mut waits = Vec::new();
    for _ in 0..20 {
        waits.push(server.begin_wait(id).await);
    }
    let claimed = server.claim("default").await;
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    for wait in waits {
        let job = wait.await.unwrap().unwrap().into_inner().job.unwrap();
        assert_eq!(job.state(), proto::JobState::Completed);
    }
    // And one that comes too late to wait.
    let answer = server.jobs().wait_job(wait(id, 600)).await.unwrap();
    assert_eq!(answer.into_inner().job.unwrap().id, id.to_string());
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_wait_for_another_queue_joins_those_under_way() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let never = submit(&server).await;
    let long = server.begin_wait(never).await;
    for round in 0..3 {
        let name = format!("other-{round}");
        let job = NewJob::new("k", "{}").unwrap().queue(&name).unwrap();
        let id = queue.submit(job).await.unwrap().id;
        let short = server.begin_wait(id).await;
        let claimed = server.claim(&name).await;
        queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
        short.await.unwrap().unwrap();
    }
    assert!(!long.is_finished());
    long.abort();
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_wait_that_ends_too_early_tells_the_state() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server).await;
    let by_request = server.jobs().wait_job(wait(id, 0)).await.unwrap_err();
    let mut request = Request::new(wait(id, 600));
    request.set_timeout(Duration::from_secs(1));
    let by_deadline = server.jobs().wait_job(request).await.unwrap_err();
    for status in [by_request, by_deadline] {
        assert_eq!(status.code(), Code::DeadlineExceeded);
        let (reason, details) = details(&status);
        assert_eq!(reason, "WAIT_TIMEOUT");
        assert_eq!(details.error_info().unwrap().metadata["state"], "waiting");
    }
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_job_that_is_deleted_meanwhile_is_not_found() {
    let redis = TestRedis::start();
    let server = Server::over_redis(&redis).await;
    let id = submit(&server).await;
    let waiting = server.begin_wait(id).await;
    assert_eq!(redis.cli(&["FLUSHALL"]).trim(), "OK");
    let status = waiting.await.unwrap().unwrap_err();
    assert_eq!(
        (status.code(), details(&status).0.as_str()),
        (Code::NotFound, "JOB_NOT_FOUND")
    );
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_outage_does_not_end_a_wait() {
    let mut redis = TestRedis::start_durable();
    let server = Server::over_redis(&redis).await;
    let id = submit(&server).await;
    let waiting = server.begin_wait(id).await;
    redis.kill();
    redis.resume();
    let claimed = jobflow::testing::wait_for("a claim", async || {
        let queue = jobflow::QueueName::default();
        let claimed = server
            .queue
            .claim(&queue, 1, Duration::from_secs(30), "tester")
            .await;
        claimed.ok()?.jobs.pop()
    });
    let claimed = claimed.await;
    server
        .queue
        .finish(&claimed, Outcome::Ack(None))
        .await
        .unwrap();
    waiting.await.unwrap().unwrap();
    server.stop().await.unwrap();
}
