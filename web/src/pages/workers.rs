//! Workers: who runs jobs, which ones, and how to tell them to stop.

use std::time::Duration;

use jobflow::proto::{RunningJob, Worker, WorkerSignal, WorkerState};
use yew::{
    AttrValue, Callback, Html, Properties, classes, function_component, html, use_state,
    use_state_eq,
};

use crate::{
    answer::use_answer,
    api::{
        Api,
        values::{duration, natural},
    },
    components::{
        command::Command, dialog::Dialog, link::Link, moment::Moment, problem::ProblemNote,
        sign_in::Rights,
    },
    format,
    route::Route,
    session::{Notice, use_now, use_session},
};

/// Beats come every few seconds: an age over this wants a look.
const LATE: Duration = Duration::from_secs(15);
/// How often workers are read anew, in seconds: about as often as they beat.
const EVERY: u64 = 2;

#[function_component]
pub(crate) fn Workers() -> Html {
    let turn = use_now() / EVERY;
    let asked = use_state(|| 0_u64);
    let workers = use_answer((), turn + *asked, |()| async {
        Api::list_workers(String::new()).await
    });
    let changed = Callback::from(move |()| asked.set(*asked + 1));
    let (slots, busy) = workers
        .value
        .iter()
        .flat_map(|workers| workers.iter())
        .fold((0, 0), |(slots, busy), worker| {
            (
                slots + natural(worker.slots.into()),
                busy + natural(worker.busy_slots.into()),
            )
        });
    html! {
        <main id="main" tabindex="-1" class="page" data-testid="workers-page">
            <header class="queue-head">
                <h1 class="page-title">{"Workers"}</h1>
                if let Some(workers) = &workers.value {
                    <span class="panel-note">{format!("{} with {}, {busy} in use", format::plural(workers.len() as u64, "worker"), format::plural(slots, "slot"))}</span>
                }
            </header>
            if let Some(problem) = &workers.problem {
                <ProblemNote problem={problem.clone()} />
            }
            {match &workers.value {
                None => html! { <p class="empty" role="status">{"Reading the workers…"}</p> },
                Some(workers) if workers.is_empty() => html! {
                    <div class="empty" data-testid="empty">
                        <p>{"No worker has beaten within the last minute. Start one:"}</p>
                        <Command text="jobflow-worker --queue default --handler '*=simulate:50ms..500ms'" />
                    </div>
                },
                Some(workers) => html! {
                    <ul class="workers">
                        {for workers.iter().map(|worker| html! {
                            <Card key={worker.id.clone()} worker={worker.clone()} {turn} changed={changed.clone()} />
                        })}
                    </ul>
                },
            }}
        </main>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct CardProps {
    worker: Worker,
    turn: u64,
    changed: Callback<()>,
}

#[function_component]
fn Card(props: &CardProps) -> Html {
    let session = use_session();
    let open = use_state_eq(|| false);
    let stopping = use_state_eq(|| false);
    let worker = &props.worker;
    let signal = |signal: WorkerSignal, done: &'static str| {
        let (id, tell, changed) = (
            worker.id.clone(),
            session.tell.clone(),
            props.changed.clone(),
        );
        move || {
            let (id, tell, changed) = (id.clone(), tell.clone(), changed.clone());
            wasm_bindgen_futures::spawn_local(async move {
                tell.emit(match Api::signal_worker(id, signal).await {
                    Ok(_) => Notice::done(done),
                    Err(problem) => Notice::failed("Could not reach the worker", &problem),
                });
                changed.emit(());
            });
        }
    };
    let quiet = signal(
        WorkerSignal::Quiet,
        "It is told to claim nothing more; what runs goes on.",
    );
    let resume = signal(WorkerSignal::Resume, "It is told to claim again.");
    let stop = signal(
        WorkerSignal::Stop,
        "It is told to end: running jobs have their grace.",
    );
    let (word, class) = match worker.state() {
        WorkerState::Running => ("running", "completed"),
        WorkerState::Quiet => ("quiet", "waiting"),
        WorkerState::Stopping => ("stopping", "cancelled"),
        WorkerState::Unspecified => ("unknown", "blocked"),
    };
    let beat = worker.beat_age.map(duration).unwrap_or_default();
    let late = beat > LATE;
    let (slots, busy) = (
        natural(worker.slots.into()),
        natural(worker.busy_slots.into()),
    );
    let ask = {
        let stopping = stopping.clone();
        Callback::from(move |_| stopping.set(true))
    };
    let close = {
        let stopping = stopping.clone();
        Callback::from(move |()| stopping.set(false))
    };
    let do_stop = {
        let stopping = stopping.clone();
        Callback::from(move |()| {
            stop();
            stopping.set(false);
        })
    };
    let toggle = {
        let open = open.clone();
        Callback::from(move |_| open.set(!*open))
    };
    html! {
        <li class={classes!("worker", "panel", class)} data-worker={worker.id.clone()} data-state={word}>
            <div class="worker-head">
                <span class="worker-light" aria-hidden="true"></span>
                <h2 title={worker.id.clone()}>{&worker.host}<span class="zero">{format!(" · {}", worker.pid)}</span></h2>
                <b class="worker-state">{word}</b>
                <span class={classes!("worker-beat", late.then_some("late"))}>{format!("beat {} ago", format::duration(beat))}</span>
                <span class="actions"><Rights>
                    if worker.state() == WorkerState::Quiet {
                        <button type="button" class="button" data-testid="resume" onclick={Callback::from(move |_| resume())}>{"Resume"}</button>
                    } else {
                        <button type="button" class="button" data-testid="quiet" disabled={worker.state() != WorkerState::Running} onclick={Callback::from(move |_| quiet())}>{"Quiet"}</button>
                    }
                    <button type="button" class="button danger-text" data-testid="stop" disabled={worker.state() == WorkerState::Stopping} onclick={ask}>{"Stop…"}</button></Rights>
                </span>
            </div>
            <div class="worker-slots">
                <progress max={slots.max(1).to_string()} value={busy.min(slots).to_string()} aria-label="Slots in use"></progress>
                <span>{format!("{busy} of {} in use", format::plural(slots, "slot"))}</span>
            </div>
            <p class="group-note">
                <span>{"queues "}{for worker.queues.iter().map(|queue| html! { <Link class="tag" to={Route::queue(queue)}>{queue.clone()}</Link> })}</span>
                <span>{"kinds "}<b>{worker.kinds.join(", ")}</b></span>
                <span>{"version "}<b>{&worker.version}</b></span>
                <span>{"up since "}<Moment time={worker.start_time} /></span>
            </p>
            if busy > 0 {
                <button type="button" class="button quiet" aria-expanded={open.to_string()} data-testid="show-jobs" onclick={toggle}>
                    {if *open { "Hide what it runs" } else { "Show what it runs" }}
                </button>
            }
            if *open && busy > 0 {
                <Running id={worker.id.clone()} turn={props.turn} />
            }
            if *stopping {
                <Dialog title="Stop 1 worker?" verb="Stop 1 worker" danger=true on_do={do_stop} on_close={close}>
                    <p>{format!("{} lets its {} end within its grace, gives the rest back, and leaves. Nothing starts it again from here.", worker.host, format::plural(busy, "running job"))}</p>
                </Dialog>
            }
        </li>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct RunningProps {
    id: AttrValue,
    turn: u64,
}

/// What it runs, asked for only where somebody looks.
#[function_component]
fn Running(props: &RunningProps) -> Html {
    let worker = use_answer(props.id.clone(), props.turn, |id| async move {
        Api::get_worker(id.to_string()).await
    });
    let Some(known) = &worker.value else {
        return match &worker.problem {
            Some(problem) => html! { <ProblemNote problem={problem.clone()} /> },
            None => html! { <p class="panel-text" role="status">{"Asking it…"}</p> },
        };
    };
    let left = natural(known.busy_slots.into()).saturating_sub(known.running_jobs.len() as u64);
    html! {
        <ul class="running" data-testid="running">
            {for known.running_jobs.iter().map(running)}
            if left > 0 {
                <li class="zero">{format!("and {} more", format::grouped(left))}</li>
            }
        </ul>
    }
}

fn running(job: &RunningJob) -> Html {
    let elapsed = job.elapsed.map(duration).unwrap_or_default();
    html! {
        <li key={job.id.clone()} data-job-id={job.id.clone()}>
            <Link to={Route::Job(job.id.clone())}>{job.kind.clone()}</Link>
            <span>{&job.queue}</span>
            <code>{format::short_id(&job.id)}</code>
            <span>{format!("attempt {}", job.attempt)}</span>
            <b>{format::duration(elapsed)}</b>
        </li>
    }
}
