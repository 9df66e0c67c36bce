//! What happened in the queue, in all or with the jobs of one kind: an hour to
//! a month back.

use std::rc::Rc;
use std::time::Duration;

use yew::{Html, Properties, classes, function_component, html};

use crate::{
    answer::use_answer,
    api::Api,
    components::{
        link::Link,
        past::{PastChart, Series, Shape},
        problem::ProblemNote,
    },
    format,
    model::{Quantiles, out_of_reach},
    past::{Past, PastPoint, Span},
    route::{QueueView, Route},
    session::use_now,
};

const THROUGHPUT: &[Series] = &[
    Series {
        key: "completed",
        title: "Completed",
        shape: Shape::Area,
        of: |point| point.in_all(point.completed),
    },
    Series {
        key: "submitted",
        title: "Submitted",
        shape: Shape::Line,
        of: |point| point.in_all(point.submitted),
    },
    Series {
        key: "failed",
        title: "Failed",
        shape: Shape::Bars,
        of: |point| point.in_all(point.failed),
    },
];

/// Nobody tells of which kind the submitted ones are.
const ENDS: &[Series] = &[THROUGHPUT[0], THROUGHPUT[2]];

const WAITING: &[Series] = &[Series {
    key: "waiting",
    title: "now",
    shape: Shape::Area,
    of: |point| Some(point.waiting as f64),
}];

const WAITED: &[Series] = &[
    quantile("p50", |point| millis(point.wait, |of| of.p50)),
    quantile("p95", |point| millis(point.wait, |of| of.p95)),
    quantile("p99", |point| millis(point.wait, |of| of.p99)),
];

const RAN: &[Series] = &[
    quantile("p50", |point| millis(point.run, |of| of.p50)),
    quantile("p95", |point| millis(point.run, |of| of.p95)),
    quantile("p99", |point| millis(point.run, |of| of.p99)),
];

const fn quantile(name: &'static str, of: fn(&PastPoint) -> Option<f64>) -> Series {
    Series {
        key: name,
        title: name,
        shape: Shape::Line,
        of,
    }
}

fn millis(quantiles: Option<Quantiles>, of: fn(&Quantiles) -> Duration) -> Option<f64> {
    quantiles.map(|quantiles| of(&quantiles).as_secs_f64() * 1_000.0)
}

fn jobs(count: f64) -> String {
    if count < 5.0 && count.fract() > 0.0 {
        return format!("{count:.1}");
    }
    format::count(format::whole(count))
}

fn time(millis: f64) -> String {
    if millis <= 0.0 {
        return "0".to_owned();
    }
    format::duration(Duration::from_secs_f64(millis / 1_000.0))
}

#[derive(Debug, PartialEq, Properties)]
pub(super) struct PastPanelProps {
    pub(super) view: QueueView,
}

#[function_component]
pub(super) fn PastPanel(props: &PastPanelProps) -> Html {
    let (view, now) = (&props.view, use_now());
    // The time of the store is not known before the first numbers.
    let turn = now / view.span.pace();
    let past = use_answer(
        (view.clone(), now > 0),
        turn,
        move |(view, is_known)| async move {
            if !is_known {
                return Ok(None);
            }
            Api::query_metrics(&view, now * 1_000).await.map(Some)
        },
    );
    let known = past.value.as_ref().and_then(|past| past.as_ref().clone());
    html! {
        <section class="panel past-panel" aria-labelledby="past-title" data-testid="past" data-span={view.span.as_str()} data-kind={view.kind.clone()}>
            <header class="panel-head">
                <h2 id="past-title">{"History"}</h2>
                if let Some(note) = known.as_ref().and_then(|past| out_of_reach(past.unreachable)) {
                    <span class="badge warning">{note}</span>
                }
                <nav class="button-group" aria-label="How far back">
                    {for Span::ALL.map(|span| choice(QueueView { span, ..view.clone() }, span.title(), span == view.span))}
                </nav>
            </header>
            if let Some(problem) = &past.problem {
                <ProblemNote problem={problem.clone()} />
            }
            {match known {
                Some(known) => charts(view, Rc::new(known)),
                None => html! { <p class="empty" role="status">{"Reading the history…"}</p> },
            }}
        </section>
    }
}

/// A view of its own, to be kept and gone back to.
fn choice(view: QueueView, title: &str, current: bool) -> Html {
    html! {
        <Link class={classes!("button", current.then_some("pressed"))} {current} to={Route::Queue(view)}>{title}</Link>
    }
}

fn charts(view: &QueueView, past: Rc<Past>) -> Html {
    let by = format!("by {}", view.span.step_title());
    let ends = format!("at the end of each {}", view.span.step_title());
    let throughput = if view.kind.is_empty() {
        THROUGHPUT
    } else {
        ENDS
    };
    html! { <>
        {kinds(view, &past)}
        <div class="past-charts">
            <PastChart key={format!("jobs-{}", view.kind)} title="Jobs" test_id="past-jobs" note={by.clone()} past={Rc::clone(&past)} series={throughput} show={jobs as fn(f64) -> String} />
            if view.kind.is_empty() {
                <PastChart title="Waiting" test_id="past-waiting" note={ends} past={Rc::clone(&past)} series={WAITING} show={jobs as fn(f64) -> String} />
            }
            <PastChart title="Waited" test_id="past-wait" note={by.clone()} past={Rc::clone(&past)} series={WAITED} show={time as fn(f64) -> String} />
            <PastChart title="Ran" test_id="past-run" note={by} past={past} series={RAN} show={time as fn(f64) -> String} />
        </div>
    </> }
}

/// The kinds that the history knows, and the one that is looked at.
fn kinds(view: &QueueView, past: &Past) -> Html {
    let mut names = past.kinds.clone();
    if !view.kind.is_empty() && !names.contains(&view.kind) {
        names.push(view.kind.clone());
    }
    if names.is_empty() {
        return Html::default();
    }
    let of = |kind: &str| QueueView {
        kind: kind.to_owned(),
        ..view.clone()
    };
    html! {
        <nav class="past-kinds" aria-label="Of which kind">
            {choice(of(""), "All kinds", view.kind.is_empty())}
            {for names.iter().map(|name| choice(of(name), name, *name == view.kind))}
        </nav>
    }
}
