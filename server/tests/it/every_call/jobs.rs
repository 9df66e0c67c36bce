//! The calls about jobs, each with what it refuses.

use jobflow::{MAX_PAYLOAD, proto};
use prost_types::Duration;
use tonic::Code;

use super::{NOBODY, Refusals, at, mask, seconds, text};
use crate::support::{Server, details};

#[expect(clippy::too_many_lines, reason = "one case after the other")]
pub(super) async fn submits(server: &Server, refused: &mut Refusals) {
    let mut jobs = server.jobs();
    let sound = || proto::SubmitJobRequest {
        kind: text("k"),
        ..proto::SubmitJobRequest::default()
    };
    use proto::submit_job_request::StartLimit;
    for (expected, request) in [
        (
            "INVALID_FIELD on_conflict",
            proto::SubmitJobRequest {
                on_conflict: 99,
                ..sound()
            },
        ),
        (
            "INVALID_FIELD key_scope",
            proto::SubmitJobRequest {
                key_scope: -1,
                ..sound()
            },
        ),
        (
            "INVALID_FIELD durability",
            proto::SubmitJobRequest {
                durability: 4,
                ..sound()
            },
        ),
        (
            "INVALID_FIELD tags",
            proto::SubmitJobRequest {
                tags: vec![text("a b")],
                ..sound()
            },
        ),
        (
            "INVALID_FIELD tags",
            proto::SubmitJobRequest {
                tags: (0..9).map(|n| n.to_string()).collect(),
                ..sound()
            },
        ),
        (
            "INVALID_FIELD start_within",
            proto::SubmitJobRequest {
                start_limit: Some(StartLimit::StartWithin(Duration {
                    seconds: -1,
                    nanos: 0,
                })),
                ..sound()
            },
        ),
        (
            "INVALID_FIELD timeout",
            proto::SubmitJobRequest {
                timeout: seconds(8 * 24 * 3600),
                ..sound()
            },
        ),
        (
            "INVALID_FIELD backoff.initial",
            proto::SubmitJobRequest {
                backoff: Some(proto::Backoff {
                    initial: seconds(-1),
                    ..proto::Backoff::default()
                }),
                ..sound()
            },
        ),
    ] {
        refused.add("SubmitJob", expected, jobs.submit_job(request).await);
    }
    let requests = vec![sound(); 1_001];
    let batch = proto::BatchSubmitJobsRequest {
        requests: requests.clone(),
    };
    refused.add(
        "BatchSubmitJobs",
        "INVALID_FIELD requests",
        jobs.batch_submit_jobs(batch).await,
    );
    let stream = tokio_stream::iter([proto::SubmitJobsRequest { requests }]);
    refused.add(
        "SubmitJobs",
        "INVALID_FIELD requests",
        jobs.submit_jobs(stream).await,
    );
}

