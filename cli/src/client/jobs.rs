//! Calls about jobs.

use std::time::Duration;

use jobflow::proto::{
    self, CancelJobRequest, CountJobsRequest, CountJobsResponse, DeleteJobRequest,
    ExplainJobRequest, ExplainJobResponse, GetJobRequest, ListDeadLetterGroupsRequest,
    ListDeadLetterGroupsResponse, ListJobLogsRequest, ListJobLogsResponse, ListJobsRequest,
    ListJobsResponse, PromoteJobRequest, RetryJobRequest, UpdateJobRequest, WaitJobRequest,
};
use tokio::time::Instant;

use crate::client::{CALL_TIMEOUT, Client};
use crate::error::{Exit, Result};

/// A long wait is made of calls of this length.
const WAIT_CALL: Duration = Duration::from_secs(60);

impl Client {
    pub(crate) async fn get(&self, id: &str) -> Result<proto::Job> {
        let message = GetJobRequest {
            id: id.to_owned(),
            view: proto::JobView::Full.into(),
        };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.jobs().get_job(request).await
            })
            .await?;
        answer.job.ok_or_else(|| self.incomplete())
    }

    /// Returns the job once it is final.
    pub(crate) async fn wait(&self, id: &str, at_most: Duration) -> Result<proto::Job> {
        let deadline = Instant::now() + at_most;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.wait_once(id, rest.min(WAIT_CALL)).await {
                Err(error) if error.exit == Exit::Timeout && rest > WAIT_CALL => {}
                Err(error) if error.exit == Exit::Timeout => {
                    return Err(error.hint(format!("`jobflow-cli job wait {id}` waits on")));
                }
                result => return result,
            }
        }
    }

    async fn wait_once(&self, id: &str, at_most: Duration) -> Result<proto::Job> {
        let message = WaitJobRequest {
            id: id.to_owned(),
            timeout: Some(proto::duration(at_most)),
        };
        // The server keeps the time; the deadline of the call is for one that hangs.
        let answer = self
            .call(at_most + CALL_TIMEOUT, &message, async |request| {
                self.jobs().wait_job(request).await
            })
            .await?;
        answer.job.ok_or_else(|| self.incomplete())
    }

    /// A page of jobs.
    pub(crate) async fn list_jobs(&self, page: &ListJobsRequest) -> Result<ListJobsResponse> {
        self.call(self.call_timeout, page, async |request| {
            self.jobs().list_jobs(request).await
        })
        .await
    }

    pub(crate) async fn count_jobs(&self, filter: &str) -> Result<CountJobsResponse> {
        let message = CountJobsRequest {
            filter: filter.to_owned(),
        };
        self.call(self.call_timeout, &message, async |request| {
            self.jobs().count_jobs(request).await
        })
        .await
    }

    pub(crate) async fn update_job(&self, message: &UpdateJobRequest) -> Result<proto::Job> {
        let answer = self
            .call(self.call_timeout, message, async |request| {
                self.jobs().update_job(request).await
            })
            .await?;
        answer.job.ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn cancel_job(&self, id: &str, reason: &str) -> Result<proto::Job> {
        let message = CancelJobRequest {
            id: id.to_owned(),
            reason: reason.to_owned(),
            etag: String::new(),
        };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.jobs().cancel_job(request).await
            })
            .await?;
        answer.job.ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn retry_job(&self, message: &RetryJobRequest) -> Result<proto::Job> {
        let answer = self
            .call(self.call_timeout, message, async |request| {
                self.jobs().retry_job(request).await
            })
            .await?;
        answer.job.ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn promote_job(&self, id: &str) -> Result<proto::Job> {
        let message = PromoteJobRequest { id: id.to_owned() };
        let answer = self
            .call(self.call_timeout, &message, async |request| {
                self.jobs().promote_job(request).await
            })
            .await?;
        answer.job.ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn delete_job(&self, message: &DeleteJobRequest) -> Result<()> {
        self.call(self.call_timeout, message, async |request| {
            self.jobs().delete_job(request).await
        })
        .await?;
        Ok(())
    }

    /// A page of what handlers logged.
    pub(crate) async fn list_logs(&self, page: &ListJobLogsRequest) -> Result<ListJobLogsResponse> {
        self.call(self.call_timeout, page, async |request| {
            self.jobs().list_job_logs(request).await
        })
        .await
    }

    pub(crate) async fn explain(&self, id: &str) -> Result<ExplainJobResponse> {
        let message = ExplainJobRequest { id: id.to_owned() };
        self.call(self.call_timeout, &message, async |request| {
            self.jobs().explain_job(request).await
        })
        .await
    }

    pub(crate) async fn dead_groups(&self, filter: &str) -> Result<ListDeadLetterGroupsResponse> {
        let message = ListDeadLetterGroupsRequest {
            filter: filter.to_owned(),
        };
        self.call(self.call_timeout, &message, async |request| {
            self.jobs().list_dead_letter_groups(request).await
        })
        .await
    }
}
