//! How the job was submitted, and what is known of it besides.

use std::rc::Rc;

use jobflow::proto::Job;
use yew::{Html, Properties, function_component, html};

use crate::{
    api::values::duration,
    components::{link::Link, moment::Moment},
    format,
    route::{JobsView, Route, quoted},
};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct FactsProps {
    pub(crate) job: Rc<Job>,
}

#[function_component]
pub(crate) fn Facts(props: &FactsProps) -> Html {
    let job = &props.job;
    let jobs_of = |field: &str, value: &str| {
        let filter = format!("{field} = {}", quoted(value));
        html! { <Link to={Route::Jobs(JobsView::of(filter))}>{value.to_owned()}</Link> }
    };
    let backoff = job.backoff.as_ref().map(|backoff| {
        let part = |part: Option<prost_types::Duration>| {
            part.map_or_else(|| "–".into(), |part| format::duration(duration(part)))
        };
        format!(
            "from {} by {} up to {}",
            part(backoff.initial),
            backoff.multiplier,
            part(backoff.max)
        )
    });
    let fact = |name: &'static str, value: Html| html! { <div class="fact-row"><dt>{name}</dt><dd>{value}</dd></div> };
    html! {
        <section class="panel" aria-labelledby="facts-title">
            <header class="panel-head"><h2 id="facts-title">{"Details"}</h2></header>
            <dl class="facts" data-testid="facts">
                {fact("Queue", jobs_of("queue", &job.queue))}
                {fact("Kind", jobs_of("kind", &job.kind))}
                {fact("Priority", html! { {format!("{} of 0 (first) to 9", job.priority)} })}
                {fact("Attempt", html! { {format!("{} of {}", job.attempt, job.max_attempts)} })}
                if job.crash_count > 0 {
                    {fact("Workers lost", html! { {job.crash_count} })}
                }
                if !job.worker.is_empty() {
                    {fact("Worker", jobs_of("worker", &job.worker))}
                }
                {fact("Submitted", html! { <Moment time={job.create_time} /> })}
                if job.lease_expire_time.is_some() {
                    {fact("Lease ends", html! { <Moment time={job.lease_expire_time} ahead=true /> })}
                }
                if job.start_before_time.is_some() {
                    {fact("Start before", html! { <Moment time={job.start_before_time} ahead=true /> })}
                }
                if let Some(timeout) = job.timeout {
                    {fact("Timeout of an attempt", html! { {format::duration(duration(timeout))} })}
                }
                if let Some(backoff) = backoff {
                    {fact("Backoff", html! { {backoff} })}
                }
                if !job.idempotency_key.is_empty() {
                    {fact("Idempotency key", html! { <code>{&job.idempotency_key}</code> })}
                }
                if !job.tags.is_empty() {
                    {fact("Tags", html! { {for job.tags.iter().map(|tag| html! {
                        <Link class="tag" to={Route::Jobs(JobsView::of(format!("tags:{}", quoted(tag))))}>{tag.clone()}</Link>
                    })} })}
                }
                {for sorted(job).into_iter().map(|(name, value)| html! {
                    <div class="fact-row"><dt><code>{name}</code></dt><dd>{value}</dd></div>
                })}
            </dl>
        </section>
    }
}

/// The headers in an order that does not change.
fn sorted(job: &Job) -> Vec<(&String, &String)> {
    let mut headers: Vec<_> = job.headers.iter().collect();
    headers.sort_unstable();
    headers
}
