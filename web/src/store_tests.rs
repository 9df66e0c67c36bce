use std::time::Duration;

use jobflow::JobState;

use super::*;
use crate::model::{Counts, Finished, Times, Totals};

fn snapshot(server: &'static str, sequence: u64, time: u64) -> Snapshot {
    Snapshot {
        sequence,
        server_id: AttrValue::Static(server),
        time: Some(time),
        health: Health {
            status: HealthStatus::Healthy,
            ..Health::default()
        },
        counts: Counts {
            waiting: sequence,
            ..Counts::default()
        },
        ..Snapshot::default()
    }
}

fn after(state: &State, snapshot: Snapshot, now: u64) -> State {
    reduce(state, Event::Received(Box::new(snapshot)), now)
}

fn lost(state: &State, now: u64) -> State {
    reduce(state, Event::Lost("the stream ended".into()), now)
}

fn waiting(state: &State) -> Option<u64> {
    state.latest.as_ref().map(|latest| latest.counts.waiting)
}

#[test]
fn a_new_page_knows_nothing_and_says_so() {
    let state = State::default();
    assert_eq!(state.connection(), Connection::Reconnecting);
    assert_eq!(state.health().status, HealthStatus::Unknown);
    assert_eq!(state.age(), None);
    assert_eq!(state.rates(), Rates::default());
}

#[test]
fn a_snapshot_makes_the_page_live_until_it_is_old() {
    let state = after(&State::default(), snapshot("a", 1, 50), 1_000);
    assert_eq!(state.connection(), Connection::Live);
    assert_eq!(state.health().status, HealthStatus::Healthy);
    let state = reduce(&state, Event::Ticked, 1_400);
    assert_eq!(state.age(), Some(400));
    assert_eq!(state.store_now(), 450);
    let state = reduce(&state, Event::Ticked, 1_001 + STALE_AFTER_MS);
    assert_eq!(state.connection(), Connection::Stale);
    assert_eq!(state.health().status, HealthStatus::Unknown);
}

#[test]
fn repeated_numbers_do_not_become_younger() {
    let state = after(&State::default(), snapshot("a", 1, 50), 1_000);
    let state = after(&state, snapshot("a", 2, 50), 5_000);
    assert_eq!(state.age(), Some(4_000));
    assert_eq!(state.connection(), Connection::Stale);
}

#[test]
fn an_unreachable_store_keeps_the_last_numbers_but_not_their_health() {
    let state = after(&State::default(), snapshot("a", 7, 50), 1_000);
    let unreadable = Snapshot {
        time: None,
        counts: Counts::default(),
        health: Health {
            status: HealthStatus::Unhealthy,
            reasons: vec!["redis does not answer".into()],
            round_trip: None,
            loops: Vec::new(),
        },
        ..snapshot("a", 8, 0)
    };
    let state = after(&state, unreadable, 2_000);
    assert_eq!(waiting(&state), Some(7));
    assert_eq!(state.health().status, HealthStatus::Unhealthy);
    assert_eq!(state.age(), Some(1_000));
    assert_eq!(state.position.sequence, 8);
}

#[test]
fn an_older_snapshot_of_the_same_server_is_refused() {
    let state = after(&State::default(), snapshot("a", 5, 50), 1_000);
    let state = after(&state, snapshot("a", 4, 40), 1_100);
    assert_eq!(waiting(&state), Some(5));
    assert_eq!(state.position.refused, 1);
}

#[test]
fn a_restarted_server_counts_from_its_own_beginning() {
    let state = after(&State::default(), snapshot("a", 900, 50), 1_000);
    let state = after(&lost(&state, 1_500), snapshot("b", 1, 60), 2_000);
    assert_eq!(waiting(&state), Some(1));
    assert_eq!(state.connection(), Connection::Live);
    assert_eq!(state.position.refused, 0);
}

#[test]
fn skipped_snapshots_are_counted_while_the_stream_is_up() {
    let state = after(&State::default(), snapshot("a", 1, 50), 1_000);
    let state = after(&state, snapshot("a", 5, 60), 1_500);
    assert_eq!(state.position.skipped, 3);
    let state = after(&lost(&state, 1_600), snapshot("a", 100, 70), 2_000);
    assert_eq!(state.position.skipped, 3);
}

