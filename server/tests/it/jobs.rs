//! `JobService` without `WaitJob`, and `QueueService`.

use std::collections::HashSet;

use jobflow::proto::{self, submit_job_result::Verdict};
use jobflow::testing::TestQueue;
use tonic::Code;

use crate::support::{Server, details, field};

fn request(kind: &str) -> proto::SubmitJobRequest {
    proto::SubmitJobRequest {
        kind: kind.to_owned(),
        payload: "{}".into(),
        ..proto::SubmitJobRequest::default()
    }
}

#[tokio::test]
async fn a_submitted_job_is_found_by_its_id() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let answer = server
        .jobs()
        .submit_job(request("email"))
        .await
        .unwrap()
        .into_inner();
    let submitted = answer.job.unwrap();
    assert!(!answer.duplicate);
    assert_eq!(submitted.state(), proto::JobState::Waiting);
    let id = submitted.id.clone();
    let found = server
        .jobs()
        .get_job(proto::GetJobRequest { id, view: 0 })
        .await;
    let found = found.unwrap().into_inner().job.unwrap();
    assert_eq!(found.payload, "{}");
    assert_eq!(found.create_time, submitted.create_time);
    assert_eq!(
        (&found.kind, &found.queue),
        (&submitted.kind, &submitted.queue)
    );
    assert_eq!(found.priority, submitted.priority);
    assert_eq!(found.content_type, submitted.content_type);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_repeated_request_returns_the_first_job_whole() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let request = proto::SubmitJobRequest {
        request_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        ..request("email")
    };
    let first = server
        .jobs()
        .submit_job(request.clone())
        .await
        .unwrap()
        .into_inner();
    let second = server
        .jobs()
        .submit_job(request)
        .await
        .unwrap()
        .into_inner();
    assert!(!first.duplicate && second.duplicate);
    let job = second.job.unwrap();
    assert_eq!(job.id, first.job.unwrap().id);
    assert_eq!(job.payload, "{}");
    assert_eq!(server.stored().await, 1);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn an_unknown_job_is_not_found_and_names_its_id() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let status = server
        .jobs()
        .get_job(proto::GetJobRequest {
            id: id.clone(),
            view: 0,
        })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let (reason, details) = details(&status);
    assert_eq!(reason, "JOB_NOT_FOUND");
    assert_eq!(details.error_info().unwrap().metadata["job_id"], id);
    assert!(details.retry_info().is_none());
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn each_job_of_a_batch_has_its_own_verdict() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let keyed = || proto::SubmitJobRequest {
        idempotency_key: "once".to_owned(),
        ..request("a")
    };
    let first = server
        .jobs()
        .submit_job(keyed())
        .await
        .unwrap()
        .into_inner();
    let requests = vec![request("a"), request("b c"), keyed(), request("d")];
    let batch = proto::BatchSubmitJobsRequest { requests };
    let results = server
        .jobs()
        .batch_submit_jobs(batch)
        .await
        .unwrap()
        .into_inner()
        .results;
    let verdicts: Vec<_> = results
        .into_iter()
        .map(|result| result.verdict.unwrap())
        .collect();
    assert!(matches!(&verdicts[0], Verdict::CreatedId(_)));
    assert!(matches!(&verdicts[1], Verdict::Rejected(rejection)
        if rejection.reason == "INVALID_FIELD" && rejection.field == "kind"));
    assert_eq!(verdicts[2], Verdict::DuplicateId(first.job.unwrap().id));
    assert!(matches!(&verdicts[3], Verdict::CreatedId(_)));
    assert_eq!(server.stored().await, 3);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_batch_has_a_limit_and_below_it_every_job_is_stored() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let batch = |size| proto::BatchSubmitJobsRequest {
        requests: vec![request("a"); size],
    };
    let status = server
        .jobs()
        .batch_submit_jobs(batch(1_001))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(field(&status), "requests");
    assert_eq!(server.stored().await, 0);
    let results = server
        .jobs()
        .batch_submit_jobs(batch(1_000))
        .await
        .unwrap()
        .into_inner()
        .results;
    let ids: HashSet<_> = results
        .into_iter()
        .map(|result| match result.verdict {
            Some(Verdict::CreatedId(id)) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids.len(), 1_000);
    assert_eq!(server.stored().await, 1_000);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn queues_are_listed_in_pages() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    for name in ["c", "a", "b"] {
        let request = proto::SubmitJobRequest {
            queue: name.to_owned(),
            ..request("k")
        };
        server.jobs().submit_job(request).await.unwrap();
    }
    let page = |page_token: &str| proto::ListQueuesRequest {
        page_size: 2,
        page_token: page_token.to_owned(),
    };
    let first = server
        .queues()
        .list_queues(page(""))
        .await
        .unwrap()
        .into_inner();
    let names: Vec<_> = first
        .queues
        .iter()
        .map(|queue| queue.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(first.queues[0].counts.unwrap().waiting, 1);
    let second = server
        .queues()
        .list_queues(page(&first.next_page_token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(second.queues.len(), 1);
    assert_eq!(
        (
            second.queues[0].name.as_str(),
            second.next_page_token.as_str()
        ),
        ("c", "")
    );
    let status = server
        .queues()
        .list_queues(page("forged"))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), field(&status).as_str()),
        (Code::InvalidArgument, "page_token")
    );
    server.stop().await.unwrap();
    queue.close().await;
}
