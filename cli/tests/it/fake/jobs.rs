//! Jobs: what one does is in its kind.

use bytes::Bytes;
use jobflow::proto::{self, JobState, SubmitJobRequest, submit_job_result::Verdict};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::life::{at_work, ended, forbidden_step};
use super::operations::operation;
use super::{Fake, NOW, error, id, rejected, time};

#[tonic::async_trait]
impl proto::job_service_server::JobService for Fake {
    async fn submit_job(
        &self,
        request: Request<SubmitJobRequest>,
    ) -> Result<Response<proto::SubmitJobResponse>, Status> {
        let request = request.into_inner();
        if request.kind == "silent" {
            return std::future::pending().await;
        }
        let mut script = self.script();
        script.requests.push(request.clone());
        script.answer_call()?;
        match request.kind.as_str() {
            "conflict" => return Err(error(Code::AlreadyExists, "IDEMPOTENCY_CONFLICT", "exists")),
            "forbidden" => {
                return Err(error(Code::PermissionDenied, "ROLE_REQUIRED", "ask for it"));
            }
            "rejected" => return Err(error(Code::InvalidArgument, "INVALID_FIELD", "kind: no")),
            "doubtful" if script.doubts > 0 => {
                script.doubts -= 1;
                let (job, _) = script.submit(request);
                return Err(doubted(&job.id));
            }
            _ => {}
        }
        let replaced = request.kind == "replaces";
        let (job, duplicate) = script.submit(request);
        script.lose_answer()?;
        let job = Some(job);
        Ok(Response::new(proto::SubmitJobResponse {
            job,
            duplicate,
            replaced_id: if replaced { id(99) } else { String::new() },
        }))
    }

    async fn submit_jobs(
        &self,
        _: Request<tonic::Streaming<proto::SubmitJobsRequest>>,
    ) -> Result<Response<proto::SubmitJobsResponse>, Status> {
        Err(Status::unimplemented("the CLI sends batches"))
    }

    async fn batch_submit_jobs(
        &self,
        request: Request<proto::BatchSubmitJobsRequest>,
    ) -> Result<Response<proto::BatchSubmitJobsResponse>, Status> {
        let requests = request.into_inner().requests;
        let mut script = self.script();
        script.requests.extend(requests.iter().cloned());
        script.answer_call()?;
        let verdicts = requests.into_iter().map(|request| {
            if request.kind == "rejected" {
                return rejected("INVALID_FIELD", "kind", "no");
            }
            if script.reject_jobs > 0 {
                script.reject_jobs -= 1;
                return rejected("STORE_UNAVAILABLE", "", "the store can not be reached");
            }
            let doubtful = request.kind == "doubtful" && script.doubts > 0;
            script.doubts -= usize::from(doubtful);
            match script.submit(request) {
                (job, _) if doubtful => Verdict::Unknown(proto::SubmitUnknown {
                    message: format!("job {} is stored, but in doubt", job.id),
                    id: job.id,
                    reason: "DURABILITY_UNKNOWN".to_owned(),
                }),
                (job, false) => Verdict::CreatedId(job.id),
                (job, true) => Verdict::DuplicateId(job.id),
            }
        });
        let results = verdicts.map(|verdict| proto::SubmitJobResult {
            verdict: Some(verdict),
        });
        let results = results.collect();
        script.lose_answer()?;
        Ok(Response::new(proto::BatchSubmitJobsResponse { results }))
    }

