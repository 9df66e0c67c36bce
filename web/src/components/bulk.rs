//! Many jobs at once: asked first, with the count, and followed to the end.

use gloo_timers::future::TimeoutFuture;
use jobflow::proto::{BulkAction, BulkOperation, BulkState};
use web_sys::HtmlInputElement;
use yew::{
    AttrValue, Callback, Html, InputEvent, Properties, TargetCast, classes, function_component,
    html, use_effect_with, use_memo, use_state,
};

use crate::{
    answer::use_answer,
    api::{
        Api, Bulk, Problem, Target,
        values::{millis, natural},
    },
    components::{dialog::Dialog, moment::Moment},
    follow, format,
    model::out_of_reach,
    session::{Notice, use_now, use_session, use_turn},
};

/// How often a running operation is looked at.
const LOOK_MS: u32 = 500;
/// How long one that has ended stays in sight.
const KEPT_MS: u64 = 60_000;

/// The word of an action, as a button says it.
pub(crate) const fn title(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Cancel => "Cancel",
        BulkAction::Retry => "Retry",
        BulkAction::Delete => "Delete",
        BulkAction::Promote => "Promote",
        BulkAction::Unspecified => "Change",
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct BulkDialogProps {
    pub(crate) action: BulkAction,
    pub(crate) target: Target,
    pub(crate) on_close: Callback<()>,
    pub(crate) on_started: Callback<()>,
}

/// Counts, names the count, and starts.
#[function_component]
pub(crate) fn BulkDialog(props: &BulkDialogProps) -> Html {
    let session = use_session();
    let reason = use_state(String::new);
    let rate = use_state(String::new);
    let problem = use_state(|| None::<Problem>);
    let busy = use_state(|| false);
    // One id for however often the button is pressed.
    let request_id = use_memo((), |()| uuid::Uuid::now_v7().to_string());
    let action = props.action;
    let target = props.target.clone();
    let counted = use_answer(target.clone(), 0, move |target| async move {
        let bulk = Bulk {
            action,
            target,
            reason: String::new(),
            rate: 0.0,
        };
        Api::count_bulk(bulk).await
    });
    let jobs = counted.value.as_ref().map(|operation| {
        let count = format::plural(natural(operation.total), "job");
        if operation.total_complete {
            count
        } else {
            format!("at least {count}")
        }
    });
    let per_second = rate
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|rate| rate.is_finite() && *rate >= 0.0);
    let rate_is_wrong = !rate.trim().is_empty() && per_second.is_none();
    let on_do = {
        let (reason, problem, busy) = (reason.clone(), problem.clone(), busy.clone());
        let (request_id, on_started, tell) = (
            (*request_id).clone(),
            props.on_started.clone(),
            session.tell,
        );
        Callback::from(move |()| {
            busy.set(true);
            let bulk = Bulk {
                action,
                target: target.clone(),
                reason: (*reason).clone(),
                rate: per_second.unwrap_or_default(),
            };
            let (problem, busy) = (problem.clone(), busy.clone());
            let (on_started, tell, request_id) =
                (on_started.clone(), tell.clone(), request_id.clone());
            wasm_bindgen_futures::spawn_local(async move {
                match Api::start_bulk(bulk, request_id).await {
                    Ok(_) => {
                        tell.emit(Notice::done(format!("{}: started.", title(action))));
                        on_started.emit(());
                    }
                    Err(failed) => {
                        problem.set(Some(failed));
                        busy.set(false);
                    }
                }
            });
        })
    };
    let write = |to: &yew::UseStateHandle<String>| {
        let to = to.clone();
        Callback::from(move |event: InputEvent| {
            to.set(event.target_unchecked_into::<HtmlInputElement>().value());
        })
    };
    let heading = match &jobs {
        Some(jobs) => format!("{} {jobs}?", title(action)),
        None => "Counting the jobs…".to_owned(),
    };
    let verb: AttrValue = match &jobs {
        Some(jobs) => format!("{} {jobs}", title(action)).into(),
        None => title(action).into(),
    };
    let none = counted
        .value
        .as_ref()
        .is_some_and(|operation| operation.total == 0);
    let shown_problem = (*problem).clone().or_else(|| counted.problem.clone());
    html! {
        <Dialog
            title={heading} {verb} {on_do} on_close={props.on_close.clone()} problem={shown_problem}
            danger={matches!(action, BulkAction::Delete | BulkAction::Cancel)}
            busy={*busy || jobs.is_none() || none || rate_is_wrong}
        >
            if let Target::Filter(filter) = &props.target {
                <p>{"All jobs that match "}if filter.is_empty() { <b>{"everything"}</b> } else { <code>{filter}</code> }{"; those that come later are left alone."}</p>
            }
            <p>{consequence(action)}</p>
            <label class="field"><span>{"Reason, kept with the operation"}</span>
                <input type="text" maxlength="1024" value={(*reason).clone()} oninput={write(&reason)} data-testid="bulk-reason" />
            </label>
            <label class="field"><span>{"Jobs a second, at most (empty: as fast as it goes)"}</span>
                <input type="text" inputmode="decimal" value={(*rate).clone()} oninput={write(&rate)} aria-invalid={rate_is_wrong.to_string()} data-testid="bulk-rate" />
            </label>
        </Dialog>
    }
}

