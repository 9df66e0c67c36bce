//! A server of a test's own, and clients for it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jobflow::proto::admin_service_client::AdminServiceClient;
use jobflow::proto::job_service_client::JobServiceClient;
use jobflow::proto::metrics_service_client::MetricsServiceClient;
use jobflow::proto::queue_service_client::QueueServiceClient;
use jobflow::proto::worker_service_client::WorkerServiceClient;
use jobflow::testing::{TestQueue, TestRedis};
use jobflow::{ClaimedJob, JobId, JobQueue, QueueName, proto};
use jobflow_server::Config;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A server on a free port.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) queue: JobQueue,
    stop: CancellationToken,
    running: JoinHandle<jobflow::Result<()>>,
    http: Client<HttpConnector, Full<Bytes>>,
}

pub(crate) type WaitAnswer = Result<Response<proto::WaitJobResponse>, Status>;

/// An HTTP answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    /// A server over the queue of a test.
    pub(crate) async fn over(queue: &TestQueue) -> Self {
        let config = queue.config();
        Self::start(Config {
            redis_url: config.redis_url.clone(),
            namespace: config.namespace.clone(),
            ..Config::default()
        })
        .await
    }

    /// A server over a Redis of a test's own.
    pub(crate) async fn over_redis(redis: &TestRedis) -> Self {
        Self::start(Config {
            redis_url: redis.url(),
            ..Config::default()
        })
        .await
    }

    pub(crate) async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let queue = JobQueue::open(jobflow::QueueConfig {
            redis_url: config.redis_url.clone(),
            namespace: config.namespace.clone(),
            ..jobflow::QueueConfig::default()
        });
        let stopped = stop.clone().cancelled_owned();
        let running = tokio::spawn(jobflow_server::run(config, vec![listener], stopped));
        Self {
            address,
            queue: queue.unwrap(),
            stop,
            running,
            http: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Gives the stop signal.
    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops and says how the server ended.
    pub(crate) async fn stop(self) -> jobflow::Result<()> {
        self.stop.cancel();
        drop(self.http);
        self.running.await.unwrap()
    }

    pub(crate) fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect_lazy()
    }

    pub(crate) fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel())
    }

    pub(crate) fn queues(&self) -> QueueServiceClient<Channel> {
        QueueServiceClient::new(self.channel())
    }

    pub(crate) fn workers(&self) -> WorkerServiceClient<Channel> {
        WorkerServiceClient::new(self.channel())
    }

    pub(crate) fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel())
    }

    pub(crate) fn metrics(&self) -> MetricsServiceClient<Channel> {
        MetricsServiceClient::new(self.channel())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> Answer {
        let json = [("content-type", "application/json")];
        self.call(Method::POST, "/jobs", &json, body).await
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = self.http.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Starts a wait, and returns when the server has it.
    pub(crate) async fn begin_wait(&self, id: JobId) -> JoinHandle<WaitAnswer> {
        // One connection, so that the calls arrive in the order they are made.
        let mut waiter = self.jobs();
        let mut other = waiter.clone();
        let id = id.to_string();
        let request = proto::WaitJobRequest {
            id: id.clone(),
            timeout: None,
        };
        let mut wait = Box::pin(async move { waiter.wait_job(request).await });
        tokio::select! {
            biased;
            ended = &mut wait => panic!("the wait ended at once: {ended:?}"),
            found = other.get_job(proto::GetJobRequest { id, view: 0 }) => found.unwrap(),
        };
        tokio::spawn(wait)
    }

    /// Claims the only waiting job of a queue.
    pub(crate) async fn claim(&self, queue: &str) -> ClaimedJob {
        let queue = QueueName::new(queue).unwrap();
        let lease = Duration::from_secs(30);
        let claimed = self.queue.claim(&queue, 10, lease, "tester").await.unwrap();
        let [job] = <[ClaimedJob; 1]>::try_from(claimed.jobs).unwrap();
        job
    }

    /// How many jobs the store holds in all.
    pub(crate) async fn stored(&self) -> u64 {
        let queues = self.queue.snapshot().await.unwrap().queues;
        let held = queues.iter().map(|queue| queue.counts);
        held.map(|c| c.scheduled + c.waiting + c.active + c.retrying + c.completed + c.failed)
            .sum()
    }
}

/// The details of an error, and its reason.
pub(crate) fn details(status: &Status) -> (String, ErrorDetails) {
    let details = status.get_error_details();
    let info = details
        .error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "jobflow");
    (info.reason.clone(), details)
}

/// The field at fault.
pub(crate) fn field(status: &Status) -> String {
    let details = status.get_error_details();
    let request = details
        .bad_request()
        .unwrap_or_else(|| panic!("no BadRequest: {status:?}"));
    request.field_violations[0].field.clone()
}
