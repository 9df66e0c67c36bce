//! The way of one attempt: decode → run with deadline → classify → finish,
//! under a lease that is held from the claim on.

mod crew;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use jobflow::telemetry::{Side, Step, TRACEPARENT};
use jobflow::{ClaimedJob, Error, JobError, JobQueue, JobResult, Outcome, Result};
use tokio::task::JoinError;
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::attempt_error::{AttemptError, job_error};
use crate::context::{CancelReason, Context};
use crate::handlers::{Handler, HandlerFuture};
use crate::lease::{HeldLease, Lease};
use crate::seal;
use crate::shutdown::Steps;
use crate::timings;
use crate::trouble::Pauses;

pub(crate) use crew::{Crew, Slot};

/// How long a handler that was told to end may go on before it is dropped.
pub(crate) const LEEWAY: Duration = Duration::from_secs(2);
/// How long a dropped handler may take to be gone.
const DROP_WAIT: Duration = Duration::from_secs(1);
/// An attempt that is over its time for longer than this is not ended by the
/// worker's own runtime any more: handlers block all its threads.
pub(crate) const OVERDUE: Duration = LEEWAY.saturating_add(DROP_WAIT);
/// When a job comes back whose kind no handler here is for.
const UNHANDLED_DELAY: Duration = Duration::from_secs(10);

/// How an attempt ended.
enum Ending {
    /// The handler came to its own end.
    Returned(Result<Option<JobResult>, AttemptError>),
    /// The handler panicked with this message.
    Panicked(String),
    /// The handler ran into its deadline and was dropped.
    TimedOut,
    /// The handler ended badly, or had to be dropped, after it was told to end
    /// because somebody called the job off.
    CalledOff,
    /// The same for another reason: a stop, or a lost lease.
    Interrupted,
    /// No handler is for this kind.
    Unhandled,
}

/// Runs one attempt of a claimed job from its handler to its stored outcome.
pub(crate) async fn execute(crew: &Crew, lease: HeldLease, slot: Slot) {
    let job = lease.job().clone();
    let mut step = begin_step(&job);
    let ctx = Context::new(lease.shared(), crew.queue.clone(), step.traceparent());

    jobflow::failpoint!("attempt.begins");
    let registered = crew.handlers.find(&job.kind);
    let ending = match registered {
        None => Ending::Unhandled,
        Some(registered) => match open_and_decode(crew, registered.handler.as_ref(), ctx, &job) {
            Err(ending) => ending,
            Ok(run) => crew.seal(run_with_deadline(run, crew, &lease).await, &job),
        },
    };
    jobflow::failpoint!("attempt.ran");
    if let Ending::Returned(Err(AttemptError::Lost(error))) = &ending {
        crew.leave_to_the_reaper(&lease, error.as_ref());
    } else if lease.end() {
        crew.note(&ending, &job.kind);
        let outcome = classify(ending, &job);
        step.note("jobflow.outcome", timings::word(&outcome));
        step.end(error_code(&outcome));
        if let Some(registered) = registered {
            let ran = lease.age();
            registered.timings.ended(&job, ran, &outcome);
        }
        let _storing = crew.leave(slot);
        finish(crew, &crew.queue, outcome, &lease).await;
        jobflow::failpoint!("attempt.stored");
    } else {
        crew.stats.lease_lost.add(1);
    }
}

fn begin_step(job: &ClaimedJob) -> Step {
    let parent = job.headers.get(TRACEPARENT).map(String::as_str);
    Step::begin(
        "attempt",
        Side::Consumer,
        parent,
        &[
            ("jobflow.queue", &job.queue),
            ("jobflow.kind", &job.kind),
            ("jobflow.job_id", &job.id),
            ("jobflow.attempt", &job.attempt),
        ],
    )
}

/// Ends an attempt that is over its time in place of the worker's own runtime.
pub(crate) async fn end_from_outside(crew: &Crew, queue: &JobQueue, lease: &Lease) {
    if !lease.end() {
        return;
    }
    let job = lease.job();
    tracing::warn!(job = %job.id, queue = %job.queue, kind = %job.kind, attempt = job.attempt,
        "handlers block every thread of this worker; an attempt over its time is ended from outside");
    crew.note(&Ending::TimedOut, &job.kind);
    finish(crew, queue, classify(Ending::TimedOut, job), lease).await;
    lease.give_up();
}

fn open_and_decode(
    crew: &Crew,
    handler: &dyn Handler,
    ctx: Context,
    job: &ClaimedJob,
) -> Result<HandlerFuture, Ending> {
    let opened = seal::open(crew.keys.as_ref(), job);
    let opened = opened.map_err(|error| Ending::Returned(Err(error)))?;
    decode(handler, ctx.with(opened))
}

/// A panic while reading the payload is one of the handler, too.
fn decode(handler: &dyn Handler, ctx: Context) -> Result<HandlerFuture, Ending> {
    match catch_unwind(AssertUnwindSafe(|| handler.prepare(ctx))) {
        Ok(Ok(run)) => Ok(run),
        Ok(Err(error)) => Err(Ending::Returned(Err(error))),
        Err(panic) => Err(Ending::Panicked(panic_message(panic.as_ref()))),
    }
}

