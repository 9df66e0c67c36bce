//! What keeps jobs from being claimed, and the switches for it.

use std::{rc::Rc, time::Duration};

use jobflow::{
    StoreTime,
    proto::{Pause, Queue, timestamp},
};
use web_sys::{HtmlInputElement, HtmlSelectElement};
use yew::{
    Callback, Html, InputEvent, Properties, TargetCast, UseStateHandle, function_component, html,
    use_state,
};

use crate::{
    api::{Answered, Api, Problem},
    components::{dialog::Dialog, moment::Moment},
    session::{Notice, Session, use_now, use_session},
};

#[derive(Debug, PartialEq, Properties)]
pub(super) struct QueueProps {
    pub(super) queue: Rc<Queue>,
    pub(super) changed: Callback<()>,
}

#[function_component]
pub(super) fn Pauses(props: &QueueProps) -> Html {
    let session = use_session();
    let asking = use_state(|| false);
    let queue = &props.queue;
    let open = {
        let asking = asking.clone();
        Callback::from(move |_| asking.set(true))
    };
    let close = {
        let asking = asking.clone();
        Callback::from(move |()| asking.set(false))
    };
    let drain = {
        let (session, changed, name) = (session.clone(), props.changed.clone(), queue.name.clone());
        Callback::from(move |_| {
            let name = name.clone();
            act(
                &session,
                &changed,
                "The queue takes no new jobs; those that are there run to their end.",
                "Could not drain the queue",
                async move { Api::drain_queue(name).await },
            );
        })
    };
    let open_again = resume(&session, props, String::new());
    html! {
        <section class="panel" aria-labelledby="pauses-title">
            <header class="panel-head">
                <h2 id="pauses-title">{"Flow"}</h2>
                <span class="controls">
                    if queue.draining {
                        <button type="button" class="button" data-testid="open" onclick={open_again}>{"Take jobs again"}</button>
                    } else {
                        <button type="button" class="button" data-testid="drain" onclick={drain}>{"Drain"}</button>
                    }
                    <button type="button" class="button" data-testid="pause" onclick={open}>{"Pause…"}</button>
                </span>
            </header>
            if queue.pauses.is_empty() {
                <p class="panel-text">{if queue.draining { "New jobs are refused; those that are there run to their end." } else { "Jobs are claimed as slots become free." }}</p>
            }
            <ul class="pauses" data-testid="pauses">
                {for queue.pauses.iter().map(|pause| one(pause, resume(&session, props, pause.kind.clone())))}
            </ul>
            if *asking {
                <PauseDialog queue={Rc::clone(queue)} changed={props.changed.clone()} on_close={close} />
            }
        </section>
    }
}

fn one(pause: &Pause, resume: Callback<yew::MouseEvent>) -> Html {
    html! {
        <li class="pause" data-kind={pause.kind.clone()}>
            <b>{if pause.kind.is_empty() { "The whole queue".to_owned() } else { format!("Kind {}", pause.kind) }}</b>
            <span>{if pause.reason.is_empty() { "no reason given" } else { &pause.reason }}</span>
            <span class="zero">{"since "}<Moment time={pause.pause_time} /></span>
            if pause.resume_time.is_some() {
                <span class="zero">{"ends "}<Moment time={pause.resume_time} ahead=true /></span>
            }
            <button type="button" class="button" data-testid="resume" onclick={resume}>{"Resume"}</button>
        </li>
    }
}

fn resume(session: &Session, props: &QueueProps, kind: String) -> Callback<yew::MouseEvent> {
    let (session, changed, name) = (
        session.clone(),
        props.changed.clone(),
        props.queue.name.clone(),
    );
    Callback::from(move |_| {
        let (name, kind) = (name.clone(), kind.clone());
        act(
            &session,
            &changed,
            "Jobs are claimed again.",
            "Could not resume",
            async move { Api::resume_queue(name, kind).await },
        );
    })
}

