//! One job of the list.

use std::rc::Rc;

use jobflow::proto::{Job, JobState};
use web_sys::HtmlInputElement;
use yew::{Callback, Html, Properties, TargetCast, classes, function_component, html};

use crate::{
    components::{
        link::Link,
        moment::{Moment, StateLabel},
    },
    format,
    route::Route,
};

/// Their classes and their words, in the order of [`Row`]'s cells.
const HEADINGS: [(&str, &str); 8] = [
    ("cell-state", "State"),
    ("cell-kind", "Kind"),
    ("cell-queue", "Queue"),
    ("cell-id", "Job"),
    ("cell-attempt number", "Attempt"),
    ("cell-priority number", "Priority"),
    ("cell-when", "When"),
    ("cell-detail", "Detail"),
];

#[derive(Debug, PartialEq, Properties)]
pub(super) struct HeadProps {
    /// What picks all that is listed.
    pub(super) children: Html,
}

#[function_component]
pub(super) fn Head(props: &HeadProps) -> Html {
    html! {
        <div class="job-row head" role="row">
            <span role="columnheader" class="cell-pick">{props.children.clone()}</span>
            {for HEADINGS.iter().map(|(class, heading)| html! {
                <span role="columnheader" class={*class}>{*heading}</span>
            })}
        </div>
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(super) struct RowProps {
    pub(super) job: Rc<Job>,
    pub(super) index: usize,
    pub(super) picked: bool,
    pub(super) toggle: Callback<String>,
}

#[function_component]
pub(super) fn Row(props: &RowProps) -> Html {
    let job = &props.job;
    let onchange = {
        let (toggle, id, picked) = (props.toggle.clone(), job.id.clone(), props.picked);
        Callback::from(move |event: yew::Event| {
            // Drawn from the selection, whatever the browser thinks.
            event
                .target_unchecked_into::<HtmlInputElement>()
                .set_checked(picked);
            toggle.emit(id.clone());
        })
    };
    html! {
        <div class={classes!("job-row", props.picked.then_some("picked"))} role="row" aria-rowindex={(props.index + 2).to_string()}
            data-index={props.index.to_string()} data-job-id={job.id.clone()} data-state={job.state().as_str_name()}>
            <span role="cell" class="cell-pick">
                <input type="checkbox" checked={props.picked} aria-label={format!("Select job {}", job.id)} {onchange} />
            </span>
            <span role="cell" class="cell-state"><StateLabel state={job.state()} /></span>
            <span role="cell" class="cell-kind">
                <Link to={Route::Job(job.id.clone())} title={job.kind.clone()}>{&job.kind}</Link>
            </span>
            <span role="cell" class="cell-queue" title={job.queue.clone()}>{&job.queue}</span>
            <code role="cell" class="cell-id" title={job.id.clone()}>{format::short_id(&job.id)}</code>
            <span role="cell" class={classes!("cell-attempt", "number", (job.attempt > 1).then_some("many"))}>
                {format!("{}/{}", job.attempt, job.max_attempts)}
            </span>
            <span role="cell" class="cell-priority number">{job.priority}</span>
            <span role="cell" class="cell-when">{when(job)}</span>
            <span role="cell" class="cell-detail">{detail(job)}</span>
        </div>
    }
}

/// The time that matters in its state.
fn when(job: &Job) -> Html {
    let (word, time, ahead) = match job.state() {
        JobState::Scheduled | JobState::Retrying => ("due ", job.run_time, true),
        JobState::Active => ("began ", job.start_time, false),
        JobState::Completed | JobState::Failed | JobState::Cancelled => {
            ("", job.finish_time, false)
        }
        JobState::Waiting | JobState::Blocked | JobState::Unspecified => {
            ("since ", job.create_time, false)
        }
    };
    html! { <><span class="zero">{word}</span><Moment {time} {ahead} /></> }
}

/// Why it failed, how far it is, or where it ran.
fn detail(job: &Job) -> Html {
    let shown = match (&job.error, &job.progress) {
        (Some(error), _) => {
            html! { <><code class="failed-text">{&error.code}</code>{" "}{&error.message}</> }
        }
        (None, Some(progress)) if job.state() == JobState::Active => {
            html! { {format!("{} % {}", progress.percent, progress.message)} }
        }
        _ if !job.worker.is_empty() => html! { {&job.worker} },
        _ => html! { {job.tags.join(", ")} },
    };
    html! { <span>{shown}</span> }
}
