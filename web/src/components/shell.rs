//! The frame: where one can go, and with whom the page speaks.

use yew::{Html, Properties, classes, function_component, html};

use crate::{
    components::{
        connection::ConnectionStatus, icons::Mark, link::Link, sign_in::Who, theme::ThemeSwitch,
    },
    format,
    place::Place,
    session::{use_live, use_session},
};

/// The brand, the pages, the connection and the theme.
#[function_component]
pub(crate) fn Top() -> Html {
    let session = use_session();
    let state = use_live();
    let failed = state
        .latest
        .as_ref()
        .map(|latest| latest.counts.failed)
        .filter(|failed| *failed > 0);
    html! {
        <header class="top">
            <div class="brand"><Mark /><span class="brand-name">{"JobFlow"}</span></div>
            <nav class="places" aria-label="Pages">
                {for Place::ALL.iter().filter(|place| **place != Place::Audit || state.may_audit()).map(|place| {
                    let here = Place::of(&session.route) == Some(*place);
                    html! {
                        <Link to={place.route()} class={classes!("place", here.then_some("here"))} current={here} test_id={format!("go-{}", place.key())}>
                            {place.title()}
                            if let Some(failed) = (*place == Place::Dead).then_some(failed).flatten() {
                                <b title={format!("{} failed", format::grouped(failed))}>{format::count(failed)}</b>
                            }
                        </Link>
                    }
                })}
            </nav>
            <div class="top-end">
                <ConnectionStatus
                    connection={state.connection()}
                    link={state.link.clone()}
                    fresh_at={state.latest.is_some().then_some(state.fresh_at)}
                />
                <ThemeSwitch />
            </div>
        </header>
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct FootProps {
    pub(crate) help: yew::Callback<()>,
    pub(crate) on_leave: yew::Callback<()>,
}

/// Whom the page speaks with.
#[function_component]
pub(crate) fn Foot(props: &FootProps) -> Html {
    let state = use_live();
    let position = &state.position;
    html! {
        <footer class="foot">
            if let Some(server) = &state.server {
                <span>{"Namespace "}<b>{&server.namespace}</b></span>
                <span>{"Server "}<b>{&server.version}</b></span>
                if !server.store_version.is_empty() {
                    <span>{"Redis "}<b>{&server.store_version}</b></span>
                }
            }
            <span data-testid="sequence" data-seq={position.sequence.to_string()} title={format!("{} skipped, {} refused", position.skipped, position.refused)}>
                {"Snapshot "}<b>{format::grouped(position.sequence)}</b>
            </span>
            <Who on_leave={props.on_leave.clone()} />
            <button type="button" class="button quiet" onclick={props.help.reform(|_| ())} data-testid="help">{"Shortcuts "}<kbd>{"?"}</kbd></button>
        </footer>
    }
}
