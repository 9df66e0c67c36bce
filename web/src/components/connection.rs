//! Whether the numbers are the present, and how old they are.

use gloo_timers::callback::Interval;
use yew::{
    AttrValue, Callback, Html, Properties, classes, function_component, html, use_effect_with,
    use_force_update,
};

use crate::{
    browser, format,
    store::{Connection, Link, STALE_AFTER_MS},
};

/// How often the age is redrawn: it is seen moving.
const AGE_EVERY_MS: u32 = 200;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct ConnectionProps {
    pub(crate) connection: Connection,
    pub(crate) link: Link,
    /// When the newest numbers arrived; `None` when there are none.
    pub(crate) fresh_at: Option<u64>,
}

/// The state of the connection and the age of the numbers, always in sight.
#[function_component]
pub(crate) fn ConnectionStatus(props: &ConnectionProps) -> Html {
    let word = match (props.connection, &props.link) {
        (Connection::Live, _) => "Live",
        (_, Link::Paused) => "Paused",
        (_, Link::Refused(_)) => "Not signed in",
        (Connection::Stale, _) => "Stale",
        (Connection::Reconnecting, Link::Down { .. }) => "Disconnected – reconnecting",
        (Connection::Reconnecting, _) => "Connecting…",
    };
    html! {
        <div class={classes!("connection", props.connection.as_str())}>
            <span class="connection-word" role="status" data-testid="connection" data-state={props.connection.as_str()}>
                <span class="connection-light" aria-hidden="true"></span>
                {word}
            </span>
            if !matches!(props.link, Link::Refused(_)) {
                <Age fresh_at={props.fresh_at} />
            }
        </div>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct AgeProps {
    fresh_at: Option<u64>,
}

/// Redraws itself, and nothing else, several times a second.
#[function_component]
fn Age(props: &AgeProps) -> Html {
    let update = use_force_update();
    use_effect_with((), move |()| {
        let timer = Interval::new(AGE_EVERY_MS, move || update.force_update());
        move || drop(timer)
    });
    let age = props
        .fresh_at
        .map(|fresh_at| browser::now().saturating_sub(fresh_at));
    let text: AttrValue = match age {
        Some(age) => format!("updated {} ago", format::age(age)).into(),
        None => "no numbers yet".into(),
    };
    let old = age.is_none_or(|age| age > STALE_AFTER_MS);
    html! {
        <span class={classes!("age", old.then_some("old"))} data-testid="age" data-age-ms={age.map(|age| age.to_string())}>
            {text}
        </span>
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct BannerProps {
    pub(crate) connection: Connection,
    pub(crate) link: Link,
    /// How old the newest numbers are.
    pub(crate) age: Option<u64>,
}

/// Says across the page that what is below is not the present.
#[function_component]
pub(crate) fn Banner(props: &BannerProps) -> Html {
    let what = match (&props.link, props.connection) {
        (_, Connection::Live) | (Link::Opening | Link::Refused(_), _) => None,
        (
            Link::Down {
                attempts, reason, ..
            },
            _,
        ) => Some((
            "Disconnected – reconnecting",
            format!(
                "{} Tried {} so far.",
                sentence(reason),
                format::plural(u64::from(*attempts), "time")
            ),
        )),
        (Link::Paused, _) => Some(("Paused", "This tab was hidden.".to_owned())),
        (Link::Up, _) => Some((
            "Old numbers",
            "The server answers, but it has no new numbers.".to_owned(),
        )),
    };
    let since: AttrValue = match props.age {
        Some(age) => format!("What you see is {} old.", format::coarse_age(age)).into(),
        None => "There are no numbers yet.".into(),
    };
    html! {
        <div class="banner-place" aria-live="polite" aria-atomic="false">
            if let Some((title, reason)) = what {
                <div class="banner" data-testid="banner">
                    <strong>{title}</strong>
                    <span>{reason}</span>
                    <span aria-live="off">{since}</span>
                </div>
            }
        </div>
    }
}

/// Says that the server brought another page than this one.
#[function_component]
pub(crate) fn Outdated() -> Html {
    let reload = Callback::from(|_| browser::reload());
    html! {
        <div class="banner newer" role="status" data-testid="outdated">
            <strong>{"The server has another dashboard"}</strong>
            <span>{"This page is of the one before, and may not understand all that it is told."}</span>
            <button type="button" class="button" onclick={reload}>{"Reload"}</button>
        </div>
    }
}

/// A reason as a sentence.
fn sentence(reason: &str) -> String {
    let mut letters = reason.trim_end_matches('.').chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => "The connection broke.".into(),
    }
}
