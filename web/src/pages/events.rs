//! Events: every move of every job, as it happens.

use std::{collections::VecDeque, rc::Rc};

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
    clock,
    components::{command::Command, link::Link, moment::StateLabel, problem::ProblemNote},
    follow::{self, Pause, within},
    format,
    route::Route,
    session::{use_live, use_session},
    store,
};

/// Rows that are kept; older ones go.
const MOST: usize = 300;
const OPENING_MS: u32 = 5_000;
/// The server says something at least every 10 s.
const SILENCE_MS: u32 = 15_000;

/// The events in sight, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
struct Seen {
    rows: VecDeque<Rc<Event>>,
    /// What came while the list stood still.
    held: VecDeque<Rc<Event>>,
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
    Message(Box<WatchEventsResponse>),
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
                let held = std::mem::take(&mut next.held);
                for row in held.into_iter().rev() {
                    next.rows.push_front(row);
                }
                next.rows.truncate(MOST);
            }
            Told::Message(message) => {
                next.listens = true;
                next.problem = None;
                let gap = Some(message.gap_queue).filter(|queue| !queue.is_empty());
                let moved = message.events.into_iter().map(What::Moved);
                for what in gap.map(What::Missed).into_iter().chain(moved) {
                    next.count += 1;
                    let event = Rc::new(Event {
                        number: next.count,
                        what,
                    });
                    let rows = if next.holds {
                        &mut next.held
                    } else {
                        &mut next.rows
                    };
                    rows.push_front(event);
                    rows.truncate(MOST);
                }
            }
        }
        Rc::new(next)
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
                    (true, true) => format!("Held: {} came meanwhile", format::plural(seen.held.len() as u64, "event")),
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
    while let Some(message) = within(SILENCE_MS, events.next()).await? {
        *pause = Pause::default();
        token.borrow_mut().clone_from(&message.resume_token);
        tell.dispatch(Told::Message(Box::new(message)));
    }
    Err(Problem::local("the server ended the stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(ids: std::ops::Range<usize>) -> Told {
        Told::Message(Box::new(WatchEventsResponse {
            events: ids
                .map(|id| JobEvent {
                    id: id.to_string(),
                    ..JobEvent::default()
                })
                .collect(),
            ..WatchEventsResponse::default()
        }))
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
    }
}
