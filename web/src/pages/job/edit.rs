//! Another payload: for the same job, or for a copy of it.

use std::rc::Rc;

use jobflow::proto::{Job, SubmitJobRequest};
use web_sys::HtmlTextAreaElement;
use yew::{
    Callback, Html, InputEvent, Properties, TargetCast, function_component, html, use_memo,
    use_state,
};

use crate::{
    api::{Api, Problem},
    components::dialog::Dialog,
    json,
    route::Route,
    session::{Notice, use_session},
};

/// What the payload is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    Retry,
    Clone,
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct EditProps {
    pub(crate) edit: Edit,
    pub(crate) job: Rc<Job>,
    pub(crate) on_close: Callback<()>,
    pub(crate) changed: Callback<()>,
}

#[function_component]
pub(crate) fn EditDialog(props: &EditProps) -> Html {
    let session = use_session();
    let job = &props.job;
    // The job as it was when the dialog was opened: a change of somebody else
    // in between is told, not overwritten.
    let opened = use_memo((), |()| Rc::clone(job));
    let text = use_state(|| std::str::from_utf8(&job.payload).ok().map(str::to_owned));
    let problem = use_state(|| None::<Problem>);
    let busy = use_state(|| false);
    let request_id = use_memo((), |()| uuid::Uuid::now_v7().to_string());
    let oninput = {
        let text = text.clone();
        Callback::from(move |event: InputEvent| {
            text.set(Some(
                event.target_unchecked_into::<HtmlTextAreaElement>().value(),
            ));
        })
    };
    let is_json = job.content_type.contains("json");
    let wrong = is_json
        && text
            .as_ref()
            .is_some_and(|text| json::layout(text).is_none());
    let format = {
        let text = text.clone();
        Callback::from(move |_| {
            if let Some(lines) = text.as_ref().and_then(|text| json::layout(text)) {
                text.set(Some(json::text(&lines)));
            }
        })
    };
    let on_do = {
        let (text, problem, busy) = (text.clone(), problem.clone(), busy.clone());
        let (edit, opened, request_id) = (props.edit, Rc::clone(&opened), (*request_id).clone());
        let (changed, on_close) = (props.changed.clone(), props.on_close.clone());
        Callback::from(move |()| {
            busy.set(true);
            let payload = (*text)
                .clone()
                .map_or_else(|| opened.payload.clone(), Into::into);
            let (opened, request_id, session) =
                (Rc::clone(&opened), request_id.clone(), session.clone());
            let (problem, busy) = (problem.clone(), busy.clone());
            let (changed, on_close) = (changed.clone(), on_close.clone());
            wasm_bindgen_futures::spawn_local(async move {
                let done = match edit {
                    Edit::Retry => {
                        Api::retry_job(opened.id.clone(), Some(payload), opened.etag.clone()).await
                    }
                    Edit::Clone => Api::submit_job(copy(&opened, payload, request_id)).await,
                };
                match done {
                    Ok(job) => {
                        on_close.emit(());
                        if edit == Edit::Clone {
                            session
                                .tell
                                .emit(Notice::done("The copy is submitted; this is its page."));
                            session.go.emit(Route::Job(job.id));
                        } else {
                            session
                                .tell
                                .emit(Notice::done("The job begins anew with the new payload."));
                            changed.emit(());
                        }
                    }
                    Err(failed) => {
                        problem.set(Some(failed));
                        busy.set(false);
                    }
                }
            });
        })
    };
    let (title, verb) = match props.edit {
        Edit::Retry => ("Retry with another payload", "Retry 1 job"),
        Edit::Clone => ("Submit a copy", "Submit 1 job"),
    };
    html! {
        <Dialog {title} {verb} wide=true {on_do} on_close={props.on_close.clone()} problem={(*problem).clone()} busy={*busy || wrong}>
            <p>{match props.edit {
                Edit::Retry => "The old payload stays in the job's history.",
                Edit::Clone => "The same queue, kind, priority, attempts, timeout, backoff, headers and tags; without the idempotency key.",
            }}</p>
            if let Some(text) = &*text {
                <label class="field"><span>{format!("Payload ({})", job.content_type)}</span>
                    <textarea rows="14" spellcheck="false" value={text.clone()} {oninput} aria-invalid={wrong.to_string()} aria-describedby="payload-problem" data-testid="payload-edit" />
                </label>
                <div class="field-foot">
                    <span id="payload-problem" class="field-problem" role="status">{if wrong { "This is not JSON yet." } else { "" }}</span>
                    if is_json {
                        <button type="button" class="button" onclick={format} disabled={wrong}>{"Lay out"}</button>
                    }
                </div>
            } else {
                <p class="problem">{"The payload is no text and can not be edited here; it is used as it is."}</p>
            }
        </Dialog>
    }
}

/// A request for a job like this one.
fn copy(job: &Job, payload: bytes::Bytes, request_id: String) -> SubmitJobRequest {
    SubmitJobRequest {
        queue: job.queue.clone(),
        kind: job.kind.clone(),
        payload,
        content_type: job.content_type.clone(),
        priority: Some(job.priority),
        max_attempts: Some(job.max_attempts),
        backoff: job.backoff,
        timeout: job.timeout,
        headers: job.headers.clone(),
        tags: job.tags.clone(),
        request_id,
        ..SubmitJobRequest::default()
    }
}
