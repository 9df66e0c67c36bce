//! The states as tabs, with how many jobs are in each.

use jobflow::{Filter, JobState};
use yew::{Html, Properties, classes, function_component, html, use_memo};

use crate::{
    answer::use_answer,
    api::{Answered, Api, values::natural},
    components::{icons::StateIcon, link::Link},
    format,
    model::{Counts, state_title},
    route::{JobsView, Route},
    session::use_live,
    store::State,
};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct TabsProps {
    pub(crate) view: JobsView,
    /// Moves on when the counts are to be read anew.
    pub(crate) asked: u64,
}

/// A number of jobs, and whether there may be more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    jobs: u64,
    complete: bool,
}

/// All states and each of them: links, because each is a view of its own.
#[function_component]
pub(crate) fn Tabs(props: &TabsProps) -> Html {
    let state = use_live();
    let filter = use_memo(props.view.filter.clone(), |text| Filter::parse(text).ok());
    let streamed = filter
        .as_ref()
        .as_ref()
        .and_then(|filter| streamed(&state, filter));
    // What the stream does not tell is counted, once per view.
    let question = (streamed.is_none() && filter.is_some()).then(|| props.view.filter.clone());
    let counted = use_answer(question, props.asked, count);
    let of = |state: JobState| match (streamed, &counted.value) {
        (Some(counts), _) => Some(Count {
            jobs: counts.of(state),
            complete: true,
        }),
        (None, Some(counts)) => counts
            .iter()
            .find(|(of, _)| *of == state)
            .map(|(_, count)| *count),
        (None, None) => None,
    };
    let all = JobState::ALL.map(of).into_iter().try_fold(
        Count {
            jobs: 0,
            complete: true,
        },
        |all, count| {
            let count = count?;
            Some(Count {
                jobs: all.jobs + count.jobs,
                complete: all.complete && count.complete,
            })
        },
    );
    html! {
        <nav class="tabs" aria-label="States">
            {tab(&props.view, None, all)}
            {for TABS.iter().map(|state| tab(&props.view, Some(*state), of(*state)))}
        </nav>
    }
}

/// In the order of a job's life.
const TABS: [JobState; 8] = [
    JobState::Scheduled,
    JobState::Blocked,
    JobState::Waiting,
    JobState::Active,
    JobState::Retrying,
    JobState::Failed,
    JobState::Completed,
    JobState::Cancelled,
];

fn tab(view: &JobsView, state: Option<JobState>, count: Option<Count>) -> Html {
    let to = Route::Jobs(JobsView {
        state,
        ..view.clone()
    });
    let text = match count {
        Some(count) if count.complete => format::count(count.jobs),
        Some(count) => format!("{}+", format::count(count.jobs)),
        None => "…".into(),
    };
    let name = state.map_or("all", JobState::as_str);
    let zero = count.is_some_and(|count| count.jobs == 0);
    html! {
        <Link {to} class={classes!("tab", zero.then_some("zero"))} current={view.state == state} test_id={format!("tab-{name}")}>
            if let Some(state) = state {
                <StateIcon {state} />
            }
            <span>{state.map_or("All", state_title)}</span>
            <b data-count={count.map(|count| count.jobs.to_string())}>{text}</b>
        </Link>
    }
}

/// The counts, where the stream has them: of all jobs, or of one queue.
fn streamed(state: &State, filter: &Filter) -> Option<Counts> {
    let latest = state.latest.as_ref()?;
    let text = filter.to_string();
    if text.is_empty() {
        return Some(latest.counts);
    }
    let name = text.strip_prefix("queue = ")?;
    let queue = latest.queues.iter().find(|queue| queue.name == name)?;
    Some(queue.counts)
}

/// Counts each state; with no filter there is nothing to count.
async fn count(filter: Option<String>) -> Answered<Vec<(JobState, Count)>> {
    let mut counts = Vec::new();
    let Some(filter) = filter else {
        return Ok(counts);
    };
    for state in TABS {
        let view = JobsView {
            filter: filter.clone(),
            state: Some(state),
        };
        let answer = Api::count_jobs(view.whole_filter()).await?;
        let count = Count {
            jobs: natural(answer.count),
            complete: answer.complete,
        };
        counts.push((state, count));
    }
    Ok(counts)
}
