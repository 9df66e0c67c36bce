//! What can be done with the job in the state that it is in.

use std::rc::Rc;

use jobflow::proto::{Job, JobState};
use web_sys::HtmlInputElement;
use yew::{
    Callback, Html, InputEvent, Properties, TargetCast, function_component, html, use_state,
};

use super::edit::{Edit, EditDialog};
use crate::{
    api::{Answered, Api},
    components::dialog::Dialog,
    format,
    route::{JobsView, Route},
    session::{Notice, Session, use_session},
};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct ActionsProps {
    pub(crate) job: Rc<Job>,
    /// The job is another now.
    pub(crate) changed: Callback<()>,
}

/// What is asked before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    Cancel,
    Delete,
    Edit(Edit),
}

#[function_component]
pub(crate) fn Actions(props: &ActionsProps) -> Html {
    use JobState::{Active, Blocked, Cancelled, Completed, Failed, Retrying, Scheduled, Waiting};
    let session = use_session();
    let asking = use_state(|| None::<Asking>);
    let job = &props.job;
    let state = job.state();
    let id = job.id.clone();
    let ask = |what: Asking| {
        let asking = asking.clone();
        Callback::from(move |_| asking.set(Some(what)))
    };
    let close = {
        let asking = asking.clone();
        Callback::from(move |()| asking.set(None))
    };
    let act = |done: &'static str, tried: &'static str, call: fn(String) -> Calling| {
        let (session, changed, id) = (session.clone(), props.changed.clone(), id.clone());
        Callback::from(move |_: yew::MouseEvent| {
            run(&session, &changed, done, tried, call(id.clone()));
        })
    };
    let button = |name: &'static str,
                  test_id: &'static str,
                  class: &'static str,
                  onclick: Callback<yew::MouseEvent>| {
        html! { <button type="button" class={format!("button {class}")} data-testid={test_id} {onclick}>{name}</button> }
    };
    let retry = act("The job begins anew.", "Could not retry the job", |id| {
        Box::pin(async move { Api::retry_job(id, None, String::new()).await.map(|_| ()) })
    });
    let promote = act(
        "The job waits for the next free slot.",
        "Could not promote the job",
        |id| Box::pin(async move { Api::promote_job(id).await.map(|_| ()) }),
    );
    html! {
        <div class="actions" role="group" aria-label="Actions">
            if matches!(state, Completed | Failed | Cancelled | Retrying) {
                {button("Retry", "retry", "primary", retry)}
                {button("Retry with edits…", "retry-edited", "", ask(Asking::Edit(Edit::Retry)))}
            }
            if matches!(state, Scheduled | Retrying) {
                {button("Run now", "promote", "", promote)}
            }
            {button("Clone…", "clone", "", ask(Asking::Edit(Edit::Clone)))}
            if matches!(state, Scheduled | Blocked | Waiting | Active | Retrying) && !job.cancel_requested {
                {button("Cancel…", "cancel", "danger-text", ask(Asking::Cancel))}
            }
            if state != Active {
                {button("Delete…", "delete", "danger-text", ask(Asking::Delete))}
            }
            {match *asking {
                None => Html::default(),
                Some(Asking::Cancel) => html! { <CancelDialog job={Rc::clone(job)} on_close={close} changed={props.changed.clone()} /> },
                Some(Asking::Delete) => html! { <DeleteDialog job={Rc::clone(job)} on_close={close} changed={props.changed.clone()} /> },
                Some(Asking::Edit(edit)) => html! { <EditDialog {edit} job={Rc::clone(job)} on_close={close} changed={props.changed.clone()} /> },
            }}
        </div>
    }
}

type Calling = std::pin::Pin<Box<dyn Future<Output = Answered<()>>>>;

/// Calls, says what came of it, and lets the page look anew.
fn run(
    session: &Session,
    changed: &Callback<()>,
    done: &'static str,
    tried: &'static str,
    call: Calling,
) {
    let (tell, changed) = (session.tell.clone(), changed.clone());
    wasm_bindgen_futures::spawn_local(async move {
        let outcome = call.await;
        tell.emit(match &outcome {
            Ok(()) => Notice::done(done),
            Err(problem) => Notice::failed(tried, problem),
        });
        changed.emit(());
    });
}

#[derive(Debug, PartialEq, Properties)]
struct AskProps {
    job: Rc<Job>,
    on_close: Callback<()>,
    changed: Callback<()>,
}

#[function_component]
fn CancelDialog(props: &AskProps) -> Html {
    let session = use_session();
    let reason = use_state(String::new);
    let oninput = {
        let reason = reason.clone();
        Callback::from(move |event: InputEvent| {
            reason.set(event.target_unchecked_into::<HtmlInputElement>().value());
        })
    };
    let on_do = {
        let (id, reason) = (props.job.id.clone(), (*reason).clone());
        let (changed, on_close) = (props.changed.clone(), props.on_close.clone());
        Callback::from(move |()| {
            let (id, reason) = (id.clone(), reason.clone());
            let call = Box::pin(async move { Api::cancel_job(id, reason).await.map(|_| ()) });
            run(
                &session,
                &changed,
                "The job is called off.",
                "Could not cancel the job",
                call,
            );
            on_close.emit(());
        })
    };
    let runs = props.job.state() == JobState::Active;
    html! {
        <Dialog title="Cancel 1 job?" verb="Cancel 1 job" danger=true {on_do} on_close={props.on_close.clone()}>
            <p>{if runs { "It runs: its handler is told, has a grace, and is then dropped." } else { "It will not run." }}</p>
            <label class="field"><span>{"Reason, kept with the job"}</span>
                <input type="text" maxlength="1024" value={(*reason).clone()} {oninput} data-testid="cancel-reason" />
            </label>
        </Dialog>
    }
}

#[function_component]
fn DeleteDialog(props: &AskProps) -> Html {
    let session = use_session();
    let on_do = {
        let id = props.job.id.clone();
        let (changed, on_close) = (props.changed.clone(), props.on_close.clone());
        Callback::from(move |()| {
            let (id, session, changed) = (id.clone(), session.clone(), changed.clone());
            wasm_bindgen_futures::spawn_local(async move {
                match Api::delete_job(id.clone()).await {
                    Ok(()) => {
                        session.tell.emit(Notice::done(format!(
                            "Job {} is deleted.",
                            format::short_id(&id)
                        )));
                        session.go.emit(Route::Jobs(JobsView::default()));
                    }
                    Err(problem) => {
                        session
                            .tell
                            .emit(Notice::failed("Could not delete the job", &problem));
                        changed.emit(());
                    }
                }
            });
            on_close.emit(());
        })
    };
    html! {
        <Dialog title="Delete 1 job?" verb="Delete 1 job" danger=true {on_do} on_close={props.on_close.clone()}>
            <p>{"It and all that is stored of it are gone for good: payload, result, attempts and log."}</p>
        </Dialog>
    }
}
