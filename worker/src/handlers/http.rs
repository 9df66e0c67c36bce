//! A handler behind an HTTP address: the payload is posted, the status is the outcome.

mod client;
mod signature;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, Uri};
use http_body_util::Full;
use jobflow::JobResult;
use jobflow::telemetry::TRACEPARENT;
use tokio::time::{Instant, sleep};

use self::client::{Client, Failure};
use crate::attempt_error::{AttemptError, CodedError};
use crate::context::Context;
use crate::handlers::spec::SpecError;
use crate::handlers::{Handler, HandlerFuture, NOT_NOW};

pub use self::signature::Secret;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::verdict::read_http_answer;

/// How long an attempt goes on trying to connect before its job is put off.
const PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// Posts the payload of each attempt to an address, signed when there are secrets.
#[derive(Clone)]
pub struct Http {
    uri: Uri,
    client: Client,
    secrets: Vec<Secret>,
    /// Whether it was said that nobody answers there.
    is_away: Arc<AtomicBool>,
}

impl Http {
    /// A handler at `address`, an URL of the scheme `http` or `https`.
    ///
    /// # Errors
    /// When the address is none, holds a password, or when there are no
    /// certificates to check an `https` one with.
    pub fn new(address: &str) -> Result<Self, SpecError> {
        let uri = read(address)?;
        Ok(Self {
            client: Client::of(&uri)?,
            uri,
            secrets: Vec::new(),
            is_away: Arc::default(),
        })
    }

    /// Where it is, without path and query: they may have a key in them.
    pub(super) fn origin(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let host = self.uri.authority().map_or("", |host| host.as_str());
        format!("{scheme}://{host}")
    }

    /// The same, with each request signed by each of the secrets.
    #[must_use]
    pub fn signed_with(mut self, secrets: &[Secret]) -> Self {
        self.secrets = secrets.to_vec();
        self
    }
}

/// The address of a handler in another process.
pub(super) fn read(address: &str) -> Result<Uri, SpecError> {
    let bad = |why: &str| SpecError::new(format!("'{address}' is no address: {why}"));
    let uri: Uri = address.parse().map_err(|error| bad(&format!("{error}")))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(bad("it begins with http:// or https://"));
    }
    if uri
        .authority()
        .is_some_and(|host| host.as_str().contains('@'))
    {
        return Err(SpecError::new(
            "an address holds no password: everybody on the machine sees the command line",
        ));
    }
    Ok(uri)
}

impl Handler for Http {
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        let http = self.clone();
        Ok(Box::pin(async move {
            tokio::select! {
                biased;
                ended = http.attempt(&ctx) => ended,
                // The connection is closed, which is all that HTTP can tell.
                () = ctx.cancelled() => Err(AttemptError::retry("told to end")),
            }
        }))
    }
}

impl Http {
    async fn attempt(&self, ctx: &Context) -> Result<Option<JobResult>, AttemptError> {
        let last_try = Instant::now() + PATIENCE;
        loop {
            match self.client.post(self.request(ctx)?).await {
                Ok(answer) => {
                    self.is_away.store(false, Ordering::Relaxed);
                    return verdict::judge(answer);
                }
                Err(Failure::Unreached(why)) => {
                    if !self.is_away.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            handler = self.origin(),
                            why,
                            "handler is not reached; its jobs are put off"
                        );
                    }
                    if Instant::now() >= last_try {
                        return Err(AttemptError::Snooze(NOT_NOW));
                    }
                    sleep(BETWEEN_TRIES).await;
                }
                Err(Failure::Broken(why)) => {
                    return Err(AttemptError::retry(CodedError::new("HTTP_FAILED", why)));
                }
            }
        }
    }

    fn request(&self, ctx: &Context) -> Result<Request<Full<Bytes>>, AttemptError> {
        let mut request = Request::post(&self.uri).body(Full::new(ctx.payload().clone()))?;
        let headers = request.headers_mut();
        describe(ctx, headers)?;
        if !self.secrets.is_empty() {
            let (time, signatures) = signature::sign(&self.secrets, ctx.id(), ctx.payload());
            headers.insert("webhook-timestamp", HeaderValue::from(time));
            headers.insert("webhook-signature", HeaderValue::from_str(&signatures)?);
        }
        Ok(request)
    }
}

/// What there is to know of the attempt.
fn describe(ctx: &Context, headers: &mut HeaderMap) -> Result<(), AttemptError> {
    // First, so that they can take the place of nothing below.
    for (name, value) in ctx.headers() {
        let passed = HeaderName::from_bytes(format!("jobflow-header-{name}").as_bytes());
        if let (Ok(name), Ok(value)) = (passed, HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    if let Some(traceparent) = ctx.traceparent() {
        headers.insert(TRACEPARENT, HeaderValue::from_str(traceparent)?);
    }
    let agent = concat!("jobflow-worker/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(ctx.content_type())?);
    let id = HeaderValue::from_str(&ctx.id().to_string())?;
    headers.insert("webhook-id", id.clone());
    headers.insert("idempotency-key", id);
    let time_left = u64::try_from(ctx.time_left().as_millis()).unwrap_or(u64::MAX);
    for (name, value) in [
        ("jobflow-kind", HeaderValue::from_str(ctx.kind().as_str())?),
        (
            "jobflow-queue",
            HeaderValue::from_str(ctx.queue().as_str())?,
        ),
        ("jobflow-attempt", HeaderValue::from(ctx.attempt())),
        (
            "jobflow-max-attempts",
            HeaderValue::from(ctx.max_attempts()),
        ),
        ("jobflow-crash-count", HeaderValue::from(ctx.crash_count())),
        (
            "jobflow-lease-token",
            HeaderValue::from(ctx.lease_token().get()),
        ),
        ("jobflow-time-left-ms", HeaderValue::from(time_left)),
    ] {
        headers.insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_holds_no_password() {
        assert!(Http::new("http://127.0.0.1:8080/hooks/resize?a=b,c").is_ok());
        for (address, part) in [
            ("", "no address"),
            ("/path", "begins with http"),
            ("127.0.0.1:80", "begins with http"),
            ("ftp://host/", "begins with http"),
            ("http://user:secret@host/", "holds no password"),
        ] {
            let error = Http::new(address).err().unwrap().to_string();
            assert!(error.contains(part), "{address}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
