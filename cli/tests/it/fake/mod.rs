//! A server without a store. What a job does is in its kind: `fails` fails,
//! `stuck` is never final, `rejected` is refused, `silent` gets no answer, any other completes.

mod admin;
mod jobs;
mod life;
mod metrics;
mod operations;
mod queues;
pub(crate) mod tokens;
mod workers;

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jobflow::proto::{
    self, admin_service_server::AdminServiceServer, job_service_server::JobServiceServer,
    metrics_service_server::MetricsServiceServer, queue_service_server::QueueServiceServer,
    submit_job_result::Verdict, token_service_server::TokenServiceServer,
    worker_service_server::WorkerServiceServer,
};
use proto::{JobState, SubmitJobRequest};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Code, Status};
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
    /// How many of the next jobs of the kind `doubtful` are stored, but in doubt.
    pub(crate) doubts: usize,
    /// After this many jobs the server is gone for good.
    pub(crate) vanish_after: Option<usize>,
    /// How many messages a metrics stream has before it ends; none: no end.
    pub(crate) metrics_messages: Option<u64>,
    /// How long a metrics stream rests between messages; none: not at all.
    pub(crate) pace: Option<Duration>,
    /// Every request for a job that arrived, refused ones too.
    pub(crate) requests: Vec<SubmitJobRequest>,
    pub(crate) jobs: Vec<proto::Job>,
    pub(crate) streams: usize,
    pub(crate) ids: HashMap<String, usize>,
    /// Every other request that arrived, whatever it was.
    pub(crate) calls: Vec<Box<dyn Any + Send>>,
    /// How many of the next streams about a job or events break after a message.
    pub(crate) break_streams: usize,
    /// Whether somebody else changes whatever is read before it is changed.
    pub(crate) changes_between: bool,
    /// What event streams say. The resume token is the number of a message.
    pub(crate) events: Vec<proto::WatchEventsResponse>,
    /// How often a bulk operation is looked at before it is done.
    pub(crate) bulk_looks: usize,
    /// How a bulk operation ends.
    pub(crate) bulk_end: proto::BulkState,
    /// How bad the worst finding is.
    pub(crate) severity: proto::Severity,
    /// What the last maker of a token showed as its own.
    pub(crate) shown: Option<String>,
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
            .add_service(MetricsServiceServer::new(fake.clone()))
            .add_service(WorkerServiceServer::new(fake.clone()))
            .add_service(TokenServiceServer::new(fake.clone()))
            .add_service(AdminServiceServer::new(fake.clone()));
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
    /// A server with some jobs: `id(0)` is waiting, `id(1)` has failed.
    pub(crate) fn stocked() -> Self {
        let mut script = Self::default();
        for kind in ["resize", "fails", "resize", "stuck", "resize"] {
            script.submit(SubmitJobRequest {
                kind: kind.to_owned(),
                queue: "images".to_owned(),
                payload: "{\"w\":64}".into(),
                content_type: "application/json".to_owned(),
                request_id: script.jobs.len().to_string(),
                tags: vec!["eu".to_owned()],
                ..SubmitJobRequest::default()
            });
        }
        script.jobs[1].set_state(JobState::Failed);
        script.jobs[1].error = Some(boom());
        script.jobs[3].set_state(JobState::Active);
        script
    }

    fn record<T: Any + Clone + Send>(&mut self, request: &T) {
        self.calls.push(Box::new(request.clone()));
    }

    /// The requests of a type, in the order of their arrival.
    pub(crate) fn calls<T: Any + Clone>(&self) -> Vec<T> {
        let calls = self.calls.iter();
        calls
            .filter_map(|call| call.downcast_ref().cloned())
            .collect()
    }

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
                tags: request.tags,
                etag: "e1".to_owned(),
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

fn boom() -> proto::JobError {
    proto::JobError {
        code: "HANDLER_ERROR".to_owned(),
        message: "boom".to_owned(),
    }
}

/// A time by the clock of the store.
pub(crate) fn time(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

/// When every message of the numbers says it was read.
pub(crate) const NOW: i64 = 1_900_000_000;

/// A message about one job's move to a state.
pub(crate) fn event(number: usize, state: JobState) -> proto::WatchEventsResponse {
    proto::WatchEventsResponse {
        events: vec![proto::JobEvent {
            id: id(number),
            queue: "mail".to_owned(),
            kind: "send".to_owned(),
            state: state.into(),
            time: time(NOW),
        }],
        ..proto::WatchEventsResponse::default()
    }
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
