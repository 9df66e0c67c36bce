//! Shapes. A state is told by its shape and its word; colour comes on top.

use jobflow::JobState;
use yew::{Html, Properties, classes, function_component, html};

use crate::model::HealthStatus;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct StateIconProps {
    pub(crate) state: JobState,
}

/// The shape of a state, in its colour. The word stands beside it.
#[function_component]
pub(crate) fn StateIcon(props: &StateIconProps) -> Html {
    let shape = match props.state {
        // A clock.
        JobState::Scheduled => html! { <>
            <circle cx="8" cy="8" r="6.25" /><path d="M8 4.75V8l2.25 1.75" />
        </> },
        // A wall.
        JobState::Blocked => html! { <>
            <rect x="2.25" y="2.25" width="11.5" height="11.5" rx="2" /><path d="M5.25 8h5.5" />
        </> },
        // A ring, open for whoever comes.
        JobState::Waiting => html! { <>
            <circle cx="8" cy="8" r="6.25" stroke-dasharray="3 1.91" />
        </> },
        // A running wedge.
        JobState::Active => html! {
            <path class="solid" d="M4.5 2.6v10.8a.8.8 0 0 0 1.2.7l8.3-5.4a.8.8 0 0 0 0-1.4L5.7 1.9a.8.8 0 0 0-1.2.7Z" />
        },
        // A turn back.
        JobState::Retrying => html! { <>
            <path d="M13.4 8.6a5.6 5.6 0 1 1-1.5-4.5l1.6 1.6" /><path d="M13.75 2.25v3.5h-3.5" />
        </> },
        // A tick in a disc.
        JobState::Completed => html! { <>
            <circle class="solid" cx="8" cy="8" r="7" /><path class="cut" d="m4.9 8.3 2.1 2.1 4.1-4.6" />
        </> },
        // A cross in a diamond.
        JobState::Failed => html! { <>
            <path class="solid" d="M7 .9a1.4 1.4 0 0 1 2 0L15.1 7a1.4 1.4 0 0 1 0 2L9 15.1a1.4 1.4 0 0 1-2 0L.9 9a1.4 1.4 0 0 1 0-2Z" />
            <path class="cut" d="m5.9 5.9 4.2 4.2m0-4.2-4.2 4.2" />
        </> },
        // A ring crossed out.
        JobState::Cancelled => html! { <>
            <circle cx="8" cy="8" r="6.25" /><path d="m3.6 12.4 8.8-8.8" />
        </> },
    };
    html! {
        <svg class={classes!("icon", "state-icon", props.state.as_str())} viewBox="0 0 16 16" aria-hidden="true">
            {shape}
        </svg>
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct HealthIconProps {
    pub(crate) status: HealthStatus,
}

/// The health light: a disc with a tick, a triangle, an octagon, or an empty ring.
#[function_component]
pub(crate) fn HealthIcon(props: &HealthIconProps) -> Html {
    let shape = match props.status {
        HealthStatus::Unknown => html! { <>
            <circle class="outline" cx="16" cy="16" r="12" stroke-dasharray="6 3.4" />
            <path class="outline" d="M16 17.5v-1.2c0-1 .6-1.6 1.5-2.3 1-.7 1.6-1.4 1.6-2.5A3 3 0 0 0 16 9a3 3 0 0 0-3 2.5M16 21.5v.3" />
        </> },
        HealthStatus::Healthy => html! { <>
            <circle class="solid" cx="16" cy="16" r="13" /><path class="cut" d="m10 16.6 4.2 4.2 8-9.2" />
        </> },
        HealthStatus::Degraded => html! { <>
            <path class="solid" d="M13.6 4.4a2.8 2.8 0 0 1 4.8 0l11 19a2.8 2.8 0 0 1-2.4 4.2H5a2.8 2.8 0 0 1-2.4-4.2Z" />
            <path class="cut" d="M16 11.5v7.2M16 23v.2" />
        </> },
        HealthStatus::Unhealthy => html! { <>
            <path class="solid" d="M10.6 3h10.8L29 10.6v10.8L21.4 29H10.6L3 21.4V10.6Z" />
            <path class="cut" d="m11.5 11.5 9 9m0-9-9 9" />
        </> },
    };
    html! {
        <svg class={classes!("icon", "health-icon", props.status.as_str())} viewBox="0 0 32 32" aria-hidden="true">
            {shape}
        </svg>
    }
}

/// The mark of JobFlow: from one point to the next.
#[function_component]
pub(crate) fn Mark() -> Html {
    html! {
        <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
            <rect class="mark-ground" width="32" height="32" rx="8" />
            <path class="mark-line" d="M9 21.5c7 0 7-11 14-11" />
            <circle class="mark-from" cx="9" cy="21.5" r="3.4" />
            <circle class="mark-to" cx="23" cy="10.5" r="3.4" />
        </svg>
    }
}
