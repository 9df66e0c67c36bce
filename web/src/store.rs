//! What the dashboard knows, and the one pure function that changes it.
//!
//! Nothing here touches the browser: every event carries what it needs, the
//! time included.

use std::{collections::VecDeque, rc::Rc};

use yew::AttrValue;

use crate::{
    feed::{Feed, Filter},
    history::{History, Second, rates_between},
    model::{Health, HealthStatus, Queue, Rates, ServerInfo, Snapshot},
};

/// Numbers older than this are not called live.
pub(crate) const STALE_AFTER_MS: u64 = 3_000;
/// How often at the most lists and pages are read anew.
const TURN_MS: u64 = 2_000;
/// Rates in figures are means over this long: one second alone jumps too much to read.
const RATE_WINDOW_MS: u64 = 5_000;

/// Everything the pages are drawn from.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// By the clock of this machine, in milliseconds, as all times here that
    /// are not the store's.
    pub(crate) now: u64,
    pub(crate) link: Link,
    /// The newest numbers.
    pub(crate) latest: Option<Rc<Snapshot>>,
    /// When they arrived; repeated numbers do not count.
    pub(crate) fresh_at: u64,
    /// Where the server's count stands.
    pub(crate) position: Position,
    pub(crate) server: Option<ServerInfo>,
    /// The server has another page than this one.
    pub(crate) outdated: bool,
    pub(crate) history: Rc<History>,
    pub(crate) feed: Feed,
    /// Moves on when jobs have moved: what was read once is then read anew.
    pub(crate) turn: u64,
    turned_at: u64,
    has_moved: bool,
    health: Health,
    window: VecDeque<Rc<Snapshot>>,
}

/// The stream, as the page sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Link {
    /// Not yet answered.
    #[default]
    Opening,
    Up,
    Down {
        since: u64,
        /// Failed calls in a row.
        attempts: u32,
        reason: AttrValue,
    },
    /// Nobody looks: the tab is hidden.
    Paused,
    /// The server wants a token, or another one.
    Refused(Refusal),
}

/// Why the server tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It was shown no token that holds.
    Token,
    /// The role of the token is not one of those that look.
    Role,
}

/// The last accepted place in a server's sequence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Position {
    pub(crate) server_id: AttrValue,
    pub(crate) sequence: u64,
    /// Snapshots that this server made and this tab did not get. Each is
    /// complete, so this costs detail only.
    pub(crate) skipped: u64,
    /// Snapshots refused because a later one had come already.
    pub(crate) refused: u64,
}

/// What is said of the connection, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    Live,
    Stale,
    Reconnecting,
}

impl Connection {
    /// The stable word of the `data-state` attribute.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Reconnecting => "reconnecting",
        }
    }
}

/// Something happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A message of the stream.
    Received(Box<Snapshot>),
    /// What happened before this tab looked.
    Remembered(Vec<Second>),
    /// The server said who it is.
    Introduced(ServerInfo),
    /// Whether the server has another page than this one.
    Compared { outdated: bool },
    /// The stream broke, could not be opened, or fell silent.
    Lost(AttrValue),
    /// The server wants a token, or another one.
    Refused(Refusal),
    /// The tab was hidden.
    Paused,
    /// The tab is looked at again.
    Resumed,
    /// Time passed.
    Ticked,
    /// Which activity is listed.
    Filtered(Filter),
    /// The feed stands still, or goes on.
    Held(bool),
}

/// The state after `event`, which happened at `now`.
pub(crate) fn reduce(state: &State, event: Event, now: u64) -> State {
    let mut next = state.clone();
    next.now = now;
    match event {
        Event::Received(snapshot) => next.receive(*snapshot),
        Event::Remembered(seconds) => Rc::make_mut(&mut next.history).fill(&seconds),
        Event::Introduced(server) => next.server = Some(server),
        Event::Compared { outdated } => next.outdated = outdated,
        Event::Lost(reason) => next.lose(reason),
        Event::Refused(why) => next.link = Link::Refused(why),
        Event::Paused => next.link = Link::Paused,
        Event::Resumed => next.link = Link::Opening,
        Event::Ticked => {}
        Event::Filtered(filter) => next.feed.filter = filter,
        Event::Held(hold) => next.feed.hold(hold, now),
    }
    next.take_turn();
    next
}

impl State {
    fn receive(&mut self, snapshot: Snapshot) {
        let was_up = self.link == Link::Up;
        self.link = Link::Up;
        // Whatever happened while nobody listened.
        self.has_moved |= !was_up;
        if !self.position.advance(&snapshot, was_up) {
            return;
        }
        self.health = snapshot.health.clone();
        let Some(time) = snapshot.time else { return };
        if self.latest.as_ref().and_then(|latest| latest.time) == Some(time) {
            return;
        }
        self.fresh_at = self.now;
        self.has_moved |= self
            .latest
            .as_ref()
            .is_none_or(|latest| moved(latest, &snapshot));
        Rc::make_mut(&mut self.history).push(time, &snapshot);
        self.feed.merge(&snapshot.recent);
        let snapshot = Rc::new(snapshot);
        self.window.push_back(Rc::clone(&snapshot));
        self.window.retain(|earlier| {
            let age = earlier.time.and_then(|earlier| time.checked_sub(earlier));
            let same_store = earlier.totals.submitted <= snapshot.totals.submitted;
            same_store && age.is_some_and(|age| age <= RATE_WINDOW_MS)
        });
        self.latest = Some(snapshot);
    }

