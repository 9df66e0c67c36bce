//! What the handlers do, by kind, and what they log of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jobflow::JobResult;
use jobflow_worker::{AttemptError, Context, Handler, HandlerFuture};
use serde::Deserialize;

use crate::clock;
use crate::journal::Journal;
use crate::poison;

/// What a submitter asks for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Payload {
    /// The name of the request.
    r: String,
    /// How long the handler takes.
    #[serde(default)]
    ms: u64,
    /// How many attempts error before one succeeds.
    #[serde(default)]
    fail: u32,
}

/// One kind of job.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    run: fn(Payload, Context, Attempt) -> HandlerFuture,
}

pub(crate) const KINDS: [Kind; 14] = [
    Kind {
        name: "quick",
        run: |payload, _, attempt| Box::pin(sleeping(payload, attempt)),
    },
    Kind {
        name: "slow",
        run: |payload, ctx, attempt| Box::pin(heeding(payload, ctx, attempt)),
    },
    Kind {
        name: "later",
        run: |payload, _, attempt| Box::pin(sleeping(payload, attempt)),
    },
    Kind {
        name: "flaky",
        run: |payload, ctx, attempt| Box::pin(flaky(payload, ctx, attempt)),
    },
    Kind {
        name: "doomed",
        run: |payload, ctx, attempt| Box::pin(flaky(payload, ctx, attempt)),
    },
    Kind {
        name: "talker",
        run: |payload, ctx, attempt| Box::pin(talking(payload, ctx, attempt)),
    },
    Kind {
        name: "snoozer",
        run: |payload, _, attempt| Box::pin(snoozing(payload, attempt)),
    },
    Kind {
        name: "panicker",
        run: |payload, ctx, attempt| Box::pin(panicking(payload, ctx, attempt)),
    },
    Kind {
        name: "deaf",
        run: |payload, _, attempt| Box::pin(deaf(payload, attempt)),
    },
    Kind {
        name: "poison-abort",
        run: |_, _, attempt| poison::run(attempt, poison::abort),
    },
    Kind {
        name: "poison-exit",
        run: |_, _, attempt| poison::run(attempt, poison::exit),
    },
    Kind {
        name: "poison-stack",
        run: |_, _, attempt| poison::run(attempt, poison::overflow_stack),
    },
    Kind {
        name: "poison-memory",
        run: |_, _, attempt| poison::run(attempt, poison::exhaust_memory),
    },
    Kind {
        name: "poison-loop",
        run: |_, _, attempt| poison::run(attempt, poison::loop_for_ever),
    },
];

/// A kind whose handler logs each start and end.
pub(crate) struct Logged {
    kind: &'static Kind,
    log: Arc<Journal>,
}

impl Logged {
    pub(crate) const fn new(kind: &'static Kind, log: Arc<Journal>) -> Self {
        Self { kind, log }
    }
}

impl Handler for Logged {
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        let payload: Payload = serde_json::from_slice(ctx.payload()).map_err(AttemptError::fail)?;
        let (log, run) = (self.log.clone(), self.kind.run);
        Ok(Box::pin(async move {
            let attempt = Attempt::start(log, ctx.clone(), &payload);
            run(payload, ctx, attempt).await
        }))
    }
}

/// One run of a handler; dropped before its end, it logs that it was cut.
pub(crate) struct Attempt {
    log: Arc<Journal>,
    ctx: Context,
    ended: bool,
}

impl Attempt {
    fn start(log: Arc<Journal>, ctx: Context, payload: &Payload) -> Self {
        let line = format!(
            "S {} {} {} {} {} {} {} {}\n",
            clock::now(),
            clock::wall_ms(),
            std::process::id(),
            ctx.id(),
            ctx.attempt(),
            ctx.lease_token(),
            ctx.crash_count(),
            payload.r
        );
        log.append(&line).expect("the log of a run can be written");
        Self {
            log,
            ctx,
            ended: false,
        }
    }

    fn log_end(&mut self, outcome: &str) {
        self.ended = true;
        let reason = self
            .ctx
            .cancel_reason()
            .map_or("-", |reason| reason.as_str());
        let line = format!(
            "E {} {} {} {} {} {} {outcome} {reason}\n",
            clock::now(),
            clock::wall_ms(),
            std::process::id(),
            self.ctx.id(),
            self.ctx.attempt(),
            self.ctx.lease_token()
        );
        self.log
            .append(&line)
            .expect("the log of a run can be written");
    }

    /// Ends well; the result says which run it is of.
    fn ok(mut self) -> Result<Option<JobResult>, AttemptError> {
        self.log_end("ok");
        let result = format!(
            r#"{{"token":{},"pid":{}}}"#,
            self.ctx.lease_token(),
            std::process::id()
        );
        Ok(Some(JobResult {
            bytes: Bytes::from(result),
            content_type: jobflow::DEFAULT_CONTENT_TYPE.to_owned(),
        }))
    }

    fn error(mut self, error: &'static str) -> Result<Option<JobResult>, AttemptError> {
        self.log_end("error");
        Err(AttemptError::retry(error))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            self.log_end(if std::thread::panicking() {
                "panic"
            } else {
                "cut"
            });
        }
    }
}

async fn sleep(payload: &Payload) {
    if payload.ms > 0 {
        tokio::time::sleep(Duration::from_millis(payload.ms)).await;
    }
}

async fn sleeping(payload: Payload, attempt: Attempt) -> Result<Option<JobResult>, AttemptError> {
    sleep(&payload).await;
    attempt.ok()
}

/// Ends early when it is told to.
async fn heeding(
    payload: Payload,
    ctx: Context,
    attempt: Attempt,
) -> Result<Option<JobResult>, AttemptError> {
    tokio::select! {
        () = sleep(&payload) => attempt.ok(),
        () = ctx.cancelled() => attempt.error("told to end"),
    }
}

async fn flaky(
    payload: Payload,
    ctx: Context,
    attempt: Attempt,
) -> Result<Option<JobResult>, AttemptError> {
    sleep(&payload).await;
    if ctx.attempt() <= payload.fail {
        return attempt.error("not yet");
    }
    attempt.ok()
}

async fn talking(
    payload: Payload,
    ctx: Context,
    attempt: Attempt,
) -> Result<Option<JobResult>, AttemptError> {
    // Nobody needs to hear it: a refused report ends nothing.
    let _unheard = ctx.progress_with(10, "begun").await;
    let _unheard = ctx.log_lines(["one", "two", "three"]).await;
    sleep(&payload).await;
    attempt.ok()
}

async fn snoozing(
    payload: Payload,
    mut attempt: Attempt,
) -> Result<Option<JobResult>, AttemptError> {
    tokio::task::yield_now().await;
    if fastrand::bool() {
        attempt.log_end("snooze");
        return Err(AttemptError::Snooze(Duration::from_millis(payload.ms)));
    }
    attempt.ok()
}

async fn panicking(
    payload: Payload,
    ctx: Context,
    attempt: Attempt,
) -> Result<Option<JobResult>, AttemptError> {
    sleep(&payload).await;
    assert!(ctx.attempt() > payload.fail, "as the payload asks for");
    attempt.ok()
}

/// Goes on whatever it is told, on a thread that nobody can stop.
async fn deaf(payload: Payload, attempt: Attempt) -> Result<Option<JobResult>, AttemptError> {
    let blocking = tokio::task::spawn_blocking(move || {
        let (_never, silence) = std::sync::mpsc::channel::<()>();
        let _timeout = silence.recv_timeout(Duration::from_millis(payload.ms));
        attempt.ok()
    });
    blocking.await.map_err(AttemptError::retry)?
}