#[expect(clippy::too_many_lines, reason = "one case after the other")]
pub(super) async fn looks(server: &Server, refused: &mut Refusals) {
    let mut jobs = server.jobs();
    for (id, expected) in [
        ("42", "INVALID_FIELD id"),
        ("", "INVALID_FIELD id"),
        (NOBODY, "JOB_NOT_FOUND"),
    ] {
        let get = proto::GetJobRequest {
            id: text(id),
            view: 0,
        };
        refused.add("GetJob", expected, jobs.get_job(get).await);
        let wait = proto::WaitJobRequest {
            id: text(id),
            timeout: None,
        };
        refused.add("WaitJob", expected, jobs.wait_job(wait).await);
        let watch = proto::WatchJobRequest {
            id: text(id),
            from_line: 0,
        };
        refused.add("WatchJob", expected, jobs.watch_job(watch).await);
        let logs = proto::ListJobLogsRequest {
            id: text(id),
            ..proto::ListJobLogsRequest::default()
        };
        refused.add("ListJobLogs", expected, jobs.list_job_logs(logs).await);
        let explain = proto::ExplainJobRequest { id: text(id) };
        refused.add("ExplainJob", expected, jobs.explain_job(explain).await);
    }
    let get = proto::GetJobRequest {
        id: text(NOBODY),
        view: 7,
    };
    refused.add("GetJob", "INVALID_FIELD view", jobs.get_job(get).await);
    let wait = proto::WaitJobRequest {
        id: text(NOBODY),
        timeout: seconds(3_601),
    };
    refused.add(
        "WaitJob",
        "INVALID_FIELD timeout",
        jobs.wait_job(wait).await,
    );
    let watch = proto::WatchJobRequest {
        id: text(NOBODY),
        from_line: -1,
    };
    let watched = jobs.watch_job(watch).await;
    refused.add("WatchJob", "INVALID_FIELD from_line", watched);
    for (page_size, page_token, expected) in [
        (-1, "", "INVALID_FIELD page_size"),
        (0, "foreign", "INVALID_FIELD page_token"),
    ] {
        let logs = proto::ListJobLogsRequest {
            id: text(NOBODY),
            page_size,
            page_token: text(page_token),
        };
        refused.add("ListJobLogs", expected, jobs.list_job_logs(logs).await);
        let list = proto::ListJobsRequest {
            page_size,
            page_token: text(page_token),
            ..proto::ListJobsRequest::default()
        };
        refused.add("ListJobs", expected, jobs.list_jobs(list).await);
    }
    let list = proto::ListJobsRequest {
        order_by: text("payload"),
        ..proto::ListJobsRequest::default()
    };
    refused.add(
        "ListJobs",
        "INVALID_FIELD order_by",
        jobs.list_jobs(list).await,
    );
    filters(server, refused).await;
    let resumed = proto::WatchEventsRequest {
        resume_token: text("foreign"),
        ..proto::WatchEventsRequest::default()
    };
    refused.add(
        "WatchEvents",
        "INVALID_FIELD resume_token",
        jobs.watch_events(resumed).await,
    );
}

/// Every call with a filter tells where the filter is wrong.
pub(super) async fn filters(server: &Server, refused: &mut Refusals) {
    let mut jobs = server.jobs();
    let expected = "INVALID_FILTER filter";
    for (filter, position) in [
        ("state = ", "9"),
        ("state = failed AND ?", "20"),
        ("😀", "1"),
    ] {
        let list = proto::ListJobsRequest {
            filter: text(filter),
            ..proto::ListJobsRequest::default()
        };
        let count = proto::CountJobsRequest {
            filter: text(filter),
        };
        let groups = proto::ListDeadLetterGroupsRequest {
            filter: text(filter),
        };
        let events = proto::WatchEventsRequest {
            filter: text(filter),
            ..proto::WatchEventsRequest::default()
        };
        let bulk = proto::StartBulkOperationRequest {
            action: proto::BulkAction::Cancel.into(),
            filter: text(filter),
            ..proto::StartBulkOperationRequest::default()
        };
        for status in [
            refused.add("ListJobs", expected, jobs.list_jobs(list).await),
            refused.add("CountJobs", expected, jobs.count_jobs(count).await),
            refused.add(
                "ListDeadLetterGroups",
                expected,
                jobs.list_dead_letter_groups(groups).await,
            ),
            refused.add("WatchEvents", expected, jobs.watch_events(events).await),
            refused.add(
                "StartBulkOperation",
                expected,
                jobs.start_bulk_operation(bulk).await,
            ),
        ] {
            let (_, details) = details(&status);
            let told = &details.error_info().unwrap().metadata["position"];
            assert_eq!(told, position, "{filter}: {status:?}");
        }
    }
    // Of events less is known than of jobs.
    let events = proto::WatchEventsRequest {
        filter: text("attempt > 1"),
        ..proto::WatchEventsRequest::default()
    };
    refused.add("WatchEvents", expected, jobs.watch_events(events).await);
}

