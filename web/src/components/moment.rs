//! Instants and states, as every page spells them.

use jobflow::{JobState, proto};
use yew::{Html, Properties, classes, function_component, html};

use crate::{
    api::values::{millis, state},
    components::icons::StateIcon,
    format,
    model::state_title,
    session::{use_now, use_session},
};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct MomentProps {
    pub(crate) time: Option<prost_types::Timestamp>,
    /// An instant ahead, of which the way there is told.
    #[prop_or_default]
    pub(crate) ahead: bool,
}

/// How long ago something was, or when; the other of the two is in its title.
#[function_component]
pub(crate) fn Moment(props: &MomentProps) -> Html {
    let session = use_session();
    let now = use_now() * 1_000;
    let Some(time) = props.time.as_ref().map(millis) else {
        return html! { <span class="zero">{"–"}</span> };
    };
    let settings = session.settings;
    let ahead = props.ahead && time > now && !settings.absolute;
    let text = if ahead {
        format!(
            "in {}",
            format::coarse(time.saturating_sub(now) as f64 / 1_000.0)
        )
    } else {
        settings.past(time, now)
    };
    html! { <time title={settings.full(time)}>{text}</time> }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct StateLabelProps {
    pub(crate) state: proto::JobState,
}

/// A state by its shape, its word and its colour.
#[function_component]
pub(crate) fn StateLabel(props: &StateLabelProps) -> Html {
    match state(props.state) {
        Some(state) => html! { <KnownState {state} /> },
        None => html! { <span class="state">{"Unknown"}</span> },
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct KnownStateProps {
    pub(crate) state: JobState,
}

#[function_component]
pub(crate) fn KnownState(props: &KnownStateProps) -> Html {
    html! {
        <span class={classes!("state", props.state.as_str())}>
            <StateIcon state={props.state} />{state_title(props.state)}
        </span>
    }
}
