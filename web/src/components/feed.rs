//! The jobs that became final last, as they do.

use std::{rc::Rc, time::Duration};

use jobflow::JobState;
use yew::{Callback, Html, Properties, classes, function_component, html};

use crate::{
    components::{icons::StateIcon, link::Link},
    feed::{Feed, Filter},
    format,
    model::{Finished, Quantiles, Times, state_title},
    route::Route,
    store::Event,
};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct FeedProps {
    pub(crate) feed: Feed,
    /// How long attempts of the last minutes took.
    pub(crate) wait: Option<Quantiles>,
    pub(crate) run: Option<Quantiles>,
    /// The clock of the store in whole seconds: the rows need no finer one.
    pub(crate) now_seconds: u64,
    /// The clock of this machine, for how long the rows have been held.
    pub(crate) local_now: u64,
    pub(crate) emit: Callback<Event>,
}

/// Recent activity: newest first, to be narrowed to failures and to be held.
#[function_component]
pub(crate) fn RecentActivity(props: &FeedProps) -> Html {
    let rows = props.feed.rows();
    let held_since = props.feed.held_since();
    html! {
        <section class="panel feed-panel" aria-labelledby="feed-title">
            <header class="panel-head">
                <h2 id="feed-title">{"Recent activity"}</h2>
                {timings(props)}
                {controls(props)}
            </header>
            if let Some(since) = held_since {
                <p class="held">
                    {format!("Held for {}: newer jobs are not listed.", format::coarse_age(props.local_now.saturating_sub(since)))}
                </p>
            }
            <div class="feed" role="table" aria-label="Recently finished jobs" data-testid="feed">
                <div role="rowgroup">
                    <div class="row head" role="row">
                        {for HEADINGS.iter().map(|(class, heading)| html! {
                            <span role="columnheader" class={*class}>{*heading}</span>
                        })}
                    </div>
                </div>
                // A list of its own: beside a child without a key, the keys
                // would count for nothing and each row be drawn anew.
                <div role="rowgroup">
                    {for rows.iter().map(|job| html! {
                        <Row key={key(job)} job={Rc::clone(job)} now_seconds={props.now_seconds} />
                    })}
                </div>
            </div>
            if rows.is_empty() {
                <p class="empty">{match props.feed.filter {
                    Filter::All => "No job has finished yet. Each one appears here the moment it does.",
                    Filter::Failed => "No failure since this page was opened.",
                }}</p>
            }
        </section>
    }
}

/// A job that was retried may stand here twice.
fn key(job: &Finished) -> String {
    let finished = job.times.map_or(0, |times| times.finished);
    format!("{}-{finished}", job.id)
}

const HEADINGS: [(&str, &str); 9] = [
    ("cell-state", "State"),
    ("cell-kind", "Kind"),
    ("cell-queue", "Queue"),
    ("cell-id", "Job"),
    ("cell-attempt number", "Attempt"),
    ("cell-wait number", "Waited"),
    ("cell-run number", "Ran"),
    ("cell-worker", "Worker"),
    ("cell-ago number", "Finished"),
];

fn timings(props: &FeedProps) -> Html {
    let (Some(wait), Some(run)) = (props.wait, props.run) else {
        return Html::default();
    };
    let time = |time: Duration| html! { <b>{format::duration(time)}</b> };
    let title = format!(
        "Median, 95th and 99th percentile of {} that ended in this minute and the one before, within 5 %",
        format::plural(run.count, "attempt")
    );
    html! {
        <p class="panel-note" data-testid="percentiles" data-count={run.count.to_string()} {title}>
            {"Waited p50 "}{time(wait.p50)}{", p95 "}{time(wait.p95)}{", p99 "}{time(wait.p99)}
            {" · ran p50 "}{time(run.p50)}{", p95 "}{time(run.p95)}{", p99 "}{time(run.p99)}
        </p>
    }
}

fn controls(props: &FeedProps) -> Html {
    let failures = props.feed.failure_count();
    let filter = |filter: Filter, name: String, title: &'static str| {
        let pressed = props.feed.filter == filter;
        let onclick = props.emit.reform(move |_| Event::Filtered(filter));
        html! {
            <button type="button" class={classes!("button", pressed.then_some("pressed"))} aria-pressed={pressed.to_string()} {title} {onclick}>
                {name}
            </button>
        }
    };
    let held = props.feed.held_since().is_some();
    html! {
        <div class="controls">
            <div class="button-group" role="group" aria-label="Show">
                {filter(Filter::All, "All".into(), "The last 50 jobs that became final")}
                {filter(Filter::Failed, format!("Failed {failures}"), "The last 50 failures that this tab has seen")}
            </div>
            <button type="button" class={classes!("button", held.then_some("pressed"))} aria-pressed={held.to_string()}
                onclick={props.emit.reform(move |_| Event::Held(!held))}>
                {if held { "Go on" } else { "Hold" }}
            </button>
        </div>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct RowProps {
    job: Rc<Finished>,
    now_seconds: u64,
}

/// One finished job.
#[function_component]
fn Row(props: &RowProps) -> Html {
    let job = &props.job;
    let now = props.now_seconds * 1_000;
    let unknown = || "–".to_owned();
    let time = |of: fn(&Times) -> Duration| {
        let times = job.times.as_ref();
        times.map_or_else(unknown, |times| format::duration(of(times)))
    };
    let ago = job.times.map_or_else(unknown, |times| {
        format::ago(now.saturating_sub(times.finished))
    });
    html! {
        <div class={classes!("row", job.state.as_str())} role="row" data-job-id={job.id.clone()} data-state={job.state.as_str()}>
            <span role="cell" class="cell-state"><StateIcon state={job.state} />{state_title(job.state)}</span>
            <span role="cell" class="cell-kind" title={job.kind.clone()}>
                <Link to={Route::Job(job.id.to_string())}>{job.kind.clone()}</Link>
            </span>
            <span role="cell" class="cell-queue" title={job.queue.clone()}>{&job.queue}</span>
            <code role="cell" class="cell-id" title={job.id.clone()}>{format::short_id(&job.id)}</code>
            <span role="cell" class={classes!("cell-attempt", "number", (job.attempt > 1).then_some("many"))}>
                <span class="phone">{"attempt "}</span>{job.attempt}
            </span>
            <span role="cell" class="cell-wait number"><span class="phone">{"waited "}</span>{time(|times| times.waited)}</span>
            <span role="cell" class="cell-run number"><span class="phone">{"ran "}</span>{time(|times| times.ran)}</span>
            <span role="cell" class="cell-worker" title={job.worker.clone()}>
                {if job.worker.is_empty() { "–" } else { job.worker.as_str() }}
            </span>
            <span role="cell" class="cell-ago number">{ago}</span>
            {error(job)}
        </div>
    }
}

/// Why the job failed, in one line; the whole text is in the title.
fn error(job: &Finished) -> Html {
    match &job.error {
        Some(error) => html! {
            <span role="cell" class="cell-error" title={format!("{}: {}", error.code, error.message)}>
                <code>{&error.code}</code>{" "}{&error.message}
            </span>
        },
        None if job.state == JobState::Failed => html! {
            <span role="cell" class="cell-error">{"No error was recorded."}</span>
        },
        None => Html::default(),
    }
}
