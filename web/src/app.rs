//! The frame around the pages, and the one place where events come in.

use std::rc::Rc;

use gloo_timers::callback::Interval;
use yew::{
    Callback, Html, Reducible, function_component, hook, html, use_effect_with, use_memo,
    use_reducer, use_state,
};

use crate::{
    api::Api,
    browser::{self, Listener},
    components::{
        connection::{Banner, ConnectionStatus},
        icons::Mark,
        theme::ThemeSwitch,
    },
    link,
    model::HealthStatus,
    pages::overview::Overview,
    store::{Connection, Event, State, reduce},
};

/// How often time passes for what is drawn.
const TICK_MS: u32 = 500;

/// Yew's holder of the state.
#[derive(Debug, Default)]
struct Store(Rc<State>);

impl Reducible for Store {
    type Action = (Event, u64);

    fn reduce(self: Rc<Self>, (event, now): Self::Action) -> Rc<Self> {
        Rc::new(Self(Rc::new(reduce(&self.0, event, now))))
    }
}

/// The whole page.
#[function_component]
pub(crate) fn App() -> Html {
    let store = use_reducer(Store::default);
    let emit = {
        let dispatcher = store.dispatcher();
        use_memo((), move |()| {
            Callback::from(move |event| dispatcher.dispatch((event, browser::now())))
        })
    };
    use_stream(&emit);
    use_ticks(&emit);
    let state = Rc::clone(&store.0);
    use_effect_with(title(&state), |title| browser::set_title(title));
    html! { <>
        <a class="skip" href="#main">{"Skip to the numbers"}</a>
        <header class="top">
            <div class="brand"><Mark /><span class="brand-name">{"JobFlow"}</span></div>
            <ConnectionStatus
                connection={state.connection()}
                link={state.link.clone()}
                fresh_at={state.latest.is_some().then_some(state.fresh_at)}
            />
            <ThemeSwitch />
        </header>
        <Banner connection={state.connection()} link={state.link.clone()} age={state.age()} />
        <Overview state={Rc::clone(&state)} emit={(*emit).clone()} />
        {foot(&state)}
    </> }
}

/// One stream while the tab is visible, none while it is not.
#[hook]
fn use_stream(emit: &Callback<Event>) {
    let visible = use_state(browser::is_visible);
    {
        let visible = visible.clone();
        use_effect_with((), move |()| {
            let listener = Listener::on_document("visibilitychange", move || {
                visible.set(browser::is_visible());
            });
            move || drop(listener)
        });
    }
    let emit = emit.clone();
    use_effect_with(*visible, move |visible| {
        let task = if *visible {
            emit.emit(Event::Resumed);
            Some(link::start(Api::new(browser::origin()), emit))
        } else {
            emit.emit(Event::Paused);
            None
        };
        move || {
            if let Some(task) = task {
                task.abort();
            }
        }
    });
}

/// Ages and charts move even when nothing arrives.
#[hook]
fn use_ticks(emit: &Callback<Event>) {
    let emit = emit.clone();
    use_effect_with((), move |()| {
        let timer = Interval::new(TICK_MS, move || emit.emit(Event::Ticked));
        move || drop(timer)
    });
}

/// What the tab is called: trouble shows even among many tabs.
fn title(state: &State) -> String {
    let trouble = match (state.connection(), state.health().status) {
        (Connection::Reconnecting, _) if state.latest.is_some() => "Disconnected · ",
        (Connection::Stale, _) => "Old numbers · ",
        (Connection::Live, HealthStatus::Degraded) => "Degraded · ",
        (Connection::Live, HealthStatus::Unhealthy) => "Unhealthy · ",
        (Connection::Live | Connection::Reconnecting, _) => "",
    };
    format!("{trouble}JobFlow")
}

/// Whom the page speaks with.
fn foot(state: &State) -> Html {
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
                {"Snapshot "}<b>{position.sequence}</b>
            </span>
        </footer>
    }
}