#[expect(clippy::too_many_lines, reason = "one case after the other")]
pub(super) async fn changes(server: &Server, refused: &mut Refusals, waiting: &str) {
    let mut jobs = server.jobs();
    let odd = [("42", "INVALID_FIELD id"), (NOBODY, "JOB_NOT_FOUND")];
    let stale = (waiting, "stale", "ETAG_MISMATCH");
    let cases = odd.map(|(id, expected)| (id, "", expected));
    for (id, etag, expected) in cases.into_iter().chain([stale]) {
        let update = proto::UpdateJobRequest {
            job: Some(proto::Job {
                id: text(id),
                priority: 1,
                ..proto::Job::default()
            }),
            update_mask: mask("priority"),
            etag: text(etag),
        };
        refused.add("UpdateJob", expected, jobs.update_job(update).await);
        let cancel = proto::CancelJobRequest {
            id: text(id),
            reason: String::new(),
            etag: text(etag),
        };
        refused.add("CancelJob", expected, jobs.cancel_job(cancel).await);
        let retry = proto::RetryJobRequest {
            id: text(id),
            etag: text(etag),
            ..proto::RetryJobRequest::default()
        };
        refused.add("RetryJob", expected, jobs.retry_job(retry).await);
        let delete = proto::DeleteJobRequest {
            id: text(id),
            force: false,
            etag: text(etag),
        };
        refused.add("DeleteJob", expected, jobs.delete_job(delete).await);
    }
    for (id, expected) in odd {
        let promote = proto::PromoteJobRequest { id: text(id) };
        refused.add("PromoteJob", expected, jobs.promote_job(promote).await);
    }
    for (path, expected) in [
        ("state", "INVALID_FIELD update_mask"),
        ("priority", "INVALID_FIELD priority"),
        ("run_time", "INVALID_FIELD run_time"),
        ("payload", "PAYLOAD_TOO_LARGE payload"),
        ("max_attempts", "INVALID_FIELD max_attempts"),
        ("tags", "INVALID_FIELD tags"),
    ] {
        let update = proto::UpdateJobRequest {
            job: Some(proto::Job {
                id: text(waiting),
                priority: 10,
                run_time: at(-1),
                payload: vec![0; MAX_PAYLOAD + 1].into(),
                max_attempts: -1,
                tags: vec![text("")],
                ..proto::Job::default()
            }),
            update_mask: mask(path),
            etag: String::new(),
        };
        refused.add("UpdateJob", expected, jobs.update_job(update).await);
    }
    let update = jobs.update_job(proto::UpdateJobRequest::default());
    refused.add("UpdateJob", "INVALID_FIELD id", update.await);
    let cancel = proto::CancelJobRequest {
        id: text(waiting),
        reason: "r".repeat(1_025),
        etag: String::new(),
    };
    refused.add(
        "CancelJob",
        "INVALID_FIELD reason",
        jobs.cancel_job(cancel).await,
    );
    for (payload, content_type, expected) in [
        (
            Some(vec![0; MAX_PAYLOAD + 1]),
            "",
            "PAYLOAD_TOO_LARGE payload",
        ),
        (Some(Vec::new()), "é", "INVALID_FIELD content_type"),
        (None, "text/plain", "INVALID_FIELD content_type"),
    ] {
        let retry = proto::RetryJobRequest {
            id: text(waiting),
            payload: payload.map(Into::into),
            content_type: text(content_type),
            etag: String::new(),
        };
        refused.add("RetryJob", expected, jobs.retry_job(retry).await);
    }
    let forbidden = "INVALID_STATE_TRANSITION";
    let retry = proto::RetryJobRequest {
        id: text(waiting),
        ..proto::RetryJobRequest::default()
    };
    let promote = proto::PromoteJobRequest { id: text(waiting) };
    for status in [
        refused.add("RetryJob", forbidden, jobs.retry_job(retry).await),
        refused.add("PromoteJob", forbidden, jobs.promote_job(promote).await),
    ] {
        assert_eq!(status.code(), Code::FailedPrecondition);
        let (_, details) = details(&status);
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!(
            (&*metadata["from"], &*metadata["to"]),
            ("waiting", "waiting")
        );
    }
}