    async fn get_job(
        &self,
        request: Request<proto::GetJobRequest>,
    ) -> Result<Response<proto::GetJobResponse>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let job = Some(script.find(&request.into_inner().id)?);
        Ok(Response::new(proto::GetJobResponse { job }))
    }

    async fn wait_job(
        &self,
        request: Request<proto::WaitJobRequest>,
    ) -> Result<Response<proto::WaitJobResponse>, Status> {
        let job = self.script().find(&request.into_inner().id)?;
        if job.kind == "stuck" {
            let message = format!("job {} is active after the time to wait", job.id);
            return Err(error(Code::DeadlineExceeded, "WAIT_TIMEOUT", &message));
        }
        let job = Some(ended(job));
        Ok(Response::new(proto::WaitJobResponse { job }))
    }

    /// Two jobs on a page.
    async fn list_jobs(
        &self,
        request: Request<proto::ListJobsRequest>,
    ) -> Result<Response<proto::ListJobsResponse>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let request = request.into_inner();
        if request.filter.contains("???") {
            let message = "filter: position 1: `???` is no field";
            return Err(error(Code::InvalidArgument, "INVALID_FILTER", message));
        }
        let from: usize = request.page_token.parse().unwrap_or(0);
        let size = usize::try_from(request.page_size).unwrap().min(2);
        let jobs = script.jobs.iter().skip(from).take(size).cloned();
        let jobs: Vec<_> = jobs
            .map(|job| proto::Job {
                payload: Bytes::new(),
                ..job
            })
            .collect();
        let to = from + jobs.len();
        let more = to < script.jobs.len();
        Ok(Response::new(proto::ListJobsResponse {
            jobs,
            next_page_token: if more { to.to_string() } else { String::new() },
            unreachable: Vec::new(),
        }))
    }

    async fn count_jobs(
        &self,
        request: Request<proto::CountJobsRequest>,
    ) -> Result<Response<proto::CountJobsResponse>, Status> {
        self.script().record(request.get_ref());
        Ok(Response::new(proto::CountJobsResponse {
            count: 412,
            complete: request.get_ref().filter != "many",
        }))
    }

    async fn update_job(
        &self,
        request: Request<proto::UpdateJobRequest>,
    ) -> Result<Response<proto::UpdateJobResponse>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let request = request.into_inner();
        if script.changes_between || request.etag != "e1" {
            let message = "the job was changed since it was read";
            return Err(error(Code::Aborted, "ETAG_MISMATCH", message));
        }
        let job = Some(script.find(&request.job.unwrap().id)?);
        Ok(Response::new(proto::UpdateJobResponse { job }))
    }

    async fn cancel_job(
        &self,
        request: Request<proto::CancelJobRequest>,
    ) -> Result<Response<proto::CancelJobResponse>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let mut job = script.find(&request.into_inner().id)?;
        match job.state() {
            state @ (JobState::Failed | JobState::Cancelled) => {
                return Err(forbidden_step(state.as_str_name(), "cancelled"));
            }
            JobState::Active => job.cancel_requested = true,
            _ => job.set_state(JobState::Cancelled),
        }
        if let Err(lost) = script.lose_answer() {
            let stored = script.jobs.iter_mut().find(|stored| stored.id == job.id);
            *stored.unwrap() = job;
            return Err(lost);
        }
        let job = Some(job);
        Ok(Response::new(proto::CancelJobResponse { job }))
    }

    async fn retry_job(
        &self,
        request: Request<proto::RetryJobRequest>,
    ) -> Result<Response<proto::RetryJobResponse>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let mut job = script.find(&request.into_inner().id)?;
        if job.state() == JobState::Active {
            return Err(forbidden_step("active", "waiting"));
        }
        job.set_state(JobState::Waiting);
        let job = Some(job);
        Ok(Response::new(proto::RetryJobResponse { job }))
    }

    async fn promote_job(
        &self,
        request: Request<proto::PromoteJobRequest>,
    ) -> Result<Response<proto::PromoteJobResponse>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let job = Some(script.find(&request.into_inner().id)?);
        Ok(Response::new(proto::PromoteJobResponse { job }))
    }

    async fn delete_job(
        &self,
        request: Request<proto::DeleteJobRequest>,
    ) -> Result<Response<proto::DeleteJobResponse>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let request = request.into_inner();
        let job = script.find(&request.id)?;
        if job.state() == JobState::Active && !request.force {
            return Err(forbidden_step("active", "deleted"));
        }
        Ok(Response::new(proto::DeleteJobResponse {}))
    }

    type WatchJobStream = ReceiverStream<Result<proto::WatchJobResponse, Status>>;

    /// Three messages; the next begins behind the log lines that were seen.
    async fn watch_job(
        &self,
        request: Request<proto::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let request = request.into_inner();
        let job = script.find(&request.id)?;
        let from = usize::try_from(request.from_line).unwrap();
        let mut messages: Vec<_> = (from..2).map(|line| Ok(at_work(&job, line))).collect();
        messages.push(Ok(proto::WatchJobResponse {
            job: Some(ended(job)),
            log_lines: Vec::new(),
        }));
        Ok(Response::new(script.stream(messages)))
    }

    type WatchEventsStream = ReceiverStream<Result<proto::WatchEventsResponse, Status>>;

    async fn watch_events(
        &self,
        request: Request<proto::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let mut script = self.script();
        script.record(request.get_ref());
        let from = request.into_inner().resume_token.parse().unwrap_or(0);
        let messages = script.events.iter().skip(from).cloned().enumerate();
        let mut messages: Vec<_> = messages
            .map(|(number, message)| {
                Ok(proto::WatchEventsResponse {
                    resume_token: (from + number + 1).to_string(),
                    ..message
                })
            })
            .collect();
        messages.push(Ok(proto::WatchEventsResponse {
            resume_token: script.events.len().to_string(),
            ..proto::WatchEventsResponse::default()
        }));
        Ok(Response::new(script.stream(messages)))
    }

    /// Two lines on a page each.
    async fn list_job_logs(
        &self,
        request: Request<proto::ListJobLogsRequest>,
    ) -> Result<Response<proto::ListJobLogsResponse>, Status> {
        let request = request.into_inner();
        let job = self.script().find(&request.id)?;
        let (number, next) = match request.page_token.as_str() {
            "" => (0, "1"),
            _ => (1, ""),
        };
        Ok(Response::new(proto::ListJobLogsResponse {
            lines: at_work(&job, number).log_lines,
            next_page_token: next.to_owned(),
        }))
    }

    async fn explain_job(
        &self,
        request: Request<proto::ExplainJobRequest>,
    ) -> Result<Response<proto::ExplainJobResponse>, Status> {
        let job = self.script().find(&request.into_inner().id)?;
        Ok(Response::new(proto::ExplainJobResponse {
            state: job.state,
            summary: "the queue images is paused".to_owned(),
            obstacles: vec![proto::Obstacle {
                reason: "QUEUE_PAUSED".to_owned(),
                description: "the queue is paused: moving house".to_owned(),
                until_time: time(NOW),
            }],
            jobs_ahead: Some(1_204),
            workers: 2,
            free_slots: 8,
        }))
    }

    async fn list_dead_letter_groups(
        &self,
        request: Request<proto::ListDeadLetterGroupsRequest>,
    ) -> Result<Response<proto::ListDeadLetterGroupsResponse>, Status> {
        self.script().record(request.get_ref());
        let group = |fingerprint: &str, count| proto::DeadLetterGroup {
            fingerprint: fingerprint.to_owned(),
            queue: "images".to_owned(),
            kind: "fails".to_owned(),
            error_code: "HANDLER_ERROR".to_owned(),
            message: "no file <n>".to_owned(),
            count,
            last_time: time(NOW),
            ..proto::DeadLetterGroup::default()
        };
        Ok(Response::new(proto::ListDeadLetterGroupsResponse {
            groups: vec![group("5f3a9c", 7_000), group("77aa01", 3)],
            complete: request.get_ref().filter != "many",
        }))
    }

    async fn start_bulk_operation(
        &self,
        request: Request<proto::StartBulkOperationRequest>,
    ) -> Result<Response<proto::StartBulkOperationResponse>, Status> {
        let operation = self.script().start(request.into_inner())?;
        Ok(Response::new(proto::StartBulkOperationResponse {
            operation: Some(operation),
        }))
    }

    async fn get_bulk_operation(
        &self,
        request: Request<proto::GetBulkOperationRequest>,
    ) -> Result<Response<proto::GetBulkOperationResponse>, Status> {
        let operation = self.script().look(&request.into_inner().id)?;
        Ok(Response::new(proto::GetBulkOperationResponse {
            operation: Some(operation),
        }))
    }

    /// Three operations, one on a page.
    async fn list_bulk_operations(
        &self,
        request: Request<proto::ListBulkOperationsRequest>,
    ) -> Result<Response<proto::ListBulkOperationsResponse>, Status> {
        let number: usize = request.into_inner().page_token.parse().unwrap_or(1);
        let next = (number < 3).then(|| (number + 1).to_string());
        Ok(Response::new(proto::ListBulkOperationsResponse {
            operations: vec![operation(&format!("b-{number}"))],
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn stop_bulk_operation(
        &self,
        request: Request<proto::StopBulkOperationRequest>,
    ) -> Result<Response<proto::StopBulkOperationResponse>, Status> {
        self.script().record(request.get_ref());
        let mut operation = operation(&request.into_inner().id);
        operation.set_state(proto::BulkState::Stopped);
        Ok(Response::new(proto::StopBulkOperationResponse {
            operation: Some(operation),
        }))
    }
}

/// A job that is stored, but not known to be as safe as asked.
fn doubted(id: &str) -> Status {
    let metadata = [("job_id".to_owned(), id.to_owned())];
    let mut details = ErrorDetails::with_error_info("DURABILITY_UNKNOWN", "jobflow", metadata);
    details.set_retry_info(Some(std::time::Duration::from_millis(10)));
    let message = format!("job {id} is stored, but in doubt");
    Status::with_error_details(Code::Unknown, message, details)
}
