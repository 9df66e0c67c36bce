//! The frame around the pages, and the one place where events come in.

use std::{cell::RefCell, rc::Rc};

use gloo_timers::{callback::Interval, future::TimeoutFuture};
use wasm_bindgen::JsCast;
use web_sys::KeyboardEvent;
use yew::{
    Callback, ContextProvider, Html, Reducible, UseStateHandle, function_component, hook, html,
    use_effect_with, use_memo, use_reducer, use_state, use_state_eq,
};

use crate::{
    browser::{self, Listener},
    components::{
        command::Command,
        connection::{Banner, Outdated},
        help::Help,
        link::Link as PageLink,
        notices::{Change, NoticeList, Notices},
        shell::{Foot, Top},
        sign_in::SignIn,
        theme,
    },
    model::HealthStatus,
    pages::{
        audit::Audit, dead::Dead, events::Events, job::JobPage, jobs::Jobs, overview::Overview,
        queue::QueuePage, queues::Queues, settings::Settings as SettingsPage, workers::Workers,
    },
    route::Route,
    session::{Live, Now, Session, Settings, Turn},
    share,
    shortcut::{Keys, Shortcut},
    store::{Connection, Event, Link, State, reduce},
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
    let emit = (*emit).clone();
    let signed = use_state_eq(|| 0_u64);
    use_stream(&emit, *signed);
    let sign = { Callback::from(move |()| signed.set(*signed + 1)) };
    use_ticks(&emit);
    let notices = use_reducer(Notices::default);
    let help = use_state_eq(|| false);
    let session = use_session_of(&notices.dispatcher());
    use_shortcuts(session.go.clone(), help.clone());
    let state = Rc::clone(&store.0);
    use_effect_with(title(&state, &session.route), |title| {
        browser::set_title(title);
    });
    let put_away = {
        let dispatcher = notices.dispatcher();
        Callback::from(move |number| dispatcher.dispatch(Change::PutAway(number)))
    };
    let (open, close) = (help.setter(), help.setter());
    html! {
        <ContextProvider<Session> context={session.clone()}>
        <ContextProvider<Live> context={Live(Rc::clone(&state))}>
        <ContextProvider<Now> context={Now(state.store_now() / 1_000)}>
        <ContextProvider<Turn> context={Turn(state.turn)}>
            <a class="skip" href="#main">{"Skip to the content"}</a>
            <Top />
            <Banner connection={state.connection()} link={state.link.clone()} age={state.age()} />
            if state.outdated {
                <Outdated />
            }
            if let Link::Refused(why) = state.link {
                <SignIn {why} on_token={sign.clone()} />
            } else {
                {page(&session.route, &state, &emit)}
            }
            <Foot help={Callback::from(move |()| open.set(true))} on_leave={sign} />
            <NoticeList notices={Rc::new((*notices).clone())} {put_away} />
            if *help {
                <Help on_close={Callback::from(move |()| close.set(false))} />
            }
        </ContextProvider<Turn>>
        </ContextProvider<Now>>
        </ContextProvider<Live>>
        </ContextProvider<Session>>
    }
}

fn page(route: &Route, state: &Rc<State>, emit: &Callback<Event>) -> Html {
    match route {
        Route::Overview => html! { <Overview state={Rc::clone(state)} emit={emit.clone()} /> },
        Route::Jobs(view) => html! { <Jobs view={view.clone()} /> },
        Route::Job(id) => html! { <JobPage id={id.clone()} /> },
        Route::Queues => html! { <Queues /> },
        Route::Queue(view) => html! { <QueuePage view={view.clone()} /> },
        Route::Dead => html! { <Dead /> },
        Route::Workers => html! { <Workers /> },
        Route::Events(filter) => html! { <Events filter={filter.clone()} /> },
        Route::Audit => html! { <Audit /> },
        Route::Settings => html! { <SettingsPage /> },
        Route::Missing(path) => html! {
            <main id="main" tabindex="-1" class="page" data-testid="missing">
                <h1 class="page-title">{"Not found"}</h1>
                <div class="empty">
                    <p>{"The dashboard has no page at "}<code>{path}</code>{"."}</p>
                    <p><PageLink to={Route::Overview}>{"Go to the overview"}</PageLink></p>
                    <Command text="jobflow-cli job list" />
                </div>
            </main>
        },
    }
}

