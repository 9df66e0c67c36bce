//! `JobService`.

use std::time::Duration;

use jobflow::{Error, JobId, Result, proto};
use proto::job_service_server::JobService;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use super::status::reply;
use crate::app::App;
use crate::deadline;

/// How long a wait lasts when neither the request nor the call says so.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
const MAX_WAIT: Duration = Duration::from_secs(3600);

pub(super) struct Jobs(pub(super) App);

#[tonic::async_trait]
impl JobService for Jobs {
    async fn submit_job(
        &self,
        request: Request<proto::SubmitJobRequest>,
    ) -> Result<Response<proto::SubmitJobResponse>, Status> {
        reply(self.submit(request.into_inner()).await)
    }

    async fn batch_submit_jobs(
        &self,
        request: Request<proto::BatchSubmitJobsRequest>,
    ) -> Result<Response<proto::BatchSubmitJobsResponse>, Status> {
        reply(self.submit_batch(request.into_inner().requests).await)
    }

    async fn submit_jobs(
        &self,
        request: Request<Streaming<proto::SubmitJobsRequest>>,
    ) -> Result<Response<proto::SubmitJobsResponse>, Status> {
        self.submit_stream(request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_job(
        &self,
        request: Request<proto::GetJobRequest>,
    ) -> Result<Response<proto::GetJobResponse>, Status> {
        reply(self.get(&request.into_inner().id).await)
    }

    async fn wait_job(
        &self,
        request: Request<proto::WaitJobRequest>,
    ) -> Result<Response<proto::WaitJobResponse>, Status> {
        let by_deadline = deadline::time_to_answer(request.extensions());
        reply(self.wait(request.into_inner(), by_deadline).await)
    }
}

impl Jobs {
    async fn get(&self, id: &str) -> Result<proto::GetJobResponse> {
        let job = self.0.queue.get(id.parse()?).await?;
        Ok(proto::GetJobResponse {
            job: Some(job.into()),
        })
    }

    async fn wait(
        &self,
        request: proto::WaitJobRequest,
        by_deadline: Option<Duration>,
    ) -> Result<proto::WaitJobResponse> {
        let id: JobId = request.id.parse()?;
        let asked = request
            .timeout
            .map(|timeout| wait_time(&timeout))
            .transpose()?;
        let time = match (asked, by_deadline) {
            (Some(asked), Some(deadline)) => asked.min(deadline),
            (Some(time), None) | (None, Some(time)) => time.min(MAX_WAIT),
            (None, None) => DEFAULT_WAIT,
        };
        let job = self.0.events.wait_final(id, Instant::now() + time).await?;
        Ok(proto::WaitJobResponse {
            job: Some(job.into()),
        })
    }
}

fn wait_time(timeout: &prost_types::Duration) -> Result<Duration> {
    let refused = || Error::invalid("timeout", "must be 0 to 1 h");
    let time = proto::duration_from("timeout", timeout).map_err(|_| refused())?;
    if time > MAX_WAIT {
        Err(refused())
    } else {
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded() {
        let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
        assert_eq!(
            wait_time(&seconds(3601)).unwrap_err().field(),
            Some("timeout")
        );
        assert_eq!(
            wait_time(&seconds(-1)).unwrap_err().field(),
            Some("timeout")
        );
        assert_eq!(wait_time(&seconds(3600)), Ok(MAX_WAIT));
    }
}
