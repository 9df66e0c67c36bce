//! The three ways in.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jobflow::proto::job_service_client::JobServiceClient;
use jobflow::proto::submit_job_result::Verdict;
use jobflow::proto::{BatchSubmitJobsRequest, SubmitJobRequest, submit_job_request};
use jobflow::{Code, JobQueue, Namespace, NewJob, QueueConfig, RunAt};
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use super::request::Request;

/// With these words nothing was stored; any other may mean anything.
const REFUSED: [&str; 5] = [
    "STORE_OUT_OF_MEMORY",
    "QUEUE_FULL",
    "QUEUE_DRAINING",
    "INVALID_FIELD",
    "PAYLOAD_TOO_LARGE",
];

/// What a submitter was told of one job.
#[derive(Debug)]
pub(crate) enum Answer {
    Acked {
        id: String,
        duplicate: bool,
    },
    /// It may or may not have been stored.
    Unknown(String),
    /// Nothing was stored.
    Refused(String),
}

impl Answer {
    pub(crate) fn line(&self, now: u64, request: &Request) -> String {
        let name = &request.name;
        match self {
            Self::Acked { id, duplicate } => {
                format!("A {now} {name} {id} {}\n", u8::from(*duplicate))
            }
            Self::Unknown(word) => format!("U {now} {name} {word}\n"),
            Self::Refused(word) => format!("R {now} {name} {word}\n"),
        }
    }

    fn by_word(word: &str) -> Self {
        if REFUSED.contains(&word) {
            Self::Refused(word.to_owned())
        } else {
            Self::Unknown(word.to_owned())
        }
    }
}

/// Which doors there are, and where.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    /// Ports in front of the servers.
    pub(crate) fronts: Vec<u16>,
    /// The way to Redis for the library.
    pub(crate) redis: u16,
    pub(crate) namespace: String,
    /// Submitters by gRPC and by REST for each server, and by the library.
    pub(crate) grpc: usize,
    pub(crate) rest: usize,
    pub(crate) library: usize,
    /// The most jobs of one call.
    pub(crate) batch: u64,
}

impl Doors {
    pub(crate) fn open(self) -> Result<Vec<(String, Door)>> {
        let mut doors = Vec::new();
        for number in 0..self.library {
            let queue = JobQueue::open(QueueConfig {
                redis_url: format!("redis://127.0.0.1:{}/", self.redis),
                namespace: Namespace::new(&self.namespace)?,
                ..QueueConfig::default()
            })?;
            doors.push((
                format!("library{number}"),
                Door::Library {
                    queue,
                    batch: self.batch,
                },
            ));
        }
        for (server, port) in self.fronts.iter().enumerate() {
            for number in 0..self.grpc {
                let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
                let channel = endpoint
                    .tcp_nodelay(true)
                    .connect_timeout(Duration::from_secs(1))
                    .connect_lazy();
                let jobs = JobServiceClient::new(channel);
                doors.push((
                    format!("grpc{server}.{number}"),
                    Door::Grpc {
                        jobs,
                        batch: self.batch,
                    },
                ));
            }
            for number in 0..self.rest {
                let url = format!("http://127.0.0.1:{port}/jobs");
                let client = Client::builder(TokioExecutor::new()).build_http();
                doors.push((format!("rest{server}.{number}"), Door::Rest { url, client }));
            }
        }
        Ok(doors)
    }
}

pub(crate) enum Door {
    Library {
        queue: JobQueue,
        batch: u64,
    },
    Grpc {
        jobs: JobServiceClient<Channel>,
        batch: u64,
    },
    Rest {
        url: String,
        client: Client<HttpConnector, Full<Bytes>>,
    },
}

impl Door {
    /// The most jobs of one call.
    pub(crate) const fn batch(&self) -> u64 {
        match self {
            Self::Library { batch, .. } | Self::Grpc { batch, .. } => *batch,
            Self::Rest { .. } => 1,
        }
    }

    /// Submits, and tells what came back for each.
    pub(crate) async fn send(&mut self, requests: &[Request]) -> Vec<Answer> {
        match self {
            Self::Library { queue, .. } => by_library(queue, requests).await,
            Self::Grpc { jobs, .. } => by_grpc(jobs, requests).await,
            Self::Rest { url, client } => {
                let mut answers = Vec::new();
                for request in requests {
                    answers.push(
                        by_rest(client, url, request)
                            .await
                            .unwrap_or_else(Answer::Unknown),
                    );
                }
                answers
            }
        }
    }
}

