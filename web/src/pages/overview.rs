//! Overview: is everything well, and what is happening now?

use std::rc::Rc;

use jobflow::JobState;
use yew::{AttrValue, Callback, Html, Properties, classes, function_component, html};

use crate::{
    browser,
    components::{
        chart::Chart,
        command::Command,
        feed::RecentActivity,
        health::HealthPanel,
        queues::{QueueLine, QueueTable},
        tile::{SmallTile, Tile},
        totals::TotalsPanel,
    },
    format,
    model::{Rates, Snapshot},
    store::{Connection, Event, State},
};

#[derive(Debug, Properties)]
pub(crate) struct OverviewProps {
    pub(crate) state: Rc<State>,
    pub(crate) emit: Callback<Event>,
}

impl PartialEq for OverviewProps {
    fn eq(&self, other: &Self) -> bool {
        // Every event makes a new state, so the same place means the same content.
        Rc::ptr_eq(&self.state, &other.state)
    }
}

/// The first page.
#[function_component]
pub(crate) fn Overview(props: &OverviewProps) -> Html {
    let state = &props.state;
    let latest = state.latest.as_deref();
    let old = state.connection() != Connection::Live;
    let totals = latest.map(|latest| latest.totals).unwrap_or_default();
    html! {
        <main class={classes!("board", old.then_some("is-old"))} id="main" tabindex="-1">
            <h1 class="hidden">{"Overview"}</h1>
            <HealthPanel
                health={state.health()}
                workers={latest.map(|latest| latest.workers)}
                active={latest.map_or(0, |latest| latest.counts.active)}
                oldest_waiting={latest.and_then(|latest| latest.oldest_waiting)}
                memory={latest.and_then(|latest| latest.memory)}
            />
            {tiles(state, latest)}
            {match latest {
                Some(latest) if totals.submitted == 0 => first_job(latest.workers.alive == 0),
                _ => Html::default(),
            }}
            <section class="panel rates-panel" aria-labelledby="rates-title">
                <header class="panel-head">
                    <h2 id="rates-title">{"Throughput"}</h2>
                    <p class="panel-note">{"jobs per second, live"}</p>
                </header>
                <Chart history={Rc::clone(&state.history)} now={state.store_now()} rates={state.rates()} />
            </section>
            <div class="side">
                <QueueTable queues={queue_lines(state, latest)} />
                <TotalsPanel {totals} />
            </div>
            <RecentActivity
                feed={state.feed.clone()}
                wait={latest.and_then(|latest| latest.wait)}
                run={latest.and_then(|latest| latest.run)}
                now_seconds={state.store_now() / 1_000}
                local_now={state.now / 1_000 * 1_000}
                emit={props.emit.clone()}
            />
        </main>
    }
}

/// The states as counts: four that matter most, then the rest.
fn tiles(state: &State, latest: Option<&Snapshot>) -> Html {
    let counts = latest.map(|latest| latest.counts);
    let value = |of: JobState| counts.map(|counts| counts.of(of));
    // Completed jobs are kept for a while only, so their count stands still at
    // the limit; what people look for is how many there have been.
    let completed = latest.map(|latest| latest.totals.completed);
    let tile = |of, value, note: String| {
        html! {
            <Tile state={of} {value} note={AttrValue::from(note)} history={Rc::clone(&state.history)} now={state.store_now()} />
        }
    };
    html! {
        <section class="counts" aria-labelledby="counts-title">
            <h2 class="hidden" id="counts-title">{"Jobs by state"}</h2>
            <ul class="tiles">
                {tile(JobState::Waiting, value(JobState::Waiting), waiting_note(state, latest))}
                {tile(JobState::Active, value(JobState::Active), active_note(latest))}
                {tile(JobState::Completed, completed, completed_note(state, latest))}
                {tile(JobState::Failed, value(JobState::Failed), failed_note(&state.rates(), latest))}
            </ul>
            <ul class="small-tiles">
                {for [JobState::Scheduled, JobState::Retrying, JobState::Blocked, JobState::Cancelled]
                    .into_iter()
                    .map(|of| html! { <SmallTile state={of} value={value(of)} /> })}
            </ul>
        </section>
    }
}