/// Calls, says what came of it, and lets the page look anew.
pub(super) fn act<T>(
    session: &Session,
    changed: &Callback<()>,
    done: &'static str,
    tried: &'static str,
    call: impl Future<Output = Answered<T>> + 'static,
) {
    let (tell, changed) = (session.tell.clone(), changed.clone());
    wasm_bindgen_futures::spawn_local(async move {
        tell.emit(match call.await {
            Ok(_) => Notice::done(done),
            Err(problem) => Notice::failed(tried, &problem),
        });
        changed.emit(());
    });
}

/// For how long: the word and the minutes, 0 for as long as nobody resumes.
const SPANS: [(&str, u64); 5] = [
    ("until somebody resumes", 0),
    ("for 15 minutes", 15),
    ("for 1 hour", 60),
    ("for 8 hours", 480),
    ("for 1 day", 1_440),
];

#[derive(Debug, PartialEq, Properties)]
struct PauseDialogProps {
    queue: Rc<Queue>,
    changed: Callback<()>,
    on_close: Callback<()>,
}

#[function_component]
fn PauseDialog(props: &PauseDialogProps) -> Html {
    let session = use_session();
    let now = use_now();
    let (kind, reason, minutes) = (
        use_state(String::new),
        use_state(String::new),
        use_state(|| 0_u64),
    );
    let problem = use_state(|| None::<Problem>);
    let text = |to: &UseStateHandle<String>| {
        let to = to.clone();
        Callback::from(move |event: InputEvent| {
            to.set(event.target_unchecked_into::<HtmlInputElement>().value());
        })
    };
    let onchange = {
        let minutes = minutes.clone();
        Callback::from(move |event: yew::Event| {
            let value = event.target_unchecked_into::<HtmlSelectElement>().value();
            minutes.set(value.parse().unwrap_or_default());
        })
    };
    let on_do = {
        let name = props.queue.name.clone();
        let (kind, reason) = (kind.trim().to_owned(), (*reason).clone());
        let span = Duration::from_secs(*minutes * 60);
        let end = (!span.is_zero()).then(|| timestamp(StoreTime((now + span.as_secs()) * 1_000)));
        let (problem, tell) = (problem.clone(), session.tell);
        let (changed, on_close) = (props.changed.clone(), props.on_close.clone());
        Callback::from(move |()| {
            let (name, kind, reason) = (name.clone(), kind.clone(), reason.clone());
            let (problem, tell) = (problem.clone(), tell.clone());
            let (changed, on_close) = (changed.clone(), on_close.clone());
            wasm_bindgen_futures::spawn_local(async move {
                match Api::pause_queue(name, kind, reason, end).await {
                    Ok(_) => {
                        tell.emit(Notice::done(
                            "Paused: what runs goes on, nothing new is claimed.",
                        ));
                        changed.emit(());
                        on_close.emit(());
                    }
                    Err(failed) => problem.set(Some(failed)),
                }
            });
        })
    };
    html! {
        <Dialog title={format!("Pause {}?", props.queue.name)} verb="Pause" {on_do} on_close={props.on_close.clone()} problem={(*problem).clone()}>
            <p>{"Jobs that run go on, and new ones are taken; none is claimed."}</p>
            <label class="field"><span>{"Reason, for those who wonder"}</span>
                <input type="text" maxlength="1024" value={(*reason).clone()} oninput={text(&reason)} data-testid="pause-reason" />
            </label>
            <label class="field"><span>{"Only this kind (empty: the whole queue)"}</span>
                <input type="text" maxlength="64" value={(*kind).clone()} oninput={text(&kind)} data-testid="pause-kind" />
            </label>
            <label class="field"><span>{"How long"}</span>
                <select {onchange} data-testid="pause-span">
                    {for SPANS.iter().map(|(word, value)| html! {
                        <option value={value.to_string()} selected={*value == *minutes}>{*word}</option>
                    })}
                </select>
            </label>
        </Dialog>
    }
}
