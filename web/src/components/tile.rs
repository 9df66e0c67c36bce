//! A state and how many jobs are in it.

use std::{borrow::Cow, rc::Rc};

use jobflow::JobState;
use yew::{AttrValue, Html, Properties, classes, function_component, html};

use crate::{
    components::icons::StateIcon,
    format,
    history::{History, Point},
    model::state_title,
    plot::{HEIGHT, Plot, WIDTH, nice_ceiling},
};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct TileProps {
    pub(crate) state: JobState,
    /// `None` while nothing is known.
    pub(crate) value: Option<u64>,
    /// What else is worth knowing, in a few words.
    #[prop_or_default]
    pub(crate) note: AttrValue,
    /// Of the past minutes, for the small chart.
    pub(crate) history: Rc<History>,
    pub(crate) now: u64,
}

/// A state that matters most: its count in large figures over its recent course.
#[function_component]
pub(crate) fn Tile(props: &TileProps) -> Html {
    let mut points = Cow::Borrowed(props.history.points());
    if props.state == JobState::Active {
        // Nobody has kept how many there were.
        points.to_mut().retain(|point| point.seen);
    }
    let points = &*points;
    let series = series(props.state);
    let highest = points.iter().map(series).fold(0.0, f64::max);
    let plot = Plot {
        now: props.now,
        ceiling: nice_ceiling(highest),
    };
    html! {
        <li class={classes!("tile", props.state.as_str())}>
            <svg class="spark" viewBox={format!("0 0 {WIDTH} {HEIGHT}")} preserveAspectRatio="none" aria-hidden="true">
                <path class="spark-area" d={plot.area(points, series)} />
                <path class="spark-line" d={plot.line(points, series)} />
            </svg>
            <h3 class="tile-label"><StateIcon state={props.state} />{state_title(props.state)}</h3>
            <Figure state={props.state} value={props.value} large=true />
            <p class="tile-note" title={props.note.clone()}>{&props.note}</p>
        </li>
    }
}

/// What is drawn behind the figure: how many there are, or how many come per
/// second where the number only grows.
fn series(state: JobState) -> fn(&Point) -> f64 {
    match state {
        JobState::Completed => |point| point.rates.completed,
        JobState::Failed => |point| point.rates.failed,
        JobState::Active => |point| point.counts.active as f64,
        JobState::Waiting => |point| point.counts.waiting as f64,
        JobState::Scheduled | JobState::Blocked | JobState::Retrying | JobState::Cancelled => {
            |_| 0.0
        }
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct SmallTileProps {
    pub(crate) state: JobState,
    pub(crate) value: Option<u64>,
}

/// A state that is less often looked for.
#[function_component]
pub(crate) fn SmallTile(props: &SmallTileProps) -> Html {
    let empty = props.value.unwrap_or_default() == 0;
    html! {
        <li class={classes!("small-tile", props.state.as_str(), empty.then_some("empty"))}>
            <h3 class="tile-label"><StateIcon state={props.state} />{state_title(props.state)}</h3>
            <Figure state={props.state} value={props.value} large=false />
        </li>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct FigureProps {
    state: JobState,
    value: Option<u64>,
    large: bool,
}

/// The number itself, where tests and people find it.
#[function_component]
fn Figure(props: &FigureProps) -> Html {
    let test_id = format!("count-{}", props.state);
    let class = if props.large {
        "figure large"
    } else {
        "figure"
    };
    match props.value {
        Some(value) => html! {
            <p {class} data-testid={test_id} data-value={value.to_string()} title={format::grouped(value)}>
                {format::count(value)}
            </p>
        },
        None => html! { <p {class} data-testid={test_id}>{"–"}</p> },
    }
}
