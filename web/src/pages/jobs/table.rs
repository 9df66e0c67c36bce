//! Any number of rows, of which only those in sight are drawn.

use web_sys::{Element, HtmlElement};
use yew::{
    Callback, Html, NodeRef, Properties, TargetCast, UseStateHandle, function_component, hook,
    html, use_callback, use_effect_with, use_node_ref, use_state_eq,
};

use super::{
    listing::Rows,
    row::{Head, Row},
    selection::{MOST, Selection},
};
use crate::{
    browser::{self, Resized},
    format,
    session::use_session,
};

/// Rows that are drawn beyond the edge on either side.
const MARGIN: usize = 12;
/// The window moves in steps, so that most scroll events change nothing.
const STEP: usize = 4;
/// The end is read on while it is so many rows away.
const AHEAD: usize = 400;
/// Until a row has been measured.
const FIRST_GUESS: Sight = Sight {
    row: 36.0,
    rows: 24,
};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct TableProps {
    pub(crate) rows: Rows,
    pub(crate) selection: Selection,
    pub(crate) select: Callback<Selection>,
    /// The end comes into sight.
    pub(crate) more: Callback<()>,
    pub(crate) has_more: bool,
    /// Some are being read.
    pub(crate) loading: bool,
}

/// How high a row is, and how many can be seen at once.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sight {
    row: f64,
    rows: usize,
}

#[function_component]
pub(crate) fn Table(props: &TableProps) -> Html {
    let scroller = use_node_ref();
    let first = use_state_eq(|| 0_usize);
    let total = props.rows.len();
    let sight = use_sight(&scroller, total > 0);
    let begin = first.saturating_sub(MARGIN).min(total);
    let end = (*first + sight.rows + MARGIN).min(total);
    {
        let more = props.more.clone();
        // A list that nobody scrolls stays with its first page, and so anew
        // with each turn.
        let ahead = if *first > 0 { AHEAD } else { 0 };
        let wants = end + ahead >= total && props.has_more && !props.loading;
        use_effect_with((wants, total), move |(wants, _)| {
            if *wants {
                more.emit(());
            }
        });
    }
    let onscroll = use_callback(
        (first.setter(), *sight),
        |event: yew::Event, (first, sight)| {
            let list = event.target_unchecked_into::<HtmlElement>();
            let top = f64::from(list.scroll_top());
            let index = usize::try_from(format::whole((top / sight.row).floor())).unwrap_or(0);
            let next = index / STEP * STEP;
            keep_focus(&list, next, sight.rows);
            first.set(next);
        },
    );
    let toggle = use_callback(
        (props.selection.clone(), props.select.clone()),
        |id: String, (selection, select)| select.emit(selection.toggled(&id)),
    );
    // With a key as well: among children without one no key is looked at, and
    // each row would be made anew.
    let space = |place: &'static str, rows: usize| {
        html! { <svg key={place} class="space" width="1" height={format!("{:.0}", rows as f64 * sight.row)} aria-hidden="true" /> }
    };
    // As many as are ever drawn at once: the row that leaves at one end is
    // written over and comes in at the other, and all between stay untouched.
    let slots = sight.rows + 2 * MARGIN;
    html! {
        <div ref={scroller} class="list" role="table" aria-label="Jobs" aria-rowcount={(total + 1).to_string()} tabindex="0" {onscroll}
            data-testid="list" data-first={first.to_string()}>
            <div role="rowgroup" class="list-head">
                <Head>
                    <PickListed rows={props.rows.clone()} selection={props.selection.clone()} select={props.select.clone()} />
                </Head>
            </div>
            <div role="rowgroup">
                {space("above", begin)}
                {for props.rows.within(begin..end).enumerate().map(|(at, job)| {
                    let index = begin + at;
                    let picked = props.selection.has(&job.id);
                    html! { <Row key={index % slots} job={job.clone()} {index} {picked} toggle={toggle.clone()} /> }
                })}
                {space("below", total - end)}
            </div>
        </div>
    }
}

/// Measures when there are rows, and whenever the list or a row may have
/// another height: not while it scrolls, because measuring makes the browser
/// lay everything out.
#[hook]
fn use_sight(scroller: &NodeRef, has_rows: bool) -> UseStateHandle<Sight> {
    let sight = use_state_eq(|| FIRST_GUESS);
    let compact = use_session().settings.compact;
    let (scroller, setter) = (scroller.clone(), sight.setter());
    use_effect_with((has_rows, compact), move |_| {
        let list = scroller.cast::<Element>();
        let watch = list.map(|list| {
            let measured = list.clone();
            Resized::of(&list, move || {
                if let Some(sight) = measure(&measured) {
                    setter.set(sight);
                }
            })
        });
        move || drop(watch)
    });
    sight
}

fn measure(list: &Element) -> Option<Sight> {
    let row = list.query_selector("[data-index]").ok().flatten()?;
    let row = row.get_bounding_client_rect().height();
    let seen = format::whole((f64::from(list.client_height()) / row).ceil());
    (row > 1.0).then(|| Sight {
        row,
        rows: usize::try_from(seen).unwrap_or(FIRST_GUESS.rows) + 1,
    })
}

/// A row that is about to become another one must not keep the focus: a key
/// that is pressed next would mean a job that nobody looked at.
fn keep_focus(list: &HtmlElement, first: usize, rows: usize) {
    let leaves = focused_index()
        .is_some_and(|index| index + MARGIN < first || index >= first + rows + MARGIN);
    if leaves {
        browser::focus_in_place(list);
    }
}

#[derive(Debug, PartialEq, Properties)]
struct PickListedProps {
    rows: Rows,
    selection: Selection,
    select: Callback<Selection>,
}

/// Picks what is listed, up to as many as an operation takes, or nothing.
#[function_component]
fn PickListed(props: &PickListedProps) -> Html {
    let listed = || props.rows.iter().take(MOST);
    let none = props.rows.is_empty();
    let every = !none && listed().all(|job| props.selection.has(&job.id));
    let onchange = {
        let (rows, select) = (props.rows.clone(), props.select.clone());
        Callback::from(move |_| {
            let ids = || rows.iter().take(MOST).map(|job| job.id.clone());
            select.emit(if every {
                Selection::default()
            } else {
                Selection::Some(std::rc::Rc::new(ids().collect()))
            });
        })
    };
    html! {
        <input type="checkbox" checked={every} disabled={none} aria-label="Select the listed jobs" data-testid="select-listed" {onchange} />
    }
}

/// Moves the focus by rows; from outside of the list to its first row in sight.
pub(crate) fn step(down: bool) {
    let next = match (focused_index(), down) {
        (None, _) => first_in_sight(),
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

fn focused_index() -> Option<usize> {
    focused_row()?.get_attribute("data-index")?.parse().ok()
}

fn first_in_sight() -> usize {
    let list = browser::find("[data-testid=list]");
    let first = list.and_then(|list| list.get_attribute("data-first")?.parse().ok());
    first.unwrap_or_default()
}
