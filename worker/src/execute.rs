//! The way of one attempt: decode → run with deadline → classify → finish,
//! under a lease that is held from the claim on.

use std::any::Any;
use std::collections::HashSet;
use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobflow::telemetry::{Side, Step, TRACEPARENT};
use jobflow::{ClaimedJob, Error, JobError, JobQueue, JobResult, JobState, Kind, Outcome, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::attempt_error::{AttemptError, job_error};
use crate::context::{CancelReason, Context};
use crate::handlers::{Handler, HandlerFuture, Handlers};
use crate::health::Health;
use crate::lease::{HeldLease, Lease, Leases};
use crate::measured::MeasuredQueues;
use crate::posture::Posture;
use crate::shutdown::Steps;
use crate::stats::WorkerStats;
use crate::timings;
use crate::trouble::Pauses;

/// How long a handler that was told to end may go on before it is dropped.
pub(crate) const LEEWAY: Duration = Duration::from_secs(2);
/// How long a dropped handler may take to be gone.
const DROP_WAIT: Duration = Duration::from_secs(1);
/// An attempt that is over its time for longer than this is not ended by the
/// worker's own runtime any more: handlers block all its threads.
pub(crate) const OVERDUE: Duration = LEEWAY.saturating_add(DROP_WAIT);
/// When a job comes back whose kind no handler here is for.
const UNHANDLED_DELAY: Duration = Duration::from_secs(10);

/// What all attempts of a worker share.
pub(crate) struct Crew {
    pub(crate) queue: Arc<JobQueue>,
    pub(crate) handlers: Handlers,
    pub(crate) leases: Arc<Leases>,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) health: Arc<Health>,
    pub(crate) steps: Steps,
    pub(crate) posture: Posture,
    /// How many outcomes may be on their way to the store beside the attempts that run.
    storing: Arc<Semaphore>,
    /// Those that were warned of.
    unhandled_kinds: Mutex<HashSet<Kind>>,
    pub(crate) measured: MeasuredQueues,
}

/// The place of an attempt among those that may run at once.
pub(crate) type Slot = Option<OwnedSemaphorePermit>;

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
        Some(registered) => match decode(registered.handler.as_ref(), ctx) {
            Err(ending) => ending,
            Ok(run) => run_with_deadline(run, crew, &lease).await,
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

impl Crew {
    pub(crate) fn new(queue: JobQueue, handlers: Handlers, concurrency: usize) -> Self {
        let (health, steps) = (Arc::<Health>::default(), Steps::default());
        Self {
            queue: Arc::new(queue),
            handlers,
            leases: Arc::default(),
            stats: Arc::default(),
            posture: Posture::new(steps.stop.clone(), health.clone()),
            health,
            steps,
            storing: Arc::new(Semaphore::new(concurrency)),
            unhandled_kinds: Mutex::default(),
            measured: MeasuredQueues::default(),
        }
    }

    /// Holds the lease of a job that was just claimed.
    pub(crate) fn hold(&self, job: ClaimedJob, fence: Instant) -> HeldLease {
        let cancel = self.steps.cancel.child_token();
        self.leases.hold(Arc::new(job), fence, cancel)
    }

    /// Ends an attempt of which nobody knows how far it came. Its lease runs out,
    /// and the reaper does what it does for every lost worker.
    fn leave_to_the_reaper(&self, lease: &Lease, why: &(dyn StdError + Send + Sync)) {
        let job = lease.job();
        tracing::warn!(job = %job.id, queue = %job.queue, kind = %job.kind, attempt = job.attempt,
            error = %why, "handler was lost; its job runs again when the lease ends");
        if lease.end() {
            self.stats.lost.add(1);
        }
    }

    /// Frees the slot of an attempt whose handler has ended, so that the next job
    /// is claimed while the outcome is on its way. Returns what to hold until it
    /// is stored: the slot itself where too many are on their way, so that a
    /// worker whose outcomes the store does not take stops claiming.
    fn leave(&self, slot: Slot) -> Slot {
        let storing = self.storing.clone().try_acquire_owned();
        storing.map_or(slot, Some)
    }

    /// Sees that nothing of the handler runs on after its job was finished. One
    /// that blocks its thread nobody can stop: it is counted as stuck, and its
    /// slot is free all the same.
    async fn drop_handler<T: Send + 'static>(&self, mut handler: JoinHandle<T>, lease: &Lease) {
        handler.abort();
        if timeout(DROP_WAIT, &mut handler).await.is_ok() {
            return;
        }
        let job = lease.job();
        tracing::warn!(job = %job.id, queue = %job.queue, kind = %job.kind, attempt = job.attempt,
            "handler is stuck: it blocks its thread and can not be dropped");
        self.stats.stuck.add(1);
        let stuck = self.health.stuck();
        tokio::spawn(async move {
            // However it ends, its attempt is over.
            let _ = handler.await;
            drop(stuck);
        });
    }

    fn note(&self, ending: &Ending, kind: &Kind) {
        match ending {
            Ending::Panicked(_) => self.stats.panics.add(1),
            Ending::TimedOut => self.stats.timeouts.add(1),
            Ending::Unhandled => {
                let mut kinds = self
                    .unhandled_kinds
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if kinds.insert(kind.clone()) {
                    tracing::warn!(%kind, "no handler is for this kind; its jobs are given back");
                }
            }
            Ending::Returned(_) | Ending::CalledOff | Ending::Interrupted => {}
        }
    }

    fn count(&self, job: &ClaimedJob, outcome: &Outcome, state: JobState, ran: Duration) {
        self.measured.add(job, outcome, state, ran);
        if let Outcome::Error(error) | Outcome::ErrorAfter(_, error) | Outcome::Fail(error) =
            outcome
        {
            tracing::debug!(job = %job.id, queue = %job.queue, kind = %job.kind, attempt = job.attempt, %state,
                code = error.code, error = error.message, "attempt errored");
        }
        match outcome {
            Outcome::Ack(_) => self.stats.completed.add(1),
            Outcome::Error(_) | Outcome::ErrorAfter(..) | Outcome::Fail(_) => {
                self.stats.errored.add(1);
            }
            Outcome::Snooze(_) => self.stats.snoozed.add(1),
            Outcome::Release => self.stats.released.add(1),
            Outcome::Cancelled => self.stats.cancelled.add(1),
            Outcome::Unhandled(_) => self.stats.unhandled.add(1),
        }
        if state == JobState::Failed {
            self.stats.failed.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobflow::QueueConfig;

    #[tokio::test]
    async fn a_slot_is_free_while_its_outcome_is_stored_unless_too_many_are() {
        let queue = JobQueue::open(QueueConfig::default()).unwrap();
        let crew = Crew::new(queue, Handlers::default(), 2);
        let slots = Arc::new(Semaphore::new(3));
        let ended = [(); 3].map(|()| Some(slots.clone().try_acquire_owned().unwrap()));
        let storing = ended.map(|slot| crew.leave(slot));
        assert_eq!(slots.available_permits(), 2);
        drop(storing);
        assert_eq!(slots.available_permits(), 3);
        assert_eq!(crew.storing.available_permits(), 2);
    }
}
