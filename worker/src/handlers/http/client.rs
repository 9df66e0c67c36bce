//! Sends one request and reads its answer, both bounded. Redirects are not followed.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Builder};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jobflow::MAX_PAYLOAD;

use crate::handlers::spec::SpecError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// As for handlers over gRPC: the kernel asks whether a silent machine is there.
const SILENCE: Duration = Duration::from_secs(30);

/// Connections that nobody uses.
const IDLE: Duration = Duration::from_secs(60);
const MAX_IDLE: usize = 64;

/// One for each scheme, so that plain HTTP needs no certificates.
#[derive(Clone)]
pub(super) enum Client {
    Plain(legacy::Client<HttpConnector, Full<Bytes>>),
    Tls(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// None when it is over the limit.
    pub(super) body: Option<Bytes>,
}

/// Why nothing came back.
pub(super) enum Failure {
    /// No connection came about: the other side has not heard of the job.
    Unreached(String),
    /// It may have.
    Broken(String),
}

impl Client {
    pub(super) fn of(uri: &Uri) -> Result<Self, SpecError> {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(SILENCE));
        tcp.set_nodelay(true);
        if uri.scheme_str() != Some("https") {
            return Ok(Self::Plain(builder().build(tcp)));
        }
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| SpecError::new(format!("there are no certificates: {error}")))?;
        let tls = tls.https_only().enable_all_versions().wrap_connector(tcp);
        Ok(Self::Tls(builder().build(tls)))
    }

    pub(super) async fn post(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let sent = match self {
            Self::Plain(client) => client.request(request).await,
            Self::Tls(client) => client.request(request).await,
        };
        let (head, body) = sent.map_err(|error| failure(&error))?.into_parts();
        let body = match Limited::new(body, MAX_PAYLOAD).collect().await {
            Ok(body) => Some(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => None,
            Err(error) => return Err(Failure::Broken(causes(error.as_ref()))),
        };
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }
}

fn builder() -> Builder {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new());
    builder
}

fn failure(error: &legacy::Error) -> Failure {
    let why = causes(error);
    if error.is_connect() {
        Failure::Unreached(why)
    } else {
        Failure::Broken(why)
    }
}

fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
