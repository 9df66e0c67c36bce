//! `SubmitJobs`: jobs from a stream.

use jobflow::proto::{self, submit_job_result::Verdict};
use jobflow::testing::TestQueue;
use tonic::Code;

use crate::support::{Server, details};

fn message(kinds: impl IntoIterator<Item = String>) -> proto::SubmitJobsRequest {
    let requests = kinds
        .into_iter()
        .map(|kind| proto::SubmitJobRequest {
            kind,
            payload: "{}".into(),
            ..proto::SubmitJobRequest::default()
        })
        .collect();
    proto::SubmitJobsRequest { requests }
}

#[tokio::test]
async fn each_job_of_a_stream_has_its_verdict_in_order() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let messages: Vec<_> = (0..10)
        .map(|n| {
            message((0..300).map(move |m| {
                if m == 7 {
                    "{bad}".to_owned()
                } else {
                    format!("k{n}.{m}")
                }
            }))
        })
        .collect();
    let answer = server
        .jobs()
        .submit_jobs(tokio_stream::iter(messages))
        .await;
    let results = answer.unwrap().into_inner().results;
    assert_eq!(results.len(), 3_000);
    for (n, result) in results.into_iter().enumerate() {
        match result.verdict.unwrap() {
            Verdict::CreatedId(id) => {
                let job = server.queue.get(id.parse().unwrap()).await.unwrap();
                assert_eq!(job.kind.as_str(), format!("k{}.{}", n / 300, n % 300));
            }
            Verdict::Rejected(rejection) => {
                assert_eq!((n % 300, rejection.field.as_str()), (7, "kind"));
            }
            other @ (Verdict::DuplicateId(_) | Verdict::Unknown(_)) => panic!("{other:?}"),
        }
    }
    assert_eq!(server.stored().await, 2_990);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_stream_and_its_messages_are_bounded() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let kinds = |count| message((0..count).map(|_| "k".to_owned()));
    for messages in [vec![kinds(1_001)], vec![kinds(1_000); 51]] {
        let refused = server
            .jobs()
            .submit_jobs(tokio_stream::iter(messages))
            .await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(details(&refused).0, "INVALID_FIELD");
    }
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn an_empty_stream_stores_nothing() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let answer = server.jobs().submit_jobs(tokio_stream::iter([])).await;
    assert!(answer.unwrap().into_inner().results.is_empty());
    server.stop().await.unwrap();
    queue.close().await;
}
