//! The connection to the server and the calls made over it.
//!
//! Every call here may be repeated: reads change nothing, and a submit carries
//! a request id of its own.

use std::cell::Cell;
use std::time::Duration;

use jobflow::proto::{
    self, BatchSubmitJobsRequest, GetJobRequest, ListQueuesRequest, StreamMetricsRequest,
    SubmitJobRequest, SubmitRejection, WaitJobRequest, job_service_client::JobServiceClient,
    metrics_service_client::MetricsServiceClient, queue_service_client::QueueServiceClient,
    submit_job_result::Verdict,
};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use crate::args::Global;
use crate::error::{Error, Exit, Result, is_transient, is_transient_reason};

const USER_AGENT: &str = concat!("jobflow-cli/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that has never answered is most likely not there; one that has is
/// being restarted.
const RETRY_FOR: Duration = Duration::from_secs(2);
const RETRY_KNOWN_FOR: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that has gone dead under a long call is noticed after both.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// A long wait is made of calls of this length.
const WAIT_CALL: Duration = Duration::from_secs(60);
const METRICS_INTERVAL: Duration = Duration::from_secs(1);
const PAGE_SIZE: i32 = 1_000;

pub(crate) struct Client {
    channel: Channel,
    server: String,
    call_timeout: Duration,
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
        Ok(Self {
            channel: endpoint.connect_lazy(),
            server: global
                .server
                .uri()
                .to_string()
                .trim_end_matches('/')
                .to_owned(),
            call_timeout,
            retry_for: global.retry_for,
            has_answered: Cell::new(false),
        })
    }

    /// Submits a job; returns it, and whether it existed already.
    pub(crate) async fn submit(&self, job: SubmitJobRequest) -> Result<(proto::Job, bool)> {
        let answer = self
            .call(self.call_timeout, &job, async |request| {
                self.jobs().submit_job(request).await
            })
            .await?;
        let duplicate = answer.duplicate && !is_own_repeat(&job);
        Ok((answer.job.ok_or_else(|| self.incomplete())?, duplicate))
    }

    /// Submits up to 1,000 jobs; one verdict for each, in order.
    ///
    /// Jobs that are rejected for a passing reason, such as a store that
    /// restarts, are sent again, and only they.
    pub(crate) async fn submit_batch(&self, jobs: &[SubmitJobRequest]) -> Result<Vec<Verdict>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let mut verdicts: Vec<Option<Verdict>> = vec![None; jobs.len()];
        self.retry(async || {
            let open: Vec<_> = (0..jobs.len())
                .filter(|&job| verdicts[job].is_none())
                .collect();
            let requests = open.iter().map(|&job| jobs[job].clone()).collect();
            let mut request = Request::new(BatchSubmitJobsRequest { requests });
            request.set_timeout(self.call_timeout);
            let answer = self.jobs().batch_submit_jobs(request).await?;
            let mut passing = None;
            for (job, result) in open.into_iter().zip(&answer.get_ref().results) {
                match &result.verdict {
                    Some(Verdict::Rejected(fault)) if is_transient_reason(&fault.reason) => {
                        passing = Some(unavailable(fault));
                    }
                    Some(Verdict::DuplicateId(id)) if is_own_repeat(&jobs[job]) => {
                        verdicts[job] = Some(Verdict::CreatedId(id.clone()));
                    }
                    verdict => verdicts[job].clone_from(verdict),
                }
            }
            passing.map_or(Ok(answer), Err)
        })
        .await?;
        verdicts
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(|| self.incomplete())
    }

    pub(crate) async fn get(&self, id: &str) -> Result<proto::Job> {
        let message = GetJobRequest { id: id.to_owned() };
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

    pub(crate) async fn queues(&self) -> Result<Vec<proto::Queue>> {
        let mut queues = Vec::new();
        let mut page = ListQueuesRequest {
            page_size: PAGE_SIZE,
            page_token: String::new(),
        };
        loop {
            let answer = self
                .call(self.call_timeout, &page, async |request| {
                    QueueServiceClient::new(self.channel.clone())
                        .list_queues(request)
                        .await
                })
                .await?;
            queues.extend(answer.queues);
            if answer.next_page_token.is_empty() {
                return Ok(queues);
            }
            page.page_token = answer.next_page_token;
        }
    }

    /// The numbers as they are now.
    pub(crate) async fn first_metrics(&self) -> Result<proto::StreamMetricsResponse> {
        let first = async {
            match self.metrics(METRICS_INTERVAL).await?.message().await {
                Ok(Some(numbers)) => Ok(numbers),
                Ok(None) => Err(self.incomplete()),
                Err(status) => Err(self.error(&status)),
            }
        };
        let late = |_| Err(Error::no_answer(&self.server));
        timeout(self.call_timeout, first).await.unwrap_or_else(late)
    }

    /// Opens a stream of numbers; its first message comes at once.
    pub(crate) async fn metrics(
        &self,
        interval: Duration,
    ) -> Result<Streaming<proto::StreamMetricsResponse>> {
        let message = StreamMetricsRequest {
            interval: Some(proto::duration(interval)),
        };
        self.retry(async || {
            let mut service = MetricsServiceClient::new(self.channel.clone());
            service.stream_metrics(message).await
        })
        .await
    }

    /// What the server sent or did not send, as an error of this client.
    pub(crate) fn error(&self, status: &Status) -> Error {
        Error::from_status(status, &self.server)
    }

    fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel.clone())
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
                return Err(self.error(&status));
            }
            sleep(pause_now).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn patience(&self) -> Duration {
        let default = if self.has_answered.get() {
            RETRY_KNOWN_FOR
        } else {
            RETRY_FOR
        };
        self.retry_for.unwrap_or(default)
    }

    fn incomplete(&self) -> Error {
        self.error(&Status::new(
            Code::Internal,
            "the server's answer is incomplete",
        ))
    }
}

/// Whether a duplicate of this job can only be the job itself, stored by an
/// earlier try whose answer was lost: nobody else knows its request id.
fn is_own_repeat(job: &SubmitJobRequest) -> bool {
    job.idempotency_key.is_empty()
}

/// How long the server asks to be left alone.
fn asked_pause(status: &Status) -> Option<Duration> {
    let pause = status.get_details_retry_info()?.retry_delay?;
    Some(pause.clamp(FIRST_PAUSE, LONGEST_PAUSE))
}

/// A rejection for a passing reason, as the whole call would have met it.
fn unavailable(fault: &SubmitRejection) -> Status {
    let details = ErrorDetails::with_error_info(&fault.reason, "jobflow", []);
    Status::with_error_details(Code::Unavailable, &fault.message, details)
}
