//! Events: every move of every job, as it happens.

use std::{collections::VecDeque, pin::pin, rc::Rc};

use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use jobflow::proto::{JobEvent, WatchEventsResponse};
use web_sys::HtmlInputElement;
use yew::{
    Callback, Html, InputEvent, Properties, Reducible, SubmitEvent, TargetCast,
    UseReducerDispatcher, function_component, html, use_effect_with, use_mut_ref, use_reducer,
    use_state_eq,
};

use crate::{
    api::values::millis,
    api::{Answered, Api, Problem},
    browser, clock,
    components::{command::Command, link::Link, moment::StateLabel, problem::ProblemNote},
    follow::{self, Pause, within},
    format,
    route::Route,
    session::{use_live, use_session},
    store,
};

/// Rows that are kept; older ones go.
const MOST: usize = 100;
/// Under load all rows are others after a moment: they are drawn anew no more
/// often than this, so that the page has time for its reader.
const DRAW_MS: u64 = 250;
const OPENING_MS: u32 = 5_000;
/// The server says something at least every 10 s.
const SILENCE_MS: u32 = 15_000;

/// The events in sight, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
struct Seen {
    rows: VecDeque<Rc<Event>>,
    /// What came while the list stood still.
    held: VecDeque<Rc<Event>>,
    /// How many that were, those that are no longer kept included.
    meanwhile: u64,
    holds: bool,
    listens: bool,
    count: u64,
    problem: Option<Problem>,
}

/// A row: a move, or that some were missed.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    number: u64,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Moved(JobEvent),
    Missed(String),
}

#[derive(Debug)]
enum Told {
    Other,
    Messages(Vec<WatchEventsResponse>),
    Lost(Problem),
    Hold(bool),
}

impl Reducible for Seen {
    type Action = Told;

    fn reduce(self: Rc<Self>, told: Told) -> Rc<Self> {
        let mut next = (*self).clone();
        match told {
            Told::Other => {
                next = Self {
                    holds: self.holds,
                    ..Self::default()
                };
            }
            Told::Lost(problem) => {
                next.listens = false;
                next.problem = Some(problem);
            }
            Told::Hold(holds) => {
                next.holds = holds;
                next.meanwhile = 0;
                let held = std::mem::take(&mut next.held);
                for row in held.into_iter().rev() {
                    next.rows.push_front(row);
                }
                next.rows.truncate(MOST);
            }
            Told::Messages(messages) => {
                next.listens = true;
                next.problem = None;
                for message in messages {
                    next.take(message);
                }
            }
        }
        Rc::new(next)
    }
}

