//! A handler that runs a command: payload on its stdin, result from its stdout.

use std::env;
use std::io;
use std::process::{ExitStatus, Stdio};

use bytes::Bytes;
use jobflow::{JobResult, MAX_PAYLOAD};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::attempt_error::{AttemptError, CodedError};
use crate::context::Context;
use crate::handlers::limits::Limits;
use crate::handlers::stderr::listen;
use crate::handlers::{Handler, HandlerFuture, NOT_NOW};

/// `EX_DATAERR`: the job can never succeed.
const EXIT_FAIL: i32 = 65;
/// `EX_TEMPFAIL`: not now; costs no attempt.
const EXIT_LATER: i32 = 75;

/// Runs a command per attempt.
///
/// Exit 0 acknowledges the job, 75 means later without a penalty, 65 fails it
/// for good, anything else is an errored attempt. Lines on stderr go to the
/// job's log, and `JOBFLOW_PROGRESS 42 half way` is its progress. The command and what it left
/// running in its process group are killed when the attempt ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The command, as found by `PATH` or from the working directory.
    pub program: String,
    /// Its arguments, as they are: no shell reads them.
    pub arguments: Vec<String>,
    /// What it may use.
    pub limits: Limits,
}

impl Handler for Exec {
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        let exec = self.clone();
        Ok(Box::pin(async move { exec.attempt(&ctx).await }))
    }
}

impl Exec {
    async fn attempt(&self, ctx: &Context) -> Result<Option<JobResult>, AttemptError> {
        let mut child = self.start(ctx)?;
        let mut group = Group::of(&child);
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // All at once: a child that reads late, writes first or never
        // reads must not stop the others.
        let ((), output, tail, status) = tokio::join!(
            feed(stdin, ctx.payload()),
            collect(stdout),
            listen(stderr, ctx),
            exit(&mut child, &mut group, ctx),
        );
        let status = status.map_err(|error| failed(format!("can not be waited for: {error}")))?;
        verdict(status, output?, &tail)
    }

    fn start(&self, ctx: &Context) -> Result<Child, AttemptError> {
        let mut command = self.limits.command(&self.program);
        // The worker's own settings are none of the command's business: one of
        // them is the password of Redis.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("JOBFLOW_") {
                command.env_remove(name);
            }
        }
        command
            .args(&self.arguments)
            .env("JOBFLOW_JOB_ID", ctx.id().to_string())
            .env("JOBFLOW_KIND", ctx.kind().as_str())
            .env("JOBFLOW_QUEUE", ctx.queue().as_str())
            .env("JOBFLOW_ATTEMPT", ctx.attempt().to_string())
            .env("JOBFLOW_MAX_ATTEMPTS", ctx.max_attempts().to_string())
            .env("JOBFLOW_CONTENT_TYPE", ctx.content_type())
            .envs(
                ctx.traceparent()
                    .map(|traceparent| ("TRACEPARENT", traceparent)),
            )
            .env("JOBFLOW_TIME_LEFT", ctx.time_left().as_secs().to_string())
            .env("JOBFLOW_LEASE_TOKEN", ctx.lease_token().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: a Ctrl-C at the terminal is the worker's to
            // handle, and the command's children end with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                AttemptError::retry(failed(format!("can not start {}: {error}", self.program)))
            })
    }
}

fn failed(message: String) -> CodedError {
    CodedError::new("COMMAND_FAILED", message)
}

/// Writes the payload. A command that closes its stdin unread has its reasons.
async fn feed(stdin: Option<ChildStdin>, payload: &Bytes) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(payload).await;
    }
}

/// Output beyond the limit is read and thrown away, so that the command can
/// come to its end; it is an error afterwards.
async fn collect(stdout: Option<ChildStdout>) -> io::Result<Output> {
    let mut output = Output::default();
    let Some(mut stdout) = stdout else {
        return Ok(output);
    };
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let read = stdout.read(&mut chunk).await?;
        if read == 0 {
            return Ok(output);
        }
        output.size += read;
        let room = MAX_PAYLOAD - output.kept.len();
        output.kept.extend_from_slice(&chunk[..read.min(room)]);
    }
}

#[derive(Default)]
struct Output {
    kept: Vec<u8>,
    size: usize,
}

async fn exit(child: &mut Child, group: &mut Group, ctx: &Context) -> io::Result<ExitStatus> {
    let status = tokio::select! {
        status = child.wait() => status,
        () = ctx.cancelled() => {
            group.signal(Signal::TERM);
            child.wait().await
        }
    };
    // What it left behind holds the pipes open, and nobody would end it.
    group.kill();
    status
}

fn verdict(
    status: ExitStatus,
    output: Output,
    tail: &str,
) -> Result<Option<JobResult>, AttemptError> {
    match status.code() {
        Some(0) => result(output),
        Some(EXIT_LATER) => Err(AttemptError::Snooze(NOT_NOW)),
        Some(EXIT_FAIL) => Err(AttemptError::fail(failed(explain(status, tail)))),
        _ => Err(AttemptError::retry(failed(explain(status, tail)))),
    }
}

fn explain(status: ExitStatus, tail: &str) -> String {
    match tail {
        "" => status.to_string(),
        tail => format!("{status}: {tail}"),
    }
}

fn result(output: Output) -> Result<Option<JobResult>, AttemptError> {
    if output.size > MAX_PAYLOAD {
        let message = format!("stdout: {} bytes, the limit is {MAX_PAYLOAD}", output.size);
        return Err(AttemptError::fail(CodedError::new(
            "PAYLOAD_TOO_LARGE",
            message,
        )));
    }
    if output.kept.is_empty() {
        return Ok(None);
    }
    Ok(Some(JobResult {
        content_type: content_type(&output.kept).to_owned(),
        bytes: Bytes::from(output.kept),
    }))
}

fn content_type(bytes: &[u8]) -> &'static str {
    if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
        "application/json"
    } else if std::str::from_utf8(bytes).is_ok() {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    }
}

/// The process group of a command, killed when the attempt is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw),
        )
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // Fails when nobody is left in the group, which is as well.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Once only: the number may belong to others later.
    fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
