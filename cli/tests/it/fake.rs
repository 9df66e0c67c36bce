//! A server without a store. What a job does is in its kind: `fails` fails,
//! `stuck` is never final, `rejected` is refused, `silent` gets no answer, any other completes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use jobflow::proto::{
    self, job_service_server::JobServiceServer, metrics_service_server::MetricsServiceServer,
    queue_service_server::QueueServiceServer, submit_job_result::Verdict,
};
use proto::{JobState, SubmitJobRequest};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

#[derive(Default)]
pub(crate) struct Script {
    /// How many connections are closed under their first call.
    pub(crate) hang_ups: usize,
    /// How many of the next submit calls are refused as UNAVAILABLE.
    pub(crate) refuse_calls: usize,
    /// How many of the next submit calls are done but not answered.
    pub(crate) lose_answers: usize,
    /// How many of the next jobs of batches are rejected as STORE_UNAVAILABLE.
    pub(crate) reject_jobs: usize,
    /// After this many jobs the server is gone for good.
    pub(crate) vanish_after: Option<usize>,
    /// How many messages a metrics stream has before it ends; none: no end.
    pub(crate) metrics_messages: Option<u64>,
    /// Every request for a job that arrived, refused ones too.
    pub(crate) requests: Vec<SubmitJobRequest>,
    pub(crate) jobs: Vec<proto::Job>,
    pub(crate) streams: usize,
    pub(crate) ids: HashMap<String, usize>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Script>>);

pub(crate) struct FakeServer {
    pub(crate) url: String,
    fake: Fake,
    _stop: oneshot::Sender<()>,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        Self::scripted(Script::default()).await
    }

    pub(crate) async fn scripted(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let hang_ups = script.hang_ups;
        let fake = Fake(Arc::new(Mutex::new(script)));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::builder()
            .add_service(JobServiceServer::new(fake.clone()))
            .add_service(QueueServiceServer::new(fake.clone()))
            .add_service(MetricsServiceServer::new(fake.clone()));
        tokio::spawn(async move {
            for _ in 0..hang_ups {
                let (mut connection, _) = listener.accept().await.unwrap();
                connection.read_u8().await.unwrap();
            }
            tokio::select! {
                result = server.serve_with_incoming(TcpListenerStream::new(listener)) => result.unwrap(),
                _ = stopped => {}
            }
        });
        Self {
            url,
            fake,
            _stop: stop,
        }
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.fake.script()
    }
}

impl Fake {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }
}

impl Script {
    fn answer_call(&mut self) -> Result<(), Status> {
        if self
            .vanish_after
            .is_some_and(|jobs| self.jobs.len() >= jobs)
        {
            return Err(Status::unavailable("gone"));
        }
        if self.refuse_calls > 0 {
            self.refuse_calls -= 1;
            return Err(Status::unavailable("not yet"));
        }
        Ok(())
    }

    fn lose_answer(&mut self) -> Result<(), Status> {
        if self.lose_answers > 0 {
            self.lose_answers -= 1;
            return Err(Status::unavailable("lost"));
        }
        Ok(())
    }

    /// Stores a job, or finds the one with the same request id.
    fn submit(&mut self, request: SubmitJobRequest) -> (proto::Job, bool) {
        let number = self.jobs.len();
        let number = *self.ids.entry(request.request_id).or_insert(number);
        let duplicate = number < self.jobs.len();
        if !duplicate {
            self.jobs.push(proto::Job {
                id: id(number),
                queue: request.queue,
                kind: request.kind,
                state: JobState::Waiting.into(),
                payload: request.payload,
                content_type: request.content_type,
                attempt: 1,
                max_attempts: 3,
                ..proto::Job::default()
            });
        }
        (self.jobs[number].clone(), duplicate)
    }

