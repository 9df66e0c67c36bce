//! Dead letters: the failed jobs by what they failed of, to be replayed.

use jobflow::{
    JobState,
    proto::{BulkAction, DeadLetterGroup},
};
use yew::{AttrValue, Callback, Html, Properties, function_component, html, use_state};

use crate::{
    answer::use_answer,
    api::{Api, Target, values::natural},
    components::{
        bulk::{BulkDialog, Operations},
        link::Link,
        moment::Moment,
        problem::ProblemNote,
        sign_in::Rights,
    },
    format,
    route::{JobsView, Route, quoted},
    session::use_turn,
};

/// What is asked about a group, or about all of them.
#[derive(Debug, Clone, PartialEq)]
struct Asking {
    action: BulkAction,
    filter: AttrValue,
}

#[function_component]
pub(crate) fn Dead() -> Html {
    let turn = use_turn();
    let asked = use_state(|| 0_u64);
    let asking = use_state(|| None::<Asking>);
    let groups = use_answer((), turn + *asked, |()| async {
        Api::dead_groups(String::new()).await
    });
    let ask = {
        let asking = asking.clone();
        Callback::from(move |what: Asking| asking.set(Some(what)))
    };
    let close = {
        let asking = asking.clone();
        Callback::from(move |()| asking.set(None))
    };
    let started = {
        let (asking, asked) = (asking.clone(), asked);
        Callback::from(move |()| {
            asking.set(None);
            asked.set(*asked + 1);
        })
    };
    let known = groups.value.as_ref();
    let jobs: u64 = known.map_or(0, |known| {
        known.groups.iter().map(|group| natural(group.count)).sum()
    });
    let everything = |action: BulkAction| {
        ask.reform(move |_| Asking {
            action,
            filter: "state = failed".into(),
        })
    };
    html! {
        <main id="main" tabindex="-1" class="page" data-testid="dead">
            <header class="queue-head">
                <h1 class="page-title">{"Dead letters"}</h1>
                if let Some(known) = known.filter(|known| !known.groups.is_empty()) {
                    <span class="panel-note" role="status">
                        {format!("{}{} in {}", if known.complete { "" } else { "at least " }, format::plural(jobs, "failed job"), format::plural(known.groups.len() as u64, "group"))}
                    </span>
                    <span class="controls"><Rights>
                        <button type="button" class="button" data-testid="replay-all" onclick={everything(BulkAction::Retry)}>{"Replay all…"}</button>
                        <button type="button" class="button danger-text" data-testid="delete-all" onclick={everything(BulkAction::Delete)}>{"Delete all…"}</button></Rights>
                    </span>
                }
            </header>
            if let Some(problem) = &groups.problem {
                <ProblemNote problem={problem.clone()} />
            }
            <Operations />
            {match known {
                None if groups.problem.is_none() => html! { <p class="empty" role="status">{"Reading the failed jobs…"}</p> },
                Some(known) if known.groups.is_empty() => html! {
                    <div class="empty" data-testid="empty">
                        if known.complete {
                            <p>{"No job has failed for good. Those that do stand here, grouped by what they failed of."}</p>
                        } else {
                            <p>{"No failed job was found, but not all jobs could be looked at."}</p>
                        }
                        <crate::components::command::Command text="jobflow-cli dead groups" />
                    </div>
                },
                _ => Html::default(),
            }}
            <ul class="groups">
                {for known.iter().flat_map(|known| &known.groups).map(|group| html! {
                    <Group key={group.fingerprint.clone()} group={group.clone()} ask={ask.clone()} />
                })}
            </ul>
            if let Some(what) = (*asking).clone() {
                <BulkDialog action={what.action} target={Target::Filter(what.filter)} on_close={close} on_started={started} />
            }
        </main>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct GroupProps {
    group: DeadLetterGroup,
    ask: Callback<Asking>,
}

#[function_component]
fn Group(props: &GroupProps) -> Html {
    let group = &props.group;
    let narrow = format!(
        "queue = {} AND fingerprint = {}",
        quoted(&group.queue),
        quoted(&group.fingerprint)
    );
    let view = JobsView {
        filter: narrow,
        state: Some(JobState::Failed),
    };
    let filter = AttrValue::from(view.whole_filter());
    let on = |action: BulkAction| {
        let filter = filter.clone();
        props.ask.reform(move |_| Asking {
            action,
            filter: filter.clone(),
        })
    };
    html! {
        <li class="group panel" data-fingerprint={group.fingerprint.clone()} data-count={group.count.to_string()}>
            <b class="group-count" title="Failed jobs">{format::count(natural(group.count))}</b>
            <div class="group-text">
                <p class="group-error"><code class="failed-text">{&group.error_code}</code>{" "}{&group.message}</p>
                <p class="group-note">
                    <span>{"kind "}<b>{&group.kind}</b></span>
                    <span>{"queue "}<Link to={Route::queue(&group.queue)}>{group.queue.clone()}</Link></span>
                    <span>{"first "}<Moment time={group.first_time} /></span>
                    <span>{"last "}<Moment time={group.last_time} /></span>
                </p>
            </div>
            <div class="actions">
                <Link class="button" to={Route::Jobs(view)}>{"Jobs"}</Link>
                <Link class="button" to={Route::Job(group.example_id.clone())} test_id="example">{"Last one"}</Link>
                <Rights><button type="button" class="button primary" data-testid="replay" onclick={on(BulkAction::Retry)}>{"Replay…"}</button>
                <button type="button" class="button danger-text" data-testid="delete-group" onclick={on(BulkAction::Delete)}>{"Delete…"}</button></Rights>
            </div>
        </li>
    }
}
