//! `JobService`: its calls. What each does stands in the files beside.

use std::sync::Arc;

use super::services::job_service_server::JobService;
use jobflow::{Result, proto};
use tonic::{Request, Response, Status, Streaming};

use super::look;
use super::status::reply;
use super::watch::Messages;
use crate::app::App;
use crate::deadline;

pub(super) struct Jobs(pub(super) Arc<App>);

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
        reply(self.get(request.into_inner()).await)
    }

    async fn wait_job(
        &self,
        request: Request<proto::WaitJobRequest>,
    ) -> Result<Response<proto::WaitJobResponse>, Status> {
        let by_deadline = deadline::time_to_answer(request.extensions());
        reply(self.wait(request.into_inner(), by_deadline).await)
    }

    type WatchJobStream = Messages<proto::WatchJobResponse>;

    async fn watch_job(
        &self,
        request: Request<proto::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        reply(self.watch(request.into_inner()).await)
    }

    type WatchEventsStream = Messages<proto::WatchEventsResponse>;

    async fn watch_events(
        &self,
        request: Request<proto::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        reply(self.follow(request.into_inner()).await)
    }

    async fn list_jobs(
        &self,
        request: Request<proto::ListJobsRequest>,
    ) -> Result<Response<proto::ListJobsResponse>, Status> {
        reply(self.list(request.into_inner()).await)
    }

    async fn list_job_logs(
        &self,
        request: Request<proto::ListJobLogsRequest>,
    ) -> Result<Response<proto::ListJobLogsResponse>, Status> {
        reply(self.list_logs(request.into_inner()).await)
    }

    async fn explain_job(
        &self,
        request: Request<proto::ExplainJobRequest>,
    ) -> Result<Response<proto::ExplainJobResponse>, Status> {
        reply(self.explain(request.into_inner()).await)
    }

    async fn count_jobs(
        &self,
        request: Request<proto::CountJobsRequest>,
    ) -> Result<Response<proto::CountJobsResponse>, Status> {
        let until = look::until(request.extensions());
        reply(self.count(request.into_inner(), until).await)
    }

    async fn list_dead_letter_groups(
        &self,
        request: Request<proto::ListDeadLetterGroupsRequest>,
    ) -> Result<Response<proto::ListDeadLetterGroupsResponse>, Status> {
        let until = look::until(request.extensions());
        reply(self.list_dead_letters(request.into_inner(), until).await)
    }

    async fn update_job(
        &self,
        request: Request<proto::UpdateJobRequest>,
    ) -> Result<Response<proto::UpdateJobResponse>, Status> {
        reply(self.update(request.into_inner()).await)
    }

    async fn cancel_job(
        &self,
        request: Request<proto::CancelJobRequest>,
    ) -> Result<Response<proto::CancelJobResponse>, Status> {
        reply(self.cancel(request.into_inner()).await)
    }

    async fn retry_job(
        &self,
        request: Request<proto::RetryJobRequest>,
    ) -> Result<Response<proto::RetryJobResponse>, Status> {
        reply(self.retry(request.into_inner()).await)
    }

    async fn promote_job(
        &self,
        request: Request<proto::PromoteJobRequest>,
    ) -> Result<Response<proto::PromoteJobResponse>, Status> {
        reply(self.promote(request.into_inner()).await)
    }

    async fn delete_job(
        &self,
        request: Request<proto::DeleteJobRequest>,
    ) -> Result<Response<proto::DeleteJobResponse>, Status> {
        reply(self.delete(request.into_inner()).await)
    }

    async fn start_bulk_operation(
        &self,
        request: Request<proto::StartBulkOperationRequest>,
    ) -> Result<Response<proto::StartBulkOperationResponse>, Status> {
        reply(self.start_bulk(request.into_inner()).await)
    }

    async fn get_bulk_operation(
        &self,
        request: Request<proto::GetBulkOperationRequest>,
    ) -> Result<Response<proto::GetBulkOperationResponse>, Status> {
        reply(self.get_bulk(request.into_inner()).await)
    }

    async fn list_bulk_operations(
        &self,
        request: Request<proto::ListBulkOperationsRequest>,
    ) -> Result<Response<proto::ListBulkOperationsResponse>, Status> {
        reply(self.list_bulk(request.into_inner()).await)
    }

    async fn stop_bulk_operation(
        &self,
        request: Request<proto::StopBulkOperationRequest>,
    ) -> Result<Response<proto::StopBulkOperationResponse>, Status> {
        reply(self.stop_bulk(request.into_inner()).await)
    }
}