    fn take_turn(&mut self) {
        if self.has_moved && self.now.saturating_sub(self.turned_at) >= TURN_MS {
            self.turn += 1;
            self.turned_at = self.now;
            self.has_moved = false;
        }
    }

    fn lose(&mut self, reason: AttrValue) {
        let (since, attempts) = match self.link {
            Link::Down {
                since, attempts, ..
            } => (since, attempts + 1),
            Link::Opening | Link::Up | Link::Paused | Link::Refused(_) => (self.now, 1),
        };
        self.link = Link::Down {
            since,
            attempts,
            reason,
        };
    }

    /// How old the newest numbers are; `None` when there are none.
    pub(crate) fn age(&self) -> Option<u64> {
        self.latest.as_ref()?;
        Some(self.now.saturating_sub(self.fresh_at))
    }

    /// Whether the numbers can be taken for the present.
    pub(crate) fn connection(&self) -> Connection {
        match self.link {
            Link::Up if self.age().is_some_and(|age| age <= STALE_AFTER_MS) => Connection::Live,
            Link::Up | Link::Paused => Connection::Stale,
            Link::Opening | Link::Down { .. } | Link::Refused(_) => Connection::Reconnecting,
        }
    }

    /// The health that can be vouched for: a light must not stay green when
    /// nobody knows.
    pub(crate) fn health(&self) -> Health {
        let unknown = |reason: &'static str| Health {
            status: HealthStatus::Unknown,
            reasons: vec![AttrValue::Static(reason)],
            round_trip: None,
            loops: Vec::new(),
        };
        match self.link {
            Link::Opening => unknown("Connecting to the server."),
            Link::Down { .. } => unknown("The server does not answer."),
            Link::Paused => unknown("Paused while this tab is hidden."),
            Link::Refused(_) => unknown("The server wants a token."),
            Link::Up if self.health.status == HealthStatus::Healthy && self.is_stuck() => {
                unknown("The server sends numbers that no longer move.")
            }
            Link::Up => self.health.clone(),
        }
    }

    /// Whether whoever looks may change jobs and queues, as far as is known.
    pub(crate) fn may_change(&self) -> bool {
        let caller = self
            .server
            .as_ref()
            .and_then(|server| server.caller.as_ref());
        caller.is_none_or(|caller| caller.may_change)
    }

    /// Whether whoever looks may see who did what, as far as is known.
    pub(crate) fn may_audit(&self) -> bool {
        let caller = self
            .server
            .as_ref()
            .and_then(|server| server.caller.as_ref());
        caller.is_none_or(|caller| caller.role == "admin")
    }

    fn is_stuck(&self) -> bool {
        self.age().is_none_or(|age| age > STALE_AFTER_MS)
    }

    /// The store's clock as far as this machine can tell.
    pub(crate) fn store_now(&self) -> u64 {
        let time = self.latest.as_ref().and_then(|latest| latest.time);
        time.unwrap_or_default() + self.age().unwrap_or_default()
    }

    /// All queues together, over the last seconds.
    pub(crate) fn rates(&self) -> Rates {
        let Some(latest) = &self.latest else {
            return Rates::default();
        };
        match self.window.front() {
            Some(first) if first.time < latest.time => {
                rates_between(&first.totals, &latest.totals, millis_between(first, latest))
            }
            // Of the time before this tab looked the history knows more than the
            // server, which may have begun to look only now.
            _ => self.history.mean(RATE_WINDOW_MS).unwrap_or(latest.rates),
        }
    }

    /// One queue, over the last seconds.
    pub(crate) fn queue_rates(&self, queue: &Queue) -> Rates {
        let (Some(latest), Some(first)) = (&self.latest, self.window.front()) else {
            return queue.rates;
        };
        let before = first.queues.iter().find(|other| other.name == queue.name);
        match before {
            Some(before) if first.time < latest.time => {
                rates_between(&before.totals, &queue.totals, millis_between(first, latest))
            }
            _ => queue.rates,
        }
    }
}

/// Whether jobs, workers or the switches of queues are not as they were.
fn moved(before: &Snapshot, now: &Snapshot) -> bool {
    let switches = |snapshot: &Snapshot| {
        let queues = snapshot.queues.iter();
        let told = queues.map(|queue| {
            (
                queue.name.clone(),
                queue.paused,
                queue.pauses,
                queue.draining,
                queue.partitions,
                queue.unreachable,
            )
        });
        told.collect::<Vec<_>>()
    };
    (before.counts, before.totals, before.workers) != (now.counts, now.totals, now.workers)
        || switches(before) != switches(now)
}

fn millis_between(first: &Snapshot, last: &Snapshot) -> u64 {
    let (first, last) = (first.time.unwrap_or(0), last.time.unwrap_or(0));
    last.saturating_sub(first)
}

impl Position {
    /// Moves to the snapshot's place; false when it is older than one that came before.
    fn advance(&mut self, snapshot: &Snapshot, was_up: bool) -> bool {
        if snapshot.server_id != self.server_id {
            *self = Self {
                server_id: snapshot.server_id.clone(),
                sequence: snapshot.sequence,
                ..Self::default()
            };
            return true;
        }
        if snapshot.sequence < self.sequence {
            self.refused += 1;
            return false;
        }
        // What passed while nobody listened is no loss.
        if was_up {
            self.skipped += (snapshot.sequence - self.sequence).saturating_sub(1);
        }
        self.sequence = snapshot.sequence;
        true
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
