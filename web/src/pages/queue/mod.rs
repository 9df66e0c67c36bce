//! One queue: what it has, whether it moves, and how it is set.

mod danger;
mod partitions;
mod past;
mod pauses;
mod settings;

use std::rc::Rc;

use jobflow::{Code, JobState};
use yew::{AttrValue, Callback, Html, Properties, classes, function_component, html, use_state};

use crate::{
    answer::use_answer,
    api::{Api, values::duration},
    components::{
        command::Command, icons::StateIcon, link::Link, problem::ProblemNote, sign_in::Rights,
    },
    format,
    model::{Counts, out_of_reach, state_title},
    route::{JobsView, QueueView, Route, quoted},
    session::{use_live, use_turn},
};

use danger::Danger;
use partitions::partitions_panel;
use past::PastPanel;
use pauses::Pauses;
use settings::SettingsPanel;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct QueuePageProps {
    pub(crate) view: QueueView,
}

#[function_component]
pub(crate) fn QueuePage(props: &QueuePageProps) -> Html {
    let name = AttrValue::from(props.view.name.clone());
    let asked = use_state(|| 0_u64);
    let turn = use_turn() + *asked;
    let queue = use_answer(name.clone(), turn, |name| async move {
        Api::get_queue(name.to_string()).await
    });
    let workers = use_answer(name.clone(), turn, |name| async move {
        Api::list_workers(name.to_string()).await
    });
    let changed = Callback::from(move |()| asked.set(*asked + 1));
    let gone = queue
        .problem
        .as_ref()
        .is_some_and(|problem| problem.is(Code::QueueNotFound));
    let heading = html! { <h1 class="page-title large">{&name}</h1> };
    let Some(known) = queue.value.clone().filter(|_| !gone) else {
        return html! {
            <main id="main" tabindex="-1" class="page" data-testid="queue">
                {heading}
                if gone {
                    <div class="empty" data-testid="gone">
                        <p>{"There is no such queue. It begins with its first job:"}</p>
                        <Command text={format!("jobflow-cli submit KIND --queue {name}")} />
                    </div>
                } else if let Some(problem) = &queue.problem {
                    <ProblemNote problem={problem.clone()} />
                } else {
                    <p class="empty" role="status">{"Reading the queue…"}</p>
                }
            </main>
        };
    };
    let serving = workers.value.as_ref().map(|workers| workers.len());
    let paused = known.pauses.iter().any(|pause| pause.kind.is_empty());
    let waits = known.counts.is_some_and(|counts| counts.waiting > 0);
    html! {
        <main id="main" tabindex="-1" class="page" data-testid="queue" data-queue={known.name.clone()}>
            <header class="queue-head">
                {heading}
                if paused {
                    <span class="badge warning" data-testid="paused">{"paused"}</span>
                }
                if known.draining {
                    <span class="badge warning" data-testid="draining">{"draining"}</span>
                }
                if let Some(note) = known.partitions.as_ref().and_then(|all| out_of_reach(all.unreachable.len())) {
                    <span class="badge warning" data-testid="unreachable">{note}</span>
                }
                <Link class="panel-link" to={Route::Jobs(JobsView::of(format!("queue = {}", quoted(&known.name))))}>{"All its jobs"}</Link>
            </header>
            if let Some(problem) = &queue.problem {
                <ProblemNote problem={problem.clone()} />
            }
            if serving == Some(0) && waits && !paused {
                <div class="panel warning-panel" data-testid="no-worker">
                    <p>{"Jobs wait and no worker serves this queue. Start one:"}</p>
                    <Command text={format!("jobflow-worker --queue {} --handler '*=simulate:50ms..500ms'", known.name)} />
                </div>
            }
            <States {name} />
            <section class="panel figures-panel" aria-label="Figures">
                <dl class="figures">
                    {fact("Oldest waiting", known.oldest_waiting_age.map_or_else(|| "none".into(), |age| format::duration(duration(age))))}
                    {fact("Workers", serving.map_or_else(|| "–".into(), |workers| format::grouped(workers as u64)))}
                    {fact("Submitted in all", total(&known, |totals| totals.submitted))}
                    {fact("Errored attempts in all", total(&known, |totals| totals.errored))}
                </dl>
            </section>
            {known.partitions.as_ref().and_then(partitions_panel)}
            <PastPanel view={props.view.clone()} />
            <div class="job-columns">
                <div class="job-column">
                    <Rights><Pauses queue={Rc::clone(&known)} changed={changed.clone()} /></Rights>
                    <Rights><Danger queue={Rc::clone(&known)} changed={changed.clone()} /></Rights>
                </div>
                <div class="job-column">
                    <Rights><SettingsPanel queue={Rc::clone(&known)} {changed} /></Rights>
                </div>
            </div>
        </main>
    }
}

fn fact(name: &'static str, value: String) -> Html {
    html! { <div class="fact"><dt>{name}</dt><dd>{value}</dd></div> }
}

fn total(queue: &jobflow::proto::Queue, of: fn(&jobflow::proto::QueueTotals) -> i64) -> String {
    let total = queue.totals.as_ref().map(of).unwrap_or_default();
    format::count(crate::api::values::natural(total))
}

#[derive(Debug, PartialEq, Properties)]
struct StatesProps {
    name: AttrValue,
}

/// The counts as the stream has them, each a way to those jobs.
#[function_component]
fn States(props: &StatesProps) -> Html {
    let state = use_live();
    let latest = state.latest.as_ref();
    let queue =
        latest.and_then(|latest| latest.queues.iter().find(|queue| queue.name == props.name));
    let counts = queue.map_or_else(Counts::default, |queue| queue.counts);
    html! {
        <ul class="state-links" aria-label="Jobs by state">
            {for JobState::ALL.iter().map(|of| {
                let view = JobsView {
                    filter: format!("queue = {}", quoted(&props.name)),
                    state: Some(*of),
                };
                let count = counts.of(*of);
                html! {
                    <li class={classes!("state-link", of.as_str(), (count == 0).then_some("zero"))} data-state={of.as_str()} data-value={count.to_string()}>
                        <Link to={Route::Jobs(view)}><StateIcon state={*of} /><span>{state_title(*of)}</span><b>{format::count(count)}</b></Link>
                    </li>
                }
            })}
        </ul>
    }
}