/// What a handler says in the log names its job.
fn span(job: &ClaimedJob) -> Span {
    tracing::info_span!("job", job = %job.id, queue = %job.queue, kind = %job.kind, attempt = job.attempt)
}

async fn run_with_deadline(run: HandlerFuture, crew: &Crew, lease: &HeldLease) -> Ending {
    if let Some(ending) = told_to_end(lease) {
        return ending;
    }
    // A task of its own: a panic ends there, and a handler that blocks its
    // thread does not keep this one from ending the attempt.
    let mut handler = tokio::spawn(run.instrument(span(lease.job())));
    let ending = tokio::select! {
        biased;
        joined = &mut handler => returned_or_panicked(joined),
        () = tokio::time::sleep_until(lease.deadline().into()) => {
            crew.drop_handler(handler, lease).await;
            Ending::TimedOut
        }
        () = cancelled_for_long(lease, &crew.steps) => {
            crew.drop_handler(handler, lease).await;
            Ending::Interrupted
        }
    };
    match ending {
        Ending::Returned(Ok(result)) => Ending::Returned(Ok(result)),
        // The cancellation most likely caused it.
        ending => told_to_end(lease).unwrap_or(ending),
    }
}

/// How an attempt ends that was told to end and did not succeed.
fn told_to_end(lease: &Lease) -> Option<Ending> {
    lease.cancel_reason().map(|reason| match reason {
        CancelReason::CalledOff => Ending::CalledOff,
        CancelReason::LeaseLost | CancelReason::Stopping => Ending::Interrupted,
    })
}

/// The handler was told to end and has had its time to do so.
async fn cancelled_for_long(lease: &HeldLease, steps: &Steps) {
    lease.cancel().cancelled().await;
    let _ = timeout(LEEWAY, steps.hurry.cancelled()).await;
}

fn returned_or_panicked(
    joined: Result<Result<Option<JobResult>, AttemptError>, JoinError>,
) -> Ending {
    match joined {
        Ok(returned) => Ending::Returned(returned),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Ending::Panicked(panic_message(panic.as_ref())),
            // The runtime is going down and drops its tasks.
            Err(_) => Ending::Interrupted,
        },
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a message")
        .to_owned()
}

fn classify(ending: Ending, job: &ClaimedJob) -> Outcome {
    match ending {
        Ending::Returned(Ok(result)) => Outcome::Ack(result),
        Ending::Returned(Err(AttemptError::Retry(error))) => Outcome::Error(job_error(&error)),
        Ending::Returned(Err(AttemptError::RetryAfter(delay, error))) => {
            Outcome::ErrorAfter(delay, job_error(&error))
        }
        Ending::Returned(Err(AttemptError::Fail(error))) => Outcome::Fail(job_error(&error)),
        Ending::Returned(Err(AttemptError::Snooze(delay))) => Outcome::Snooze(delay),
        Ending::Returned(Err(AttemptError::Unhandled)) | Ending::Unhandled => {
            Outcome::Unhandled(UNHANDLED_DELAY)
        }
        // Only as a lost lease has it, whose outcome is refused.
        Ending::Returned(Err(AttemptError::Lost(error))) => Outcome::Error(job_error(&error)),
        Ending::Panicked(message) => Outcome::Error(error("HANDLER_PANIC", message)),
        Ending::TimedOut => Outcome::Error(error(
            "TIMEOUT",
            format!(
                "the attempt ran longer than {}",
                humantime::format_duration(job.timeout)
            ),
        )),
        Ending::CalledOff => Outcome::Cancelled,
        Ending::Interrupted => Outcome::Release,
    }
}

fn error_code(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Error(error) | Outcome::ErrorAfter(_, error) | Outcome::Fail(error) => {
            Some(&error.code)
        }
        _ => None,
    }
}

fn error(code: &str, message: String) -> JobError {
    JobError {
        code: code.to_owned(),
        message,
    }
}

/// Stores the outcome. While the store is away it tries again until the lease
/// is over; then the reaper hands the job on.
async fn finish(crew: &Crew, queue: &JobQueue, mut outcome: Outcome, lease: &Lease) {
    let (job, ran) = (lease.job(), lease.age());
    // Said once for all attempts by the claims, which fail at the same time.
    let mut pauses = Pauses::default();
    loop {
        let refusal = match queue.finish(job, outcome.clone()).await {
            Ok(state) => return crew.count(job, &outcome, state, ran),
            Err(refusal) => refusal,
        };
        let left = lease.fence().saturating_duration_since(Instant::now());
        match refusal {
            Error::InvalidField { .. } | Error::PayloadTooLarge { .. }
                if !matches!(outcome, Outcome::Fail(_)) =>
            {
                // The next attempt would return the same again.
                outcome = Outcome::Fail(error(refusal.code().as_str(), refusal.to_string()));
            }
            refusal if refusal.is_transient() && !left.is_zero() => {
                tokio::time::sleep(pauses.next().min(left)).await;
            }
            refusal => {
                tracing::warn!(job = %job.id, queue = %job.queue, kind = %job.kind, attempt = job.attempt,
                    code = refusal.code().as_str(), error = %refusal, "outcome was not stored");
                crew.stats.lease_lost.add(1);
                return;
            }
        }
    }
}