const fn consequence(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Cancel => "They are called off; those that run are asked to end.",
        BulkAction::Retry => "They begin anew with all their attempts.",
        BulkAction::Delete => {
            "They and all that is stored of them are gone for good. Active ones are left alone."
        }
        BulkAction::Promote => "They wait for the next free slot now.",
        BulkAction::Unspecified => "",
    }
}

/// The operations that run or have just ended, whoever started them.
#[function_component]
pub(crate) fn Operations() -> Html {
    let turn = use_turn();
    let looked = use_state(|| 0_u64);
    let now = use_now() * 1_000;
    let answer = use_answer((), turn + *looked, |()| async { Api::list_bulk().await });
    let running = answer.value.as_ref().is_some_and(|operations| {
        operations
            .iter()
            .any(|operation| operation.state() == BulkState::Running)
    });
    {
        let looked = looked;
        use_effect_with((running, answer.at), move |(running, _)| {
            let task = running.then(|| {
                follow::spawn(async move {
                    TimeoutFuture::new(LOOK_MS).await;
                    looked.set(*looked + 1);
                })
            });
            move || drop(task)
        });
    }
    let Some(operations) = &answer.value else {
        return Html::default();
    };
    let in_sight = operations.iter().filter(|operation| {
        let ended = operation.finish_time.as_ref().map(millis);
        ended.is_none_or(|ended| now.saturating_sub(ended) < KEPT_MS)
    });
    html! {
        <ul class="operations" data-testid="operations">
            {for in_sight.map(|operation| html! { <OneOperation key={operation.id.clone()} operation={operation.clone()} /> })}
        </ul>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct OneOperationProps {
    operation: BulkOperation,
}

#[function_component]
fn OneOperation(props: &OneOperationProps) -> Html {
    let session = use_session();
    let operation = &props.operation;
    let total = natural(operation.total);
    let done = natural(operation.changed) + natural(operation.skipped);
    let stop = {
        let (id, tell) = (operation.id.clone(), session.tell);
        Callback::from(move |_| {
            let (id, tell) = (id.clone(), tell.clone());
            wasm_bindgen_futures::spawn_local(async move {
                match Api::stop_bulk(id).await {
                    Ok(_) => tell.emit(Notice::done(
                        "The operation is stopped; what is done stays done.",
                    )),
                    Err(problem) => {
                        tell.emit(Notice::failed("Could not stop the operation", &problem));
                    }
                }
            });
        })
    };
    let (word, class) = match operation.state() {
        BulkState::Running => ("running", "active"),
        BulkState::Done => ("done", "completed"),
        BulkState::Stopped => ("stopped", "cancelled"),
        BulkState::Unspecified => ("unknown", "blocked"),
    };
    let what = format!(
        "{} {}",
        title(operation.action()),
        format::plural(total, "job")
    );
    html! {
        <li class={classes!("operation", class)} data-testid="operation" data-state={word}>
            <b>{&what}</b>
            <progress max={total.max(1).to_string()} value={done.min(total).to_string()} aria-label={what}></progress>
            <span>{format!("{word}: {} changed, {} skipped", format::grouped(natural(operation.changed)), format::grouped(natural(operation.skipped)))}</span>
            if !operation.reason.is_empty() {
                <span class="zero">{&operation.reason}</span>
            }
            if let Some(note) = out_of_reach(operation.unreachable.len()) {
                <span class="badge warning">{note}</span>
            }
            if operation.state() == BulkState::Running {
                <button type="button" class="button" data-testid="bulk-stop" onclick={stop}>{"Stop"}</button>
            } else {
                <span class="zero"><Moment time={operation.finish_time} /></span>
            }
        </li>
    }
}
