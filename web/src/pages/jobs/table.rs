//! Any number of rows, of which only those in sight are drawn.

use std::rc::Rc;

use jobflow::proto::{Job, JobState};
use web_sys::{Element, HtmlElement, HtmlInputElement};
use yew::{
    Callback, Html, Properties, TargetCast, classes, function_component, html, use_effect_with,
    use_node_ref, use_state_eq,
};

use super::selection::{MOST, Selection};
use crate::{
    browser,
    components::{
        link::Link,
        moment::{Moment, StateLabel},
    },
    format,
    route::Route,
};

/// Rows that are drawn beyond the edge on either side.
const MARGIN: usize = 24;
/// The window moves in steps, so that most scroll events change nothing.
const STEP: usize = 8;
/// Until a row has been measured.
const ROW: f64 = 36.0;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct TableProps {
    pub(crate) rows: Rc<Vec<Rc<Job>>>,
    pub(crate) selection: Selection,
    pub(crate) select: Callback<Selection>,
    /// The end comes into sight.
    pub(crate) more: Callback<()>,
    pub(crate) has_more: bool,
    /// How often it was read on; a page may bring no rows and lead on.
    pub(crate) pages: usize,
}

#[function_component]
pub(crate) fn Table(props: &TableProps) -> Html {
    let scroller = use_node_ref();
    let first = use_state_eq(|| 0_usize);
    let visible = use_state_eq(|| 40_usize);
    let height = use_state_eq(|| ROW);
    let total = props.rows.len();
    let begin = first.saturating_sub(MARGIN).min(total);
    let end = (*first + *visible + MARGIN).min(total);
    {
        // Rows are as high as the style sheet says, on this device.
        let (scroller, height, visible) = (scroller.clone(), height.clone(), visible);
        use_effect_with((total > 0, *first), move |_| {
            let Some(list) = scroller.cast::<Element>() else {
                return;
            };
            let row = list.query_selector("[data-index]").ok().flatten();
            let row = row.map_or(0.0, |row| row.get_bounding_client_rect().height());
            if row > 1.0 {
                height.set(row);
                let rows = format::whole(f64::from(list.client_height()) / row) + 1;
                visible.set(usize::try_from(rows).unwrap_or(40));
            }
        });
    }
    {
        let more = props.more.clone();
        let near = end + MARGIN >= total;
        use_effect_with(
            (near, total, props.has_more, props.pages),
            move |(near, _, has_more, _)| {
                if *near && *has_more {
                    more.emit(());
                }
            },
        );
    }
    let onscroll = {
        let (first, height) = (first, height.clone());
        Callback::from(move |event: yew::Event| {
            let top = f64::from(event.target_unchecked_into::<Element>().scroll_top());
            let index = usize::try_from(format::whole((top / *height).floor())).unwrap_or(0);
            first.set(index / STEP * STEP);
        })
    };
    let toggle = {
        let (selection, select) = (props.selection.clone(), props.select.clone());
        Callback::from(move |id: String| select.emit(selection.toggled(&id)))
    };
    let all_listed = {
        let ids = props.rows.iter().take(MOST).map(|job| job.id.clone());
        let every = total > 0
            && props
                .rows
                .iter()
                .take(MOST)
                .all(|job| props.selection.has(&job.id));
        let next = if every {
            Selection::default()
        } else {
            Selection::Some(Rc::new(ids.collect()))
        };
        let onchange = props.select.reform(move |_| next.clone());
        html! {
            <input type="checkbox" checked={every} disabled={total == 0} aria-label="Select the listed jobs" data-testid="select-listed" {onchange} />
        }
    };
    let space = |rows: usize| {
        html! { <svg class="space" width="1" height={format!("{:.0}", rows as f64 * *height)} aria-hidden="true" /> }
    };
    html! {
        <div ref={scroller} class="list" role="table" aria-label="Jobs" aria-rowcount={(total + 1).to_string()} tabindex="0" {onscroll} data-testid="list">
            <div role="rowgroup" class="list-head">
                <div class="job-row head" role="row">
                    <span role="columnheader" class="cell-pick">{all_listed}</span>
                    {for HEADINGS.iter().map(|(class, heading)| html! {
                        <span role="columnheader" class={*class}>{*heading}</span>
                    })}
                </div>
            </div>
            <div role="rowgroup">
                {space(begin)}
                {for props.rows[begin..end].iter().enumerate().map(|(at, job)| {
                    let picked = props.selection.has(&job.id);
                    html! { <Row key={job.id.clone()} job={Rc::clone(job)} index={begin + at} {picked} toggle={toggle.clone()} /> }
                })}
                {space(total - end)}
            </div>
        </div>
    }
}

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
struct RowProps {
    job: Rc<Job>,
    index: usize,
    picked: bool,
    toggle: Callback<String>,
}

#[function_component]
fn Row(props: &RowProps) -> Html {
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

/// Moves the focus by rows; from outside of the list to its first row in sight.
pub(crate) fn step(down: bool) {
    let current = focused_row();
    let index = current.and_then(|row| row.get_attribute("data-index")?.parse::<usize>().ok());
    let next = match (index, down) {
        (None, _) => {
            browser::focus("[data-index] .cell-kind a");
            return;
        }
        (Some(index), true) => index + 1,
        (Some(index), false) => index.saturating_sub(1),
    };
    browser::focus(&format!("[data-index='{next}'] .cell-kind a"));
}

/// Picks the row that has the focus.
pub(crate) fn pick() {
    let boxes = focused_row().and_then(|row| row.query_selector("input").ok().flatten());
    if let Some(input) = boxes {
        use wasm_bindgen::JsCast;
        input.unchecked_into::<HtmlElement>().click();
    }
}

fn focused_row() -> Option<Element> {
    browser::focused()?.closest("[data-index]").ok().flatten()
}
