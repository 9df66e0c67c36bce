//! The calls that look at jobs: list, count, group, explain.

use std::collections::BTreeSet;

use jobflow::testing::TestQueue;
use jobflow::{JobError, NewJob, Outcome, proto};

use crate::support::Server;

async fn submit(server: &Server, kind: &str, tag: &str) -> String {
    let job = NewJob::new(kind, "{}").unwrap();
    let job = job.tags([tag.to_owned()]).unwrap();
    server.queue.submit(job).await.unwrap().id.to_string()
}

#[tokio::test]
async fn pages_of_a_filter_hold_each_job_once_and_no_payload() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let mut expected = BTreeSet::new();
    for n in 0..7 {
        let id = submit(&server, "resize", if n % 2 == 0 { "eu" } else { "us" }).await;
        if n % 2 == 0 {
            expected.insert(id);
        }
    }
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = proto::ListJobsRequest {
            filter: "kind = resize AND tags:eu".to_owned(),
            page_size: 3,
            page_token,
            order_by: String::new(),
        };
        let page = server.jobs().list_jobs(request).await.unwrap().into_inner();
        assert!(page.jobs.len() <= 3);
        found.extend(page.jobs);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(
        found
            .iter()
            .all(|job| job.payload.is_empty() && job.tags == ["eu"])
    );
    assert_eq!(found.len(), expected.len());
    let ids: BTreeSet<_> = found.into_iter().map(|job| job.id).collect();
    assert_eq!(ids, expected);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_count_tells_how_many_a_filter_means() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    for n in 0..5 {
        submit(&server, if n < 2 { "a" } else { "b" }, "t").await;
    }
    for (filter, count) in [("", 5), ("kind = a", 2), ("state = failed", 0)] {
        let request = proto::CountJobsRequest {
            filter: filter.to_owned(),
        };
        let counted = server.jobs().count_jobs(request).await.unwrap();
        let expected = proto::CountJobsResponse {
            count,
            complete: true,
        };
        assert_eq!(counted.into_inner(), expected, "{filter}");
    }
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn failed_jobs_are_grouped_by_what_they_failed_of() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    for n in 0..5 {
        submit(&server, "k", "t").await;
        let claimed = server.claim("default").await;
        let error = JobError {
            code: "HANDLER_ERROR".to_owned(),
            message: if n < 3 {
                format!("no answer from host {n}")
            } else {
                "disk full".to_owned()
            },
        };
        queue.finish(&claimed, Outcome::Fail(error)).await.unwrap();
    }
    let request = proto::ListDeadLetterGroupsRequest::default();
    let groups = server.jobs().list_dead_letter_groups(request).await;
    let groups = groups.unwrap().into_inner();
    assert!(groups.complete);
    let counts: Vec<_> = groups.groups.iter().map(|group| group.count).collect();
    assert_eq!(counts, [3, 2]);
    let first = &groups.groups[0];
    assert_eq!((&*first.kind, &*first.error_code), ("k", "HANDLER_ERROR"));
    assert!(first.last_time.is_some() && !first.message.is_empty());
    // The fingerprint is one for filters, too.
    let request = proto::CountJobsRequest {
        filter: format!("fingerprint = {}", first.fingerprint),
    };
    let counted = server.jobs().count_jobs(request).await.unwrap();
    assert_eq!(counted.into_inner().count, 3);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn an_explanation_names_what_keeps_a_job_from_running() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let id = submit(&server, "k", "t").await;
    let pause = proto::PauseQueueRequest {
        name: "default".to_owned(),
        reason: "moving house".to_owned(),
        ..proto::PauseQueueRequest::default()
    };
    server.queues().pause_queue(pause).await.unwrap();
    let request = proto::ExplainJobRequest { id };
    let told = server
        .jobs()
        .explain_job(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told.state(), proto::JobState::Waiting);
    let reasons: Vec<_> = told.obstacles.iter().map(|one| &*one.reason).collect();
    assert!(
        reasons.contains(&"QUEUE_PAUSED") && reasons.contains(&"NO_WORKER"),
        "{reasons:?}"
    );
    assert!(
        told.obstacles[0].description.contains("moving house"),
        "{told:?}"
    );
    assert!(!told.summary.is_empty());
    server.stop().await.unwrap();
    queue.close().await;
}
