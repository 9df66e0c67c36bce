//! Puts a worker together; everything is checked in `build`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jobflow::payload::Keyring;
use jobflow::{DEFAULT_LEASE, Error, Job, JobQueue, QueueName, Result};
use serde::Serialize;

use crate::attempt_error::AttemptError;
use crate::context::Context;
use crate::handlers::{Handler, Handlers, typed};
use crate::worker::{DEFAULT_CONCURRENCY, DEFAULT_GRACE, Worker};

const MAX_CONCURRENCY: usize = 10_000;
const SHORTEST_LEASE: Duration = Duration::from_millis(100);
const LONGEST_LEASE: Duration = Duration::from_secs(3600);

/// Collects what a [`Worker`] is made of.
#[must_use]
pub struct WorkerBuilder {
    queue: JobQueue,
    queues: Vec<String>,
    concurrency: usize,
    lease: Duration,
    grace: Duration,
    handlers: Vec<(String, Arc<dyn Handler>)>,
    keys: Option<Keyring>,
}

/// What `build` found to be in order.
pub(crate) struct Plan {
    pub(crate) queue: JobQueue,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) grace: Duration,
    pub(crate) handlers: Handlers,
    pub(crate) keys: Option<Keyring>,
}

impl WorkerBuilder {
    pub(crate) fn new(queue: &JobQueue) -> Self {
        Self {
            queue: queue.clone(),
            queues: Vec::new(),
            concurrency: DEFAULT_CONCURRENCY,
            lease: DEFAULT_LEASE,
            grace: DEFAULT_GRACE,
            handlers: Vec::new(),
            keys: None,
        }
    }

    /// The queues to claim from, all alike; `default` unless told otherwise.
    pub fn queues(mut self, queues: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.queues = queues
            .into_iter()
            .map(|name| name.as_ref().to_owned())
            .collect();
        self
    }

    /// How many attempts may run at once; 64 unless told otherwise.
    pub const fn concurrency(mut self, slots: usize) -> Self {
        self.concurrency = slots;
        self
    }

    /// How long a lease holds without being extended, and so how long it takes
    /// until the jobs of a lost worker run elsewhere; 15 s unless told otherwise.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long running attempts may go on after the stop; 25 s unless told otherwise.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Runs jobs of the kind `J::KIND` by `function`.
    ///
    /// The payload is read as JSON; one that can not be read fails the job with
    /// `PAYLOAD_INVALID`. What the function returns is the job's result, as JSON;
    /// `()` is none.
    pub fn handler<J, R, F, Fut>(self, function: F) -> Self
    where
        J: Job,
        R: Serialize,
        F: Fn(J, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, AttemptError>> + Send + 'static,
    {
        self.handler_for(J::KIND, typed(function))
    }

    /// Runs jobs of `kind` by a handler that reads the payload itself. The kind
    /// `*` stands for every kind without a handler of its own.
    pub fn handler_for(mut self, kind: impl Into<String>, handler: Arc<dyn Handler>) -> Self {
        self.handlers.push((kind.into(), handler));
        self
    }

    /// Opens sealed payloads before they are handled, and seals the results of
    /// these jobs. Without keys a handler gets what is sealed as it is.
    pub fn keys(mut self, keys: Keyring) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Checks everything; does not touch the network.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an odd queue or kind, two handlers for one kind, none
    /// at all, or a number out of its range.
    pub fn build(self) -> Result<Worker> {
        let mut queues = Vec::new();
        for name in &self.queues {
            let name = QueueName::new(name)?;
            if !queues.contains(&name) {
                queues.push(name);
            }
        }
        if queues.is_empty() {
            queues.push(QueueName::default());
        }
        let mut handlers = Handlers::default();
        for (kind, handler) in self.handlers {
            handlers.add(&kind, handler)?;
        }
        if handlers.is_empty() {
            return Err(Error::invalid(
                "handler",
                "must be given for at least one kind",
            ));
        }
        if !(1..=MAX_CONCURRENCY).contains(&self.concurrency) {
            return Err(Error::invalid("concurrency", "must be 1 to 10000"));
        }
        if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&self.lease) {
            return Err(Error::invalid("lease", "must be 100 ms to 1 hour"));
        }
        Ok(Worker::new(Plan {
            queue: self.queue,
            queues,
            concurrency: self.concurrency,
            lease: self.lease,
            grace: self.grace,
            handlers,
            keys: self.keys,
        }))
    }
}
