//! The connection to the server and the calls made over it.
//!
//! Every call here may be repeated: reads change nothing, a submit and a bulk
//! operation carry a request id of their own, and the other changes are refused
//! when they are done already, which the caller is then told.

mod admin;
mod bulk;
mod credentials;
mod jobs;
mod queues;
mod streams;
mod submit;
mod tokens;
mod workers;

use std::cell::Cell;
use std::time::Duration;

use jobflow::proto::{
    admin_service_client::AdminServiceClient, job_service_client::JobServiceClient,
    metrics_service_client::MetricsServiceClient, queue_service_client::QueueServiceClient,
    token_service_client::TokenServiceClient, worker_service_client::WorkerServiceClient,
};
use tokio::time::{Instant, sleep};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use crate::args::Global;
use crate::error::{Error, Exit, Result, is_transient, may_have_been_heard};

use credentials::Credentials;
pub(crate) use streams::REOPEN_PAUSE;
pub(crate) use submit::Submission;

const USER_AGENT: &str = concat!("jobflow-cli/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const LONG_CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// A server that has never answered is most likely not there; one that has is
/// being restarted.
const RETRY_FOR: Duration = Duration::from_secs(2);
const RETRY_KNOWN_FOR: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that has gone dead under a long call is noticed after both.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Of a list of short things, such as names.
pub(crate) const PAGE_SIZE: i32 = 1_000;

/// The connection, with what is shown on each call.
type Wire = InterceptedService<Channel, Credentials>;

pub(crate) struct Client {
    wire: Wire,
    server: String,
    call_timeout: Duration,
    given_timeout: Option<Duration>,
    retry_for: Option<Duration>,
    has_answered: Cell<bool>,
}

impl Client {
    /// Prepares the connection; it is made by the first call.
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let call_timeout = global.timeout.unwrap_or(CALL_TIMEOUT);
        let endpoint = global
            .server
            .clone()
            .user_agent(USER_AGENT)
            .map_err(|error| Error::new(Exit::Other, error.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT.min(call_timeout))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        let endpoint = credentials::secured(endpoint, global)?;
        Ok(Self {
            wire: InterceptedService::new(endpoint.connect_lazy(), Credentials::read(global)?),
            server: global
                .server
                .uri()
                .to_string()
                .trim_end_matches('/')
                .to_owned(),
            call_timeout,
            given_timeout: global.timeout,
            retry_for: global.retry_for,
            has_answered: Cell::new(false),
        })
    }

    /// What the server sent or did not send, as an error of this client.
    pub(crate) fn error(&self, status: &Status) -> Error {
        Error::from_status(status, &self.server)
    }

    fn jobs(&self) -> JobServiceClient<Wire> {
        JobServiceClient::new(self.wire.clone())
    }

    fn queues(&self) -> QueueServiceClient<Wire> {
        QueueServiceClient::new(self.wire.clone())
    }

    fn workers(&self) -> WorkerServiceClient<Wire> {
        WorkerServiceClient::new(self.wire.clone())
    }

    fn numbers(&self) -> MetricsServiceClient<Wire> {
        MetricsServiceClient::new(self.wire.clone())
    }

    fn tokens(&self) -> TokenServiceClient<Wire> {
        TokenServiceClient::new(self.wire.clone())
    }

    fn admin(&self) -> AdminServiceClient<Wire> {
        AdminServiceClient::new(self.wire.clone())
    }

    async fn call<M: Clone, T>(
        &self,
        timeout: Duration,
        message: &M,
        rpc: impl AsyncFn(Request<M>) -> Result<Response<T>, Status>,
    ) -> Result<T> {
        self.retry(async || {
            let mut request = Request::new(message.clone());
            request.set_timeout(timeout);
            rpc(request).await
        })
        .await
    }

    /// Tries until there is an answer, a lasting refusal, or no patience left.
    async fn retry<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<Response<T>, Status>,
    ) -> Result<T> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut heard = false;
        loop {
            let status = match attempt().await {
                Ok(answer) => {
                    self.has_answered.set(true);
                    return Ok(answer.into_inner());
                }
                Err(status) => status,
            };
            let pause_now = asked_pause(&status).unwrap_or(pause);
            if !is_transient(&status) || started.elapsed() + pause_now > self.patience() {
                return Err(self.refused(&status, heard));
            }
            heard |= may_have_been_heard(&status);
            sleep(pause_now).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The error of a call whose earlier try may have done what this one was
    /// refused for.
    fn refused(&self, status: &Status, heard: bool) -> Error {
        let error = self.error(status);
        match error.exit {
            Exit::NotFound | Exit::Conflict if heard => error.hint(
                "the connection broke during an earlier try of this call, which may have been \
                 done: look before you repeat it",
            ),
            _ => error,
        }
    }

    /// For calls whose work grows with the number of jobs.
    fn long_timeout(&self) -> Duration {
        self.given_timeout.unwrap_or(LONG_CALL_TIMEOUT)
    }

    fn patience(&self) -> Duration {
        let default = if self.has_answered.get() {
            RETRY_KNOWN_FOR
        } else {
            RETRY_FOR
        };
        self.retry_for.unwrap_or(default)
    }

    pub(crate) fn incomplete(&self) -> Error {
        self.error(&Status::new(
            Code::Internal,
            "the server's answer is incomplete",
        ))
    }
}

/// How long the server asks to be left alone.
fn asked_pause(status: &Status) -> Option<Duration> {
    let pause = status.get_details_retry_info()?.retry_delay?;
    Some(pause.clamp(FIRST_PAUSE, LONGEST_PAUSE))
}
