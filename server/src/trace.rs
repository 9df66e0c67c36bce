//! The trace that a request is a part of: in by the header `traceparent`, and on
//! with the jobs that it submits.

use std::future::Future;

use axum::extract::Request;
use jobflow::telemetry::{Side, Step, TRACEPARENT};
use jobflow::{NewJob, Result, Submitted};

tokio::task_local! {
    static CURRENT: Option<String>;
}

/// The step of a trace that a request says it is below.
pub(crate) fn parent_of(request: &Request) -> Option<String> {
    let parent = request.headers().get(TRACEPARENT)?;
    parent.to_str().ok().map(str::to_owned)
}

/// Lets everything below know the trace of the request.
pub(crate) fn scope<F: Future>(
    parent: Option<String>,
    answer: F,
) -> impl Future<Output = F::Output> {
    CURRENT.scope(parent, answer)
}

/// Submits a job as a step of the trace of this request, or of the trace that
/// its producer put into its headers.
pub(crate) async fn submit<F>(job: NewJob, send: impl FnOnce(NewJob) -> F) -> Result<Submitted>
where
    F: Future<Output = Result<Submitted>>,
{
    let parent = current().or_else(|| job.traceparent().map(str::to_owned));
    let mut step = Step::begin(
        "submit",
        Side::Producer,
        parent.as_deref(),
        &[
            ("jobflow.queue", job.queue_name()),
            ("jobflow.kind", job.kind()),
        ],
    );
    let submitted = send(traced(job, &step)).await;
    if let Ok(submitted) = &submitted {
        step.note("jobflow.job_id", submitted.id);
    }
    step.end(submitted.as_ref().err().map(|error| error.code().as_str()));
    submitted
}

/// The same for many, which are one step together.
pub(crate) async fn submit_batch<F>(
    jobs: Vec<NewJob>,
    send: impl FnOnce(Vec<NewJob>) -> F,
) -> Vec<Result<Submitted>>
where
    F: Future<Output = Vec<Result<Submitted>>>,
{
    let step = Step::begin(
        "submit_batch",
        Side::Producer,
        current().as_deref(),
        &[("jobflow.jobs", &jobs.len())],
    );
    let jobs = jobs.into_iter().map(|job| match job.traceparent() {
        // Of a producer that traces each by itself.
        Some(_) => job,
        None => traced(job, &step),
    });
    let submitted = send(jobs.collect()).await;
    step.end(None);
    submitted
}

fn traced(job: NewJob, step: &Step) -> NewJob {
    match step.traceparent() {
        Some(traceparent) => job.traced(traceparent),
        None => job,
    }
}

fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}
