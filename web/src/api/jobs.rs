//! Calls about jobs.

use bytes::Bytes;
use jobflow::proto::{self, Job};

use super::{
    Answered, Api, there,
    wire::{Messages, call, open},
};

/// A page of jobs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    pub(crate) jobs: Vec<Job>,
    /// Empty on the last page.
    pub(crate) next: String,
    /// Partitions of which it lacks the jobs.
    pub(crate) unreachable: Vec<String>,
}

impl Api {
    pub(crate) async fn list_jobs(
        filter: String,
        order_by: String,
        page_size: i32,
        page_token: String,
    ) -> Answered<Page> {
        let request = proto::ListJobsRequest {
            filter,
            order_by,
            page_size,
            page_token,
        };
        let page = call(request).await?;
        Ok(Page {
            jobs: page.jobs,
            next: page.next_page_token,
            unreachable: page.unreachable,
        })
    }

    pub(crate) async fn count_jobs(filter: String) -> Answered<proto::CountJobsResponse> {
        call(proto::CountJobsRequest { filter }).await
    }

    pub(crate) async fn explain_job(id: String) -> Answered<proto::ExplainJobResponse> {
        call(proto::ExplainJobRequest { id }).await
    }

    /// Creates a job, once however often this is sent.
    pub(crate) async fn submit_job(request: proto::SubmitJobRequest) -> Answered<Job> {
        there(call(request).await?.job)
    }

    /// Lets a job begin anew, with another payload where one is given.
    pub(crate) async fn retry_job(
        id: String,
        payload: Option<Bytes>,
        etag: String,
    ) -> Answered<Job> {
        let request = proto::RetryJobRequest {
            id,
            payload,
            etag,
            content_type: String::new(),
        };
        there(call(request).await?.job)
    }

    pub(crate) async fn cancel_job(id: String, reason: String) -> Answered<Job> {
        let request = proto::CancelJobRequest {
            id,
            reason,
            etag: String::new(),
        };
        there(call(request).await?.job)
    }

    pub(crate) async fn promote_job(id: String) -> Answered<Job> {
        there(call(proto::PromoteJobRequest { id }).await?.job)
    }

    pub(crate) async fn delete_job(id: String) -> Answered<()> {
        let request = proto::DeleteJobRequest {
            id,
            ..proto::DeleteJobRequest::default()
        };
        call(request).await.map(|_| ())
    }

    /// Follows a job until it is final.
    pub(crate) async fn watch_job(
        id: String,
        from_line: i64,
    ) -> Answered<Messages<proto::WatchJobResponse>> {
        let request = proto::WatchJobRequest { id, from_line };
        open(request).await
    }

    /// Follows the moves of jobs.
    pub(crate) async fn watch_events(
        filter: String,
        resume_token: String,
    ) -> Answered<Messages<proto::WatchEventsResponse>> {
        let request = proto::WatchEventsRequest {
            filter,
            resume_token,
        };
        open(request).await
    }
}
