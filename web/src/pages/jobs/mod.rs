//! Jobs: which ones, and what to do with many of them.

mod filter_box;
mod listing;
mod row;
mod selection;
mod table;
mod tabs;

use yew::{
    Callback, Html, Properties, function_component, html, use_callback, use_effect_with, use_state,
    use_state_eq,
};

use crate::{
    components::{bulk::Operations, command::Command, problem::ProblemNote},
    format,
    model::out_of_reach,
    route::JobsView,
    session::{use_now, use_session, use_turn},
};

use filter_box::FilterBox;
use listing::{Listing, use_listing};
use selection::{Selection, SelectionBar};
use table::Table;
pub(crate) use table::{pick, step};
use tabs::Tabs;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct JobsProps {
    pub(crate) view: JobsView,
}

/// The page of a filter and a state.
#[function_component]
pub(crate) fn Jobs(props: &JobsProps) -> Html {
    let view = &props.view;
    let selection = use_state_eq(Selection::default);
    let asked = use_state(|| 0_u64);
    let held = use_state_eq(|| None::<u64>);
    let turn = use_turn();
    // What somebody has scrolled into or picked from stands still.
    let turn = held.unwrap_or(turn);
    let (listing, more) = use_listing(view.clone(), turn + *asked);
    let holds = listing.pages > 1 || *selection != Selection::default();
    {
        let held = held;
        use_effect_with(holds, move |holds| held.set(holds.then_some(turn)));
    }
    {
        // Another view, another selection.
        let selection = selection.clone();
        use_effect_with(view.clone(), move |_| selection.set(Selection::default()));
    }
    let reload = Callback::from(move |()| asked.set(*asked + 1));
    let setter = selection.setter();
    let select = use_callback((), move |next: Selection, ()| setter.set(next));
    let problem = listing.problem.clone();
    html! {
        <main id="main" tabindex="-1" class="page jobs-page" data-testid="jobs">
            <h1 class="page-title">{"Jobs"}</h1>
            <FilterBox view={view.clone()} kinds={listing.kinds()} problem={problem.clone().filter(|problem| problem.position.is_some())} />
            <Tabs view={view.clone()} asked={listing.asked} />
            if let Some(problem) = problem.filter(|problem| problem.position.is_none()) {
                <ProblemNote {problem} />
            }
            <Operations />
            if *selection == Selection::default() {
                <Status rows={listing.rows.len()} complete={listing.next.is_none()} full={listing.is_full()} loading={listing.loading} at={listing.at} unreachable={listing.unreachable.len()} {holds} reload={reload.clone()} />
            } else {
                <SelectionBar selection={(*selection).clone()} view={view.clone()} select={select.clone()} done={reload} />
            }
            <Table
                rows={listing.rows.clone()}
                selection={(*selection).clone()}
                {select}
                {more}
                has_more={listing.leads_on()}
                loading={listing.loading}
            />
            {empty(&listing, view)}
        </main>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct StatusProps {
    rows: usize,
    complete: bool,
    /// No more are read, even where there are more.
    full: bool,
    loading: bool,
    /// When the first page was read, by the clock of this machine.
    at: u64,
    /// Partitions of which it lacks the jobs.
    unreachable: usize,
    holds: bool,
    reload: Callback<()>,
}

/// How much is listed, and as of when.
#[function_component]
fn Status(props: &StatusProps) -> Html {
    // Drawn anew each second, for the age.
    let _second = use_now();
    let session = use_session();
    let rows = format::plural(props.rows as u64, "job");
    let what = match (props.complete, props.rows) {
        _ if props.loading && props.rows == 0 => "Reading…".to_owned(),
        (true, _) => rows,
        (false, 0) => "Looking further…".to_owned(),
        (false, _) if props.full => format!("The first {rows}; a filter finds the others"),
        (false, _) => format!("The first {rows}; scroll for more"),
    };
    let offset = session.settings.offset(props.at);
    let read = crate::clock::short(props.at, props.at, offset);
    html! {
        <div class="list-status" data-testid="list-status" data-rows={props.rows.to_string()} data-complete={props.complete.to_string()}>
            <span role="status">{what}</span>
            if let Some(note) = out_of_reach(props.unreachable) {
                <span class="badge warning" data-testid="unreachable">{note}</span>
            }
            if props.at > 0 {
                if props.holds {
                    <span class="held-note">{format!("as of {read}: stands still while you scroll")}</span>
                } else {
                    <span>{"moves with the jobs"}</span>
                }
            }
            <button type="button" class="button" data-testid="reload" onclick={props.reload.reform(|_| ())}>{"Read again"}</button>
        </div>
    }
}

fn empty(listing: &Listing, view: &JobsView) -> Html {
    if !listing.rows.is_empty()
        || listing.loading
        || listing.problem.is_some()
        || listing.next.is_some()
        // Then the line above says what is missing.
        || !listing.unreachable.is_empty()
    {
        return Html::default();
    }
    let filter = view.whole_filter();
    html! {
        <div class="empty" data-testid="empty">
            if filter.is_empty() {
                <p>{"No job is here yet. Submit one from a terminal:"}</p>
                <Command text={r#"jobflow-cli submit email-delivery --data '{"to":"user@example.com"}'"#} />
            } else {
                <p>{"No job matches. The same question from a terminal:"}</p>
                <Command text={format!("jobflow-cli job list --filter '{}'", filter.replace('\'', r"'\''"))} />
            }
        </div>
    }
}