#[test]
fn a_lost_stream_is_said_at_once_and_the_attempts_are_counted() {
    let state = after(&State::default(), snapshot("a", 1, 50), 1_000);
    let state = lost(&lost(&state, 1_200), 1_700);
    assert_eq!(state.connection(), Connection::Reconnecting);
    assert_eq!(
        state.link,
        Link::Down {
            since: 1_200,
            attempts: 2,
            reason: "the stream ended".into()
        }
    );
    assert_eq!(state.health().status, HealthStatus::Unknown);
    assert_eq!(waiting(&state), Some(1), "the numbers stay, marked as old");
}

#[test]
fn a_hidden_tab_pauses_and_a_visible_one_connects_again() {
    let state = after(&State::default(), snapshot("a", 1, 50), 1_000);
    let state = reduce(&state, Event::Paused, 1_100);
    assert_eq!(state.connection(), Connection::Stale);
    let state = reduce(&state, Event::Resumed, 90_000);
    assert_eq!(state.connection(), Connection::Reconnecting);
    assert_eq!(state.age(), Some(89_000));
}

#[test]
fn rates_are_means_over_the_last_seconds() {
    let mut state = State::default();
    for step in 0..20_u64 {
        let totals = Totals {
            submitted: step * 4,
            completed: step * 2,
            ..Totals::default()
        };
        let queue = Queue {
            name: "mail".into(),
            totals,
            ..Queue::default()
        };
        let next = Snapshot {
            totals,
            queues: vec![queue],
            ..snapshot("a", step + 1, step * 500)
        };
        state = after(&state, next, step * 500);
    }
    assert!((state.rates().submitted - 8.0).abs() < 1e-9);
    let latest = state.latest.clone().expect("numbers");
    let mail = state.queue_rates(&latest.queues[0]);
    assert!((mail.completed - 4.0).abs() < 1e-9);
    assert!(state.window.len() <= 12, "{}", state.window.len());
}

#[test]
fn the_first_snapshot_shows_the_servers_own_rates() {
    let first = Snapshot {
        rates: Rates {
            submitted: 3.0,
            ..Rates::default()
        },
        ..snapshot("a", 1, 50)
    };
    let state = after(&State::default(), first, 1_000);
    assert!((state.rates().submitted - 3.0).abs() < 1e-9);
}

#[test]
fn a_held_feed_stands_still_while_the_counts_go_on() {
    let job = |number: u64| {
        Rc::new(Finished {
            id: number.to_string().into(),
            queue: "default".into(),
            kind: "resize".into(),
            state: JobState::Completed,
            attempt: 1,
            worker: "w".into(),
            times: Some(Times {
                finished: number,
                waited: Duration::ZERO,
                ran: Duration::ZERO,
            }),
            error: None,
        })
    };
    let with = |sequence, recent| Snapshot {
        recent,
        ..snapshot("a", sequence, sequence)
    };
    let state = after(&State::default(), with(1, vec![job(1)]), 1_000);
    let state = reduce(&state, Event::Held(true), 1_100);
    let state = after(&state, with(2, vec![job(2), job(1)]), 1_500);
    assert_eq!(state.feed.rows().len(), 1);
    assert_eq!(waiting(&state), Some(2));
    let state = reduce(&state, Event::Held(false), 1_600);
    assert_eq!(state.feed.rows().len(), 2);
}

#[test]
fn a_turn_comes_when_something_has_moved_and_not_too_often() {
    let state = after(&State::default(), snapshot("a", 1, 50), 10_000);
    assert_eq!(state.turn, 1, "the first numbers");
    let state = after(&state, snapshot("a", 2, 60), 10_500);
    assert_eq!(state.turn, 1, "too soon");
    let state = reduce(&state, Event::Ticked, 12_000);
    assert_eq!(state.turn, 2, "what moved meanwhile");
    let mut same = snapshot("a", 2, 70);
    same.sequence = 3;
    let state = after(&state, same.clone(), 15_000);
    assert_eq!(state.turn, 2, "nothing has moved");
    same.time = Some(80);
    same.queues.push(Queue {
        paused: true,
        ..Queue::default()
    });
    let state = after(&state, same, 15_500);
    assert_eq!(state.turn, 3, "a queue was paused");
}
