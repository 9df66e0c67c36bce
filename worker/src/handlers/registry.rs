//! Handlers by kind.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use jobflow::payload;
use jobflow::{Error, Job, JobResult, Kind, Result};
use serde::Serialize;
use serde_json::error::Category;

use crate::attempt_error::{AttemptError, CodedError};
use crate::context::Context;
use crate::seal::KEY_MISSING;
use crate::timings::Timings;

/// The kind that stands for every kind without a handler of its own.
const ANY_KIND: &str = "*";

/// The run of one attempt: ends with the job's result, if it has one.
pub type HandlerFuture =
    Pin<Box<dyn Future<Output = Result<Option<JobResult>, AttemptError>> + Send>>;

/// Runs jobs whose payload is not a Rust type, or not JSON.
///
/// Most handlers are plain functions: see [`WorkerBuilder::handler`](crate::WorkerBuilder::handler).
pub trait Handler: Send + Sync + 'static {
    /// Reads the payload and prepares the attempt; the work itself is in the
    /// future, which runs as a task of its own.
    ///
    /// # Errors
    /// What ends the attempt before it began, for example a payload that can
    /// not be read.
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError>;
}

/// A function of a typed job as a [`Handler`].
pub(crate) fn typed<J, R, F, Fut>(function: F) -> Arc<dyn Handler>
where
    J: Job,
    R: Serialize,
    F: Fn(J, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, AttemptError>> + Send + 'static,
{
    Arc::new(TypedHandler {
        prepare: move |ctx: Context| {
            if payload::is_sealed(ctx.content_type()) {
                let message = "the payload is sealed, and this worker has no keys";
                return Err(AttemptError::retry(CodedError::new(KEY_MISSING, message)));
            }
            let job =
                serde_json::from_slice(ctx.payload()).map_err(|error| payload_invalid(&error))?;
            let run = function(job, ctx);
            let future: HandlerFuture = Box::pin(async move { json_result(&run.await?) });
            Ok(future)
        },
    })
}

/// The types of the job and its result are inside the closure, out of sight.
struct TypedHandler<P> {
    prepare: P,
}

impl<P> Handler for TypedHandler<P>
where
    P: Fn(Context) -> Result<HandlerFuture, AttemptError> + Send + Sync + 'static,
{
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        (self.prepare)(ctx)
    }
}

/// The position is told, the payload is not: it may hold secrets, and the error's
/// own words quote it.
fn payload_invalid(error: &serde_json::Error) -> AttemptError {
    let what = match error.classify() {
        Category::Data => "does not have the form that the handler reads",
        Category::Eof => "ends too early",
        Category::Syntax | Category::Io => "is not JSON",
    };
    let (line, column) = (error.line(), error.column());
    let message = format!("the payload {what}, at line {line} column {column}");
    AttemptError::fail(CodedError::new("PAYLOAD_INVALID", message))
}

/// `()` and an empty `Option` are `null` in JSON and mean "no result".
fn json_result<R: Serialize>(value: &R) -> Result<Option<JobResult>, AttemptError> {
    let bytes = serde_json::to_vec(value)?;
    if bytes == b"null" {
        return Ok(None);
    }
    Ok(Some(JobResult {
        bytes: Bytes::from(bytes),
        content_type: jobflow::DEFAULT_CONTENT_TYPE.to_owned(),
    }))
}

/// The handlers of a worker.
#[derive(Default)]
pub(crate) struct Handlers {
    by_kind: HashMap<String, Registered>,
}

/// A handler and what is measured of it.
pub(crate) struct Registered {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) timings: Timings,
}

impl Handlers {
    pub(crate) fn add(&mut self, kind: &str, handler: Arc<dyn Handler>) -> Result<()> {
        if kind != ANY_KIND {
            Kind::new(kind)?;
        }
        let timings = Timings::of(kind);
        let registered = Registered { handler, timings };
        match self.by_kind.insert(kind.to_owned(), registered) {
            None => Ok(()),
            Some(_) => Err(Error::invalid(
                "handler",
                format!("kind {kind} has two handlers"),
            )),
        }
    }

    pub(crate) fn find(&self, kind: &Kind) -> Option<&Registered> {
        self.by_kind
            .get(kind.as_str())
            .or_else(|| self.by_kind.get(ANY_KIND))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_kind.is_empty()
    }

    /// The kinds, sorted; `*` among them.
    pub(crate) fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<_> = self.by_kind.keys().cloned().collect();
        kinds.sort();
        kinds
    }
}