async fn by_library(queue: &JobQueue, requests: &[Request]) -> Vec<Answer> {
    let mut jobs = Vec::new();
    for request in requests {
        match new_job(request) {
            Ok(job) => jobs.push(job),
            Err(error) => {
                return requests
                    .iter()
                    .map(|_| Answer::by_word(error.code().as_str()))
                    .collect();
            }
        }
    }
    let answers = queue.submit_batch(jobs).await;
    let told = answers.into_iter().map(|answer| match answer {
        Ok(submitted) => Answer::Acked {
            id: submitted.id.to_string(),
            duplicate: submitted.duplicate,
        },
        Err(error) if error.code() == Code::JobNotFound => {
            Answer::Unknown("JOB_NOT_FOUND".to_owned())
        }
        Err(error) => Answer::by_word(error.code().as_str()),
    });
    told.collect()
}

fn new_job(request: &Request) -> jobflow::Result<NewJob> {
    let mut job = NewJob::new(request.kind, request.payload.clone())?
        .queue(&request.queue)?
        .max_attempts(request.attempts)?;
    if request.delay_ms > 0 {
        job = job.run_at(RunAt::After(Duration::from_millis(request.delay_ms)))?;
    }
    if let Some(timeout) = request.timeout_ms {
        job = job.timeout(Duration::from_millis(timeout))?;
    }
    if request.by_key {
        job.idempotency_key(request.key())
    } else {
        Ok(job.request_id(request.id))
    }
}

async fn by_grpc(jobs: &mut JobServiceClient<Channel>, requests: &[Request]) -> Vec<Answer> {
    let wire = BatchSubmitJobsRequest {
        requests: requests.iter().map(message).collect(),
    };
    let results = match jobs.batch_submit_jobs(wire).await {
        Ok(response) => response.into_inner().results,
        Err(status) => {
            let reason = status
                .get_error_details()
                .error_info()
                .map(|info| info.reason.clone());
            let word = reason.unwrap_or_else(|| format!("GRPC_{:?}", status.code()));
            return requests.iter().map(|_| Answer::by_word(&word)).collect();
        }
    };
    let answers = results.into_iter().map(|result| match result.verdict {
        Some(Verdict::CreatedId(id)) => Answer::Acked {
            id,
            duplicate: false,
        },
        Some(Verdict::DuplicateId(id)) => Answer::Acked {
            id,
            duplicate: true,
        },
        Some(Verdict::Rejected(rejection)) => Answer::by_word(&rejection.reason),
        Some(Verdict::Unknown(doubt)) => Answer::Unknown(doubt.reason),
        None => Answer::Unknown("NO_VERDICT".to_owned()),
    });
    answers.collect()
}

fn message(request: &Request) -> SubmitJobRequest {
    let delay = Duration::from_millis(request.delay_ms);
    SubmitJobRequest {
        queue: request.queue.clone(),
        kind: request.kind.to_owned(),
        payload: request.payload.clone().into(),
        max_attempts: i32::try_from(request.attempts).ok(),
        when: (request.delay_ms > 0).then(|| {
            submit_job_request::When::Delay(delay.try_into().expect("a delay of seconds"))
        }),
        request_id: if request.by_key {
            String::new()
        } else {
            request.id.to_string()
        },
        idempotency_key: if request.by_key {
            request.key()
        } else {
            String::new()
        },
        ..SubmitJobRequest::default()
    }
}

async fn by_rest(
    client: &Client<HttpConnector, Full<Bytes>>,
    url: &str,
    request: &Request,
) -> Result<Answer, String> {
    let data: Value = serde_json::from_str(&request.payload).map_err(|_| "PAYLOAD".to_owned())?;
    let mut body = json!({"name": request.kind, "queue": request.queue, "data": data, "attempts": request.attempts});
    if request.delay_ms > 0 {
        body["delay"] = request.delay_ms.into();
    }
    // REST knows keys only.
    let call = http::Request::post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", request.key())
        .body(Full::from(body.to_string()))
        .map_err(|_| "REQUEST".to_owned())?;
    let (parts, body) = client
        .request(call)
        .await
        .map_err(|_| "HTTP_CONNECTION".to_owned())?
        .into_parts();
    let body = body
        .collect()
        .await
        .map_err(|_| "HTTP_BODY".to_owned())?
        .to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    Ok(match parts.status {
        StatusCode::CREATED | StatusCode::OK => match body["job"]["id"].as_str() {
            Some(id) => Answer::Acked {
                id: id.to_owned(),
                duplicate: parts.status == StatusCode::OK,
            },
            None => Answer::Unknown("HTTP_NO_ID".to_owned()),
        },
        status => Answer::by_word(
            body["reason"]
                .as_str()
                .unwrap_or(&format!("HTTP_{}", status.as_u16())),
        ),
    })
}