/// The address bar as the route, the settings, and what is said.
#[hook]
fn use_session_of(notices: &yew::UseReducerDispatcher<Notices>) -> Session {
    let read = || {
        let (path, query) = browser::address();
        Rc::new(Route::read(&path, &query))
    };
    let route = use_state_eq(read);
    let settings = use_state_eq(Settings::load);
    {
        let settings = *settings;
        use_effect_with((), move |()| settings.show());
    }
    {
        let route = route.setter();
        use_effect_with((), move |()| {
            let listener = Listener::on_window("popstate", move |_| route.set(read()));
            move || drop(listener)
        });
    }
    let callbacks = {
        let (route, settings, notices) = (route.setter(), settings.setter(), notices.clone());
        use_memo((), move |()| {
            let go = Callback::from(move |to: Route| {
                browser::push_address(&to.address());
                route.set(Rc::new(to));
                // Whoever reads by ear or by keys begins at the page, once it is there.
                wasm_bindgen_futures::spawn_local(async {
                    TimeoutFuture::new(0).await;
                    browser::focus("#main");
                });
            });
            let set = Callback::from(move |next: Settings| {
                next.keep();
                settings.set(next);
            });
            let tell = Callback::from(move |notice| notices.dispatch(Change::Say(notice)));
            (go, set, tell)
        })
    };
    let (go, set, tell) = (*callbacks).clone();
    Session {
        route: Rc::clone(&route),
        go,
        settings: *settings,
        set,
        tell,
    }
}

/// Keys that mean something wherever the focus is, but not while somebody types.
#[hook]
fn use_shortcuts(go: Callback<Route>, help: UseStateHandle<bool>) {
    let help = help.setter();
    use_effect_with((), move |()| {
        let keys = RefCell::new(Keys::default());
        let listener = Listener::on_document("keydown", move |event| {
            let Some(event) = event.dyn_ref::<KeyboardEvent>() else {
                return;
            };
            let other = event.ctrl_key() || event.meta_key() || event.alt_key();
            if other || browser::is_typing() || browser::has_dialog() {
                return;
            }
            let Some(shortcut) = keys.borrow_mut().press(&event.key()) else {
                return;
            };
            event.prevent_default();
            match shortcut {
                Shortcut::Help => help.set(true),
                Shortcut::Filter => drop(browser::focus("#filter")),
                Shortcut::Theme => theme::next(),
                Shortcut::Go(place) => go.emit(place.route()),
                Shortcut::Next => crate::pages::jobs::step(true),
                Shortcut::Previous => crate::pages::jobs::step(false),
                Shortcut::Select => crate::pages::jobs::pick(),
            }
        });
        move || drop(listener)
    });
}

/// The stream, its own or another tab's, while the tab is visible, and none
/// while it is not.
#[hook]
fn use_stream(emit: &Callback<Event>, signed: u64) {
    let visible = use_state(browser::is_visible);
    {
        let visible = visible.clone();
        use_effect_with((), move |()| {
            let listener = Listener::on_document("visibilitychange", move |_| {
                visible.set(browser::is_visible());
            });
            move || drop(listener)
        });
    }
    let emit = emit.clone();
    use_effect_with((*visible, signed), move |(visible, _)| {
        let task = if *visible {
            emit.emit(Event::Resumed);
            Some(share::start(emit))
        } else {
            emit.emit(Event::Paused);
            None
        };
        move || drop(task)
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
fn title(state: &State, route: &Route) -> String {
    let trouble = match (state.connection(), state.health().status) {
        (Connection::Reconnecting, _) if state.latest.is_some() => "Disconnected · ",
        (Connection::Stale, _) => "Old numbers · ",
        (Connection::Live, HealthStatus::Degraded) => "Degraded · ",
        (Connection::Live, HealthStatus::Unhealthy) => "Unhealthy · ",
        (Connection::Live | Connection::Reconnecting, _) => "",
    };
    format!("{trouble}{} · JobFlow", route.title())
}
