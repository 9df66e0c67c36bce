//! The calls that change one job.

use jobflow::{Error, Etag, Force, JobId, JobState, Result, proto};

use super::jobs::Jobs;
use crate::auth::who;

impl Jobs {
    pub(super) async fn update(
        &self,
        request: proto::UpdateJobRequest,
    ) -> Result<proto::UpdateJobResponse> {
        let job = request.job.unwrap_or_default();
        let id = job.id.parse()?;
        let changes = proto::job_changes(&job, request.update_mask.as_ref())?;
        let etag = etag(&request.etag);
        who::job(&self.0.queue, id).await?;
        self.0.queue.update(id, changes, etag.as_ref()).await?;
        let job = Some(self.changed(id, None).await?);
        Ok(proto::UpdateJobResponse { job })
    }

    pub(super) async fn cancel(
        &self,
        request: proto::CancelJobRequest,
    ) -> Result<proto::CancelJobResponse> {
        let id = request.id.parse()?;
        let etag = etag(&request.etag);
        who::job(&self.0.queue, id).await?;
        let state = self
            .0
            .queue
            .cancel(id, &request.reason, etag.as_ref())
            .await?;
        let job = Some(self.changed(id, Some(state)).await?);
        Ok(proto::CancelJobResponse { job })
    }

    pub(super) async fn retry(
        &self,
        request: proto::RetryJobRequest,
    ) -> Result<proto::RetryJobResponse> {
        let id = request.id.parse()?;
        let content_type = Some(request.content_type).filter(|text| !text.is_empty());
        let payload = match (request.payload, content_type) {
            (None, Some(_)) => {
                let message = "must come with a payload";
                return Err(Error::invalid("content_type", message));
            }
            (payload, content_type) => payload.map(|payload| (payload, content_type)),
        };
        let etag = etag(&request.etag);
        who::job(&self.0.queue, id).await?;
        self.0.queue.retry(id, payload, etag.as_ref()).await?;
        let job = Some(self.changed(id, Some(JobState::Waiting)).await?);
        Ok(proto::RetryJobResponse { job })
    }

    pub(super) async fn promote(
        &self,
        request: proto::PromoteJobRequest,
    ) -> Result<proto::PromoteJobResponse> {
        let id = request.id.parse()?;
        who::job(&self.0.queue, id).await?;
        self.0.queue.promote_job(id).await?;
        let job = Some(self.changed(id, Some(JobState::Waiting)).await?);
        Ok(proto::PromoteJobResponse { job })
    }

    pub(super) async fn delete(
        &self,
        request: proto::DeleteJobRequest,
    ) -> Result<proto::DeleteJobResponse> {
        let force = if request.force { Force::Yes } else { Force::No };
        let etag = etag(&request.etag);
        let id = request.id.parse()?;
        who::job(&self.0.queue, id).await?;
        self.0.queue.delete(id, force, etag.as_ref()).await?;
        Ok(proto::DeleteJobResponse {})
    }

    /// The job after a change, without payload and history. It may be gone by
    /// now; that it was changed, and to which state, stays true.
    async fn changed(&self, id: JobId, state: Option<JobState>) -> Result<proto::Job> {
        match self.0.queue.get(id).await {
            Err(Error::JobNotFound { .. }) => Ok(proto::Job {
                id: id.to_string(),
                state: state
                    .map_or(proto::JobState::Unspecified, Into::into)
                    .into(),
                ..proto::Job::default()
            }),
            job => who::shown(proto::Job::from(job?).basic()),
        }
    }
}

/// Empty: no check.
pub(super) fn etag(text: &str) -> Option<Etag> {
    (!text.is_empty()).then(|| Etag::new(text))
}
