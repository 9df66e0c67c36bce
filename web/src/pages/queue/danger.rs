//! What can not be undone: purge and delete.

use jobflow::proto::JobState;
use web_sys::HtmlSelectElement;
use yew::{Callback, Html, Properties, TargetCast, function_component, html, use_state};

use super::pauses::{QueueProps, act};
use crate::{
    answer::use_answer,
    api::{Api, Problem, values::natural},
    components::dialog::Dialog,
    format,
    route::Route,
    session::{Notice, use_session},
};

/// The states that can be purged, with their words.
const PURGED: [(&str, JobState); 7] = [
    ("failed", JobState::Failed),
    ("completed", JobState::Completed),
    ("cancelled", JobState::Cancelled),
    ("waiting", JobState::Waiting),
    ("scheduled", JobState::Scheduled),
    ("retrying", JobState::Retrying),
    ("blocked", JobState::Blocked),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    Purge,
    Delete,
}

#[function_component]
pub(super) fn Danger(props: &QueueProps) -> Html {
    let asking = use_state(|| None::<Asking>);
    let ask = |what: Asking| {
        let asking = asking.clone();
        Callback::from(move |_| asking.set(Some(what)))
    };
    let close = {
        let asking = asking.clone();
        Callback::from(move |()| asking.set(None))
    };
    html! {
        <section class="panel" aria-labelledby="danger-title">
            <header class="panel-head">
                <h2 id="danger-title">{"Clear out"}</h2>
                <span class="controls">
                    <button type="button" class="button danger-text" data-testid="purge" onclick={ask(Asking::Purge)}>{"Purge jobs…"}</button>
                    <button type="button" class="button danger-text" data-testid="delete-queue" onclick={ask(Asking::Delete)}>{"Delete the queue…"}</button>
                </span>
            </header>
            <p class="panel-text">{"Active jobs are never purged, and only a queue without jobs can be deleted."}</p>
            {match *asking {
                None => Html::default(),
                Some(Asking::Purge) => html! { <PurgeDialog queue={props.queue.clone()} changed={props.changed.clone()} on_close={close} /> },
                Some(Asking::Delete) => html! { <DeleteDialog queue={props.queue.clone()} changed={props.changed.clone()} on_close={close} /> },
            }}
        </section>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct AskProps {
    queue: std::rc::Rc<jobflow::proto::Queue>,
    changed: Callback<()>,
    on_close: Callback<()>,
}

#[function_component]
fn PurgeDialog(props: &AskProps) -> Html {
    let session = use_session();
    let chosen = use_state(|| 0_usize);
    let (word, state) = PURGED[*chosen];
    let question = (props.queue.name.clone(), state);
    let counted = use_answer(question, 0, |(name, state)| async move {
        Api::purge_queue(name, vec![state], true).await
    });
    let jobs = counted.value.as_ref().map(|count| natural(**count));
    let onchange = {
        let chosen = chosen.clone();
        Callback::from(move |event: yew::Event| {
            let value = event.target_unchecked_into::<HtmlSelectElement>().value();
            chosen.set(value.parse().unwrap_or_default());
        })
    };
    let on_do = {
        let name = props.queue.name.clone();
        let (changed, on_close) = (props.changed.clone(), props.on_close.clone());
        Callback::from(move |()| {
            let name = name.clone();
            act(
                &session,
                &changed,
                "The jobs are deleted.",
                "Could not purge",
                async move { Api::purge_queue(name, vec![state], false).await },
            );
            on_close.emit(());
        })
    };
    let what = jobs.map_or_else(
        || "Counting…".to_owned(),
        |jobs| {
            format!(
                "Delete {} {word} {}",
                format::grouped(jobs),
                if jobs == 1 { "job" } else { "jobs" }
            )
        },
    );
    html! {
        <Dialog title={format!("{what}?")} verb={what} danger=true {on_do} on_close={props.on_close.clone()}
            busy={jobs.is_none_or(|jobs| jobs == 0)} problem={counted.problem.clone()}>
            <label class="field"><span>{"Which jobs"}</span>
                <select {onchange} data-testid="purge-state">
                    {for PURGED.iter().enumerate().map(|(at, (word, _))| html! {
                        <option value={at.to_string()} selected={at == *chosen}>{*word}</option>
                    })}
                </select>
            </label>
            <p>{"They and all that is stored of them are gone for good."}</p>
        </Dialog>
    }
}

#[function_component]
fn DeleteDialog(props: &AskProps) -> Html {
    let session = use_session();
    let problem = use_state(|| None::<Problem>);
    let on_do = {
        let (name, problem) = (props.queue.name.clone(), problem.clone());
        Callback::from(move |()| {
            let (name, problem, session) = (name.clone(), problem.clone(), session.clone());
            wasm_bindgen_futures::spawn_local(async move {
                match Api::delete_queue(name.clone()).await {
                    Ok(()) => {
                        session
                            .tell
                            .emit(Notice::done(format!("Queue {name} is deleted.")));
                        session.go.emit(Route::Queues);
                    }
                    Err(failed) => problem.set(Some(failed)),
                }
            });
        })
    };
    html! {
        <Dialog title={format!("Delete the queue {}?", props.queue.name)} verb="Delete 1 queue" danger=true {on_do}
            on_close={props.on_close.clone()} problem={(*problem).clone()}>
            <p>{"Its settings, its totals and its history are gone for good. It must be without jobs."}</p>
        </Dialog>
    }
}