    fn find(&self, id: &str) -> Result<proto::Job, Status> {
        let found = self.jobs.iter().find(|job| job.id == id).cloned();
        found.ok_or_else(|| {
            let message = format!("job {id} does not exist or is no longer kept");
            error(Code::NotFound, "JOB_NOT_FOUND", &message)
        })
    }
}

/// The id of the job that was stored as the `number`th.
pub(crate) fn id(number: usize) -> String {
    format!("0198c0de-0000-7000-8000-{number:012}")
}

fn error(code: Code, reason: &str, message: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "jobflow", []);
    Status::with_error_details(code, message, details)
}

fn rejected(reason: &str, field: &str, message: &str) -> Verdict {
    Verdict::Rejected(proto::SubmitRejection {
        reason: reason.to_owned(),
        field: field.to_owned(),
        message: message.to_owned(),
    })
}

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
            _ => {}
        }
        let (job, duplicate) = script.submit(request);
        script.lose_answer()?;
        let job = Some(job);
        Ok(Response::new(proto::SubmitJobResponse { job, duplicate }))
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
            match script.submit(request) {
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
        let job = Some(self.script().find(&request.into_inner().id)?);
        Ok(Response::new(proto::GetJobResponse { job }))
    }

    async fn wait_job(
        &self,
        request: Request<proto::WaitJobRequest>,
    ) -> Result<Response<proto::WaitJobResponse>, Status> {
        let mut job = self.script().find(&request.into_inner().id)?;
        match job.kind.as_str() {
            "stuck" => {
                let message = format!("job {} is active after the time to wait", job.id);
                return Err(error(Code::DeadlineExceeded, "WAIT_TIMEOUT", &message));
            }
            "fails" => {
                job.set_state(JobState::Failed);
                job.error = Some(proto::JobError {
                    code: "HANDLER_ERROR".to_owned(),
                    message: "boom".to_owned(),
                });
            }
            "cancelled" => job.set_state(JobState::Cancelled),
            _ => {
                job.set_state(JobState::Completed);
                job.result = job.payload.clone();
                job.result_content_type.clone_from(&job.content_type);
            }
        }
        let job = Some(job);
        Ok(Response::new(proto::WaitJobResponse { job }))
    }
}

#[tonic::async_trait]
impl proto::queue_service_server::QueueService for Fake {
    /// Two queues, on a page each.
    async fn list_queues(
        &self,
        request: Request<proto::ListQueuesRequest>,
    ) -> Result<Response<proto::ListQueuesResponse>, Status> {
        let (name, next, waiting) = match request.into_inner().page_token.as_str() {
            "" => ("default", "mail", 1_204),
            _ => ("mail", "", 7),
        };
        let counts = proto::JobCounts {
            waiting,
            ..proto::JobCounts::default()
        };
        let queue = proto::Queue {
            name: name.to_owned(),
            counts: Some(counts),
            ..proto::Queue::default()
        };
        Ok(Response::new(proto::ListQueuesResponse {
            queues: vec![queue],
            next_page_token: next.to_owned(),
        }))
    }
}

type MetricsStream =
    tokio_stream::wrappers::ReceiverStream<Result<proto::StreamMetricsResponse, Status>>;

#[tonic::async_trait]
impl proto::metrics_service_server::MetricsService for Fake {
    type StreamMetricsStream = MetricsStream;

    async fn stream_metrics(
        &self,
        _: Request<proto::StreamMetricsRequest>,
    ) -> Result<Response<MetricsStream>, Status> {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let mut script = self.script();
        script.streams += 1;
        let last = script.metrics_messages.unwrap_or(u64::MAX);
        tokio::spawn(async move {
            for sequence in 1..=last {
                let message = proto::StreamMetricsResponse {
                    sequence,
                    snapshot: sequence == 1,
                    counts: Some(proto::JobCounts {
                        waiting: 3,
                        ..Default::default()
                    }),
                    ..Default::default()
                };
                if sender.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(MetricsStream::new(receiver)))
    }
}