impl Seen {
    fn take(&mut self, message: WatchEventsResponse) {
        let gap = Some(message.gap_queue).filter(|queue| !queue.is_empty());
        let moved = message.events.into_iter().map(What::Moved);
        for what in gap.map(What::Missed).into_iter().chain(moved) {
            self.count += 1;
            let event = Rc::new(Event {
                number: self.count,
                what,
            });
            self.meanwhile += u64::from(self.holds);
            let rows = if self.holds {
                &mut self.held
            } else {
                &mut self.rows
            };
            rows.push_front(event);
            rows.truncate(MOST);
        }
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct EventsProps {
    pub(crate) filter: String,
}

#[function_component]
pub(crate) fn Events(props: &EventsProps) -> Html {
    let session = use_session();
    let visible = use_live().link != store::Link::Paused;
    let seen = use_reducer(Seen::default);
    let token = use_mut_ref(String::new);
    let text = use_state_eq(|| props.filter.clone());
    {
        let (dispatcher, token, text) = (seen.dispatcher(), Rc::clone(&token), text.clone());
        use_effect_with(props.filter.clone(), move |filter| {
            token.borrow_mut().clear();
            text.set(filter.clone());
            dispatcher.dispatch(Told::Other);
        });
    }
    {
        let dispatcher = seen.dispatcher();
        use_effect_with((props.filter.clone(), visible), move |(filter, visible)| {
            // Behind the last message: nothing is missed while nobody looks.
            let task = visible.then(|| follow::spawn(keep(filter.clone(), token, dispatcher)));
            move || drop(task)
        });
    }
    let oninput = {
        let text = text.clone();
        Callback::from(move |event: InputEvent| {
            text.set(event.target_unchecked_into::<HtmlInputElement>().value());
        })
    };
    let onsubmit = {
        let (go, text) = (session.go.clone(), text.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            go.emit(Route::Events(text.trim().to_owned()));
        })
    };
    let hold = {
        let (dispatcher, holds) = (seen.dispatcher(), seen.holds);
        Callback::from(move |_| dispatcher.dispatch(Told::Hold(!holds)))
    };
    html! {
        <main id="main" tabindex="-1" class="page events-page" data-testid="events" data-listens={seen.listens.to_string()}>
            <h1 class="page-title">{"Events"}</h1>
            <form class="filter" role="search" {onsubmit}>
                <div class="filter-row">
                    <label class="hidden" for="filter">{"Filter"}</label>
                    <input id="filter" class="filter-input" type="text" autocomplete="off" spellcheck="false" maxlength="4096"
                        placeholder="queue = mail AND state = failed  (fields: id, queue, kind, state)" value={(*text).clone()} {oninput} />
                    <button type="submit" class="button primary">{"Filter"}</button>
                    <button type="button" class="button" aria-pressed={seen.holds.to_string()} data-testid="hold" onclick={hold}>{if seen.holds { "Go on" } else { "Hold" }}</button>
                </div>
            </form>
            if let Some(problem) = &seen.problem {
                <ProblemNote problem={problem.clone()} />
            }
            <p class="list-status" role="status">
                {match (seen.listens, seen.holds) {
                    (false, _) => "Connecting…".to_owned(),
                    (true, true) => format!("Held: {} came meanwhile", format::plural(seen.meanwhile, "event")),
                    (true, false) => "Listening: each move of a job appears here as it happens".to_owned(),
                }}
            </p>
            if seen.rows.is_empty() && seen.listens {
                <div class="empty">
                    <p>{"Nothing has moved yet. The same from a terminal:"}</p>
                    <Command text="jobflow-cli events --follow" />
                </div>
            }
            <div class="events panel" role="table" aria-label="Events, newest first" tabindex="0" data-testid="event-list">
                <div role="rowgroup">
                    {for seen.rows.iter().map(|event| row(event, &session))}
                </div>
            </div>
        </main>
    }
}

fn row(event: &Event, session: &crate::session::Session) -> Html {
    match &event.what {
        What::Missed(queue) => html! {
            <div key={event.number} class="event-row missed" role="row"><span role="cell">{format!("Events of {queue} were forgotten before they could be read: look at its jobs.")}</span></div>
        },
        What::Moved(moved) => {
            let time = moved.time.as_ref().map(millis).unwrap_or_default();
            let settings = session.settings;
            html! {
                <div key={event.number} class="event-row" role="row" data-job-id={moved.id.clone()} data-state={moved.state().as_str_name()}>
                    <time role="cell" title={settings.full(time)}>{&clock::full(time, settings.offset(time))[11..]}</time>
                    <span role="cell"><StateLabel state={moved.state()} /></span>
                    <span role="cell" class="event-kind">
                        <Link to={Route::Job(moved.id.clone())}>{if moved.kind.is_empty() { "(deleted)".to_owned() } else { moved.kind.clone() }}</Link>
                    </span>
                    <span role="cell">{&moved.queue}</span>
                    <code role="cell" class="cell-id" title={moved.id.clone()}>{format::short_id(&moved.id)}</code>
                </div>
            }
        }
    }
}

async fn keep(
    filter: String,
    token: Rc<std::cell::RefCell<String>>,
    tell: UseReducerDispatcher<Seen>,
) {
    let mut pause = Pause::default();
    loop {
        if let Err(problem) = listen(&filter, &token, &tell, &mut pause).await {
            // What can not be read stays so until it is changed.
            let is_wrong = problem.position.is_some();
            tell.dispatch(Told::Lost(problem));
            if is_wrong {
                return;
            }
        }
        pause.wait().await;
    }
}

async fn listen(
    filter: &str,
    token: &std::cell::RefCell<String>,
    tell: &UseReducerDispatcher<Seen>,
    pause: &mut Pause,
) -> Answered<()> {
    let from = token.borrow().clone();
    let mut events = within(OPENING_MS, Api::watch_events(filter.to_owned(), from)).await?;
    let mut batch = Vec::<WatchEventsResponse>::new();
    let mut drawn_at = 0;
    loop {
        let since = browser::now().saturating_sub(drawn_at);
        if since >= DRAW_MS && !batch.is_empty() {
            *pause = Pause::default();
            drawn_at = browser::now();
            if let Some(last) = batch.last() {
                token.borrow_mut().clone_from(&last.resume_token);
            }
            tell.dispatch(Told::Messages(std::mem::take(&mut batch)));
        }
        let patience = if batch.is_empty() {
            SILENCE_MS
        } else {
            u32::try_from(DRAW_MS.saturating_sub(since)).unwrap_or_default()
        };
        match select(pin!(events.next()), TimeoutFuture::new(patience)).await {
            Either::Left((message, _)) => match message? {
                Some(message) => batch.push(message),
                None => return Err(Problem::local("the server ended the stream")),
            },
            Either::Right(_) if batch.is_empty() => {
                return Err(Problem::local("the server fell silent"));
            }
            Either::Right(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(ids: std::ops::Range<usize>) -> Told {
        Told::Messages(vec![WatchEventsResponse {
            events: ids
                .map(|id| JobEvent {
                    id: id.to_string(),
                    ..JobEvent::default()
                })
                .collect(),
            ..WatchEventsResponse::default()
        }])
    }

    #[test]
    fn what_comes_while_the_list_is_held_is_there_when_it_goes_on() {
        let seen = Rc::new(Seen::default()).reduce(message(0..2));
        let seen = seen.reduce(Told::Hold(true)).reduce(message(2..5));
        assert_eq!((seen.rows.len(), seen.held.len()), (2, 3));
        let seen = seen.reduce(Told::Hold(false));
        let numbers: Vec<_> = seen.rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [5, 4, 3, 2, 1]);
    }

    #[test]
    fn the_list_is_bounded() {
        let seen = Rc::new(Seen::default()).reduce(message(0..1_000));
        assert_eq!(seen.rows.len(), MOST);
        let held = seen.reduce(Told::Hold(true)).reduce(message(0..1_000));
        assert_eq!((held.held.len(), held.meanwhile), (MOST, 1_000));
    }
}