fn waiting_note(state: &State, latest: Option<&Snapshot>) -> String {
    let Some(latest) = latest else {
        return String::new();
    };
    let Some(age) = latest.oldest_waiting else {
        return "no job waits".into();
    };
    let oldest = format!("oldest {}", format::duration(age));
    match state.history.backlog_trend() {
        Some(trend) if trend > NOTABLE_TREND => {
            format!("{oldest} · growing {}/s", format::rate(trend))
        }
        Some(trend) if trend < -NOTABLE_TREND => {
            let left = latest.counts.waiting as f64 / -trend;
            format!("{oldest} · empty in {}", format::coarse(left))
        }
        Some(_) | None => oldest,
    }
}

fn active_note(latest: Option<&Snapshot>) -> String {
    // Of the leases, as the count above it: what workers say of their slots
    // comes with their beats, which are seconds old.
    match latest.map(|latest| (latest.workers.slots, latest.counts.active)) {
        None => String::new(),
        Some((0, _)) => "no worker is running".into(),
        Some((slots, active)) => format!(
            "{} % of {}",
            format::whole(active as f64 * 100.0 / slots as f64),
            format::plural(slots, "slot")
        ),
    }
}

fn completed_note(state: &State, latest: Option<&Snapshot>) -> String {
    let Some(latest) = latest else {
        return String::new();
    };
    format!(
        "{}/s · {} kept",
        format::rate(state.rates().completed),
        format::grouped(latest.counts.completed)
    )
}

fn failed_note(rates: &Rates, latest: Option<&Snapshot>) -> String {
    let Some(latest) = latest else {
        return String::new();
    };
    if latest.totals.failed == 0 {
        return "no job has failed".into();
    }
    let ended = rates.completed + rates.failed;
    let note = format!(
        "{}/s · {} % fail",
        format::rate(rates.failed),
        format::percent(rates.failed, ended)
    );
    // Where some were retried or are no longer kept, the count alone tells too little.
    if latest.totals.failed == latest.counts.failed {
        return note;
    }
    format!("{note} · {} in all", format::count(latest.totals.failed))
}

fn queue_lines(state: &State, latest: Option<&Snapshot>) -> Vec<QueueLine> {
    let Some(latest) = latest else {
        return Vec::new();
    };
    latest
        .queues
        .iter()
        .map(|queue| QueueLine {
            name: queue.name.clone(),
            waiting: queue.counts.waiting,
            active: queue.counts.active,
            failed: queue.counts.failed,
            completed_rate: state.queue_rates(queue).completed,
            oldest_waiting: queue.oldest_waiting,
        })
        .collect()
}

/// A worker that needs no handler written first.
const WORKER: &str = "jobflow-worker --queue default --handler '*=simulate:50ms..500ms'";

/// A backlog that changes by less than this per second stands still.
const NOTABLE_TREND: f64 = 0.5;

/// What to do when there is nothing to see: the exact lines to try.
fn first_job(no_worker: bool) -> Html {
    let origin = browser::origin();
    let cli = r#"jobflow-cli submit email-delivery --data '{"to":"user@example.com"}'"#;
    let curl = format!(
        r#"curl -X POST {origin}/jobs -H 'content-type: application/json' -d '{{"name":"email-delivery","data":{{"to":"user@example.com"}}}}'"#
    );
    html! {
        <section class="panel first-job" aria-labelledby="first-title" data-testid="first-job">
            <h2 id="first-title">{"No job has been submitted yet"}</h2>
            <p>{"Submit one from a terminal, and watch it run here:"}</p>
            <Command text={cli} />
            <Command text={curl} />
            if no_worker {
                <p>{"Start a worker that runs it:"}</p>
                <Command text={WORKER} />
            }
        </section>
    }
}
