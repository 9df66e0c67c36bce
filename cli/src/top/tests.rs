//! The keys and the frames of `top`, without a terminal.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jobflow::proto::{
    self, BulkAction, DeadLetterGroup, FinishedJob, Health, HealthStatus, Job, JobCounts, JobState,
    Pause, Queue, QueueMetrics, Rates, StreamMetricsResponse, Worker, WorkerMetrics,
};
use prost_types::Timestamp;

use super::action::Action;
use super::frame;
use super::keys::{Effect, key};
use super::state::{Load, Mode, State, Update};
use crate::args::Tab;

const ID: &str = "0198c0de-0000-7000-8000-000000000000";
const OTHER: &str = "0198c0de-0000-7000-8000-000000000001";

fn numbers() -> StreamMetricsResponse {
    let queue = |name: &str, waiting, pauses| QueueMetrics {
        queue: Some(Queue {
            name: name.to_owned(),
            counts: Some(JobCounts {
                waiting,
                ..JobCounts::default()
            }),
            pauses,
            ..Queue::default()
        }),
        ..QueueMetrics::default()
    };
    StreamMetricsResponse {
        time: Some(Timestamp {
            seconds: 1_900_000_000,
            nanos: 0,
        }),
        health: Some(Health {
            status: HealthStatus::Degraded.into(),
            reasons: vec!["queue mail is paused".to_owned()],
            store_round_trip: None,
            loops: Vec::new(),
        }),
        counts: Some(JobCounts {
            waiting: 1_204,
            failed: 3,
            ..JobCounts::default()
        }),
        rates: Some(Rates {
            submitted: 12.5,
            ..Rates::default()
        }),
        queues: vec![
            queue("default", 1_200, Vec::new()),
            queue("mail", 4, vec![Pause::default()]),
        ],
        workers: Some(WorkerMetrics {
            alive: 2,
            slots: 16,
            busy_slots: 3,
        }),
        recent_jobs: vec![FinishedJob {
            id: ID.to_owned(),
            queue: "mail".to_owned(),
            kind: "send".to_owned(),
            state: JobState::Failed.into(),
            finish_time: Some(Timestamp {
                seconds: 1_900_000_000,
                nanos: 0,
            }),
            error: Some(proto::JobError {
                code: "TIMEOUT".to_owned(),
                message: "ran out of time".to_owned(),
            }),
            ..FinishedJob::default()
        }],
        ..StreamMetricsResponse::default()
    }
}

fn job(id: &str) -> Job {
    Job {
        id: id.to_owned(),
        queue: "mail".to_owned(),
        kind: "send".to_owned(),
        state: JobState::Waiting.into(),
        attempt: 1,
        max_attempts: 3,
        ..Job::default()
    }
}

fn group() -> DeadLetterGroup {
    DeadLetterGroup {
        fingerprint: "5f3a9c".to_owned(),
        queue: "mail".to_owned(),
        kind: "send".to_owned(),
        error_code: "TIMEOUT".to_owned(),
        message: "ran out of time".to_owned(),
        count: 412,
        ..DeadLetterGroup::default()
    }
}

fn state(tab: Tab) -> State {
    let mut state = State::new(tab);
    state.take(Update::numbers(numbers()));
    state.take(Update::Jobs(vec![job(ID), job(OTHER)]));
    state.take(Update::Workers(vec![Worker {
        id: "web-1-4711".to_owned(),
        host: "web-1".to_owned(),
        slots: 8,
        busy_slots: 3,
        queues: vec!["mail".to_owned()],
        ..Worker::default()
    }]));
    state.take(Update::Groups(vec![group()]));
    state
}

fn press(state: &mut State, keys: &str) -> Effect {
    let mut effect = Effect::Nothing;
    for character in keys.chars() {
        let code = match character {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\x1b' => KeyCode::Esc,
            character => KeyCode::Char(character),
        };
        effect = key(state, KeyEvent::new(code, KeyModifiers::NONE));
    }
    effect
}

#[test]
fn what_changes_something_asks_first_and_takes_only_a_yes() {
    let id = || ID.to_owned();
    let fingerprint = || "5f3a9c".to_owned();
    for (tab, keys, action) in [
        (Tab::Jobs, "R", Action::Retry(id())),
        (Tab::Jobs, "C", Action::Cancel(id())),
        (Tab::Jobs, "D", Action::Delete(id())),
        (Tab::Queues, "P", Action::Pause("default".to_owned())),
        (Tab::Queues, "jP", Action::Resume("mail".to_owned())),
        (
            Tab::Dead,
            "R",
            Action::Group(BulkAction::Retry, fingerprint(), 412),
        ),
        (
            Tab::Dead,
            "D",
            Action::Group(BulkAction::Delete, fingerprint(), 412),
        ),
    ] {
        let mut state = state(tab);
        assert_eq!(press(&mut state, keys), Effect::Nothing, "{keys}");
        assert_eq!(state.mode, Mode::Confirm(action.clone()));
        let screen = frame(&state, 80, 24);
        assert!(
            screen.ends_with(&format!("{} [y/N]\n", action.question())),
            "{screen}"
        );
        for no in ["n", "\n", "\x1b", "q", "R"] {
            state.mode = Mode::Confirm(action.clone());
            assert_eq!(press(&mut state, no), Effect::Nothing, "{no}");
            assert_eq!(state.mode, Mode::Look);
        }
        state.mode = Mode::Confirm(action.clone());
        assert_eq!(press(&mut state, "y"), Effect::Do(action));
    }
    let groups = Action::Group(BulkAction::Delete, fingerprint(), 412);
    assert_eq!(groups.question(), "Delete 412 jobs of group 5f3a9c?");
}

#[test]
fn lower_case_and_other_tabs_change_nothing() {
    for tab in [Tab::Overview, Tab::Workers] {
        let mut state = state(tab);
        press(&mut state, "RCDP");
        assert_eq!(state.mode, Mode::Look);
    }
    let mut state = state(Tab::Jobs);
    press(&mut state, "rcdp");
    assert_eq!(state.mode, Mode::Look);
    let mut empty = State::new(Tab::Jobs);
    press(&mut empty, "RCD");
    assert_eq!(empty.mode, Mode::Look);
}

#[test]
fn what_is_selected_stays_so_when_the_list_moves() {
    let mut state = state(Tab::Jobs);
    press(&mut state, "jjj");
    assert_eq!(state.selected(), 1);
    state.take(Update::Jobs(vec![job(OTHER), job(ID)]));
    assert_eq!(state.selected(), 0);
    press(&mut state, "D");
    assert_eq!(state.mode, Mode::Confirm(Action::Delete(OTHER.to_owned())));
    state.take(Update::Jobs(Vec::new()));
    assert_eq!(state.selected(), 0);
}

#[test]
fn keys_move_between_tabs_and_end() {
    let mut state = state(Tab::Overview);
    press(&mut state, "3");
    assert_eq!(state.tab, Tab::Jobs);
    press(&mut state, "\t\t\t");
    assert_eq!(state.tab, Tab::Overview);
    key(
        &mut state,
        KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT),
    );
    assert_eq!(state.tab, Tab::Dead);
    press(&mut state, "?");
    assert!(frame(&state, 80, 24).contains("pause or resume the queue"));
    assert_eq!(press(&mut state, "q"), Effect::Nothing);
    assert_eq!(press(&mut state, "q"), Effect::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(key(&mut state, interrupt), Effect::Interrupt);
}

#[test]
fn a_filter_is_typed_and_asks_for_the_list_again() {
    let mut state = state(Tab::Jobs);
    assert_eq!(state.load(), Some(Load::Jobs(String::new())));
    assert_eq!(state.load(), None);
    state.take(Update::Jobs(Vec::new()));
    press(&mut state, "/kind = x");
    assert!(frame(&state, 80, 24).ends_with("filter: kind = x_\n"));
    press(&mut state, "\n");
    assert_eq!(state.load(), Some(Load::Jobs("kind = x".to_owned())));
    press(&mut state, "/yz\x1b");
    assert_eq!(state.filter(), "kind = x");
    press(&mut state, "\x1b");
    assert_eq!(state.filter(), "");
}

#[test]
fn enter_shows_the_jobs_of_a_queue_or_group() {
    let mut queue = state(Tab::Queues);
    press(&mut queue, "j\n");
    assert_eq!((queue.tab, queue.filter()), (Tab::Jobs, "queue = \"mail\""));
    let mut group = state(Tab::Dead);
    press(&mut group, "\n");
    assert_eq!(
        group.filter(),
        "state = failed AND (fingerprint = \"5f3a9c\")"
    );
}

#[test]
fn lists_are_read_no_more_often_than_the_numbers_come() {
    let mut state = state(Tab::Dead);
    assert!(state.load().is_some());
    state.take(Update::Groups(Vec::new()));
    for _ in 0..9 {
        state.take(Update::numbers(numbers()));
        assert_eq!(state.load(), None);
    }
    state.take(Update::numbers(numbers()));
    assert!(state.load().is_some());
    state.take(Update::NoList("filter: position 1".to_owned()));
    assert!(frame(&state, 80, 24).ends_with("filter: position 1\n"));
}

#[test]
fn the_overview_fits_a_small_terminal() {
    let screen = frame(&state(Tab::Overview), 80, 24);
    let lines: Vec<_> = screen.lines().collect();
    assert_eq!(lines.len(), 24);
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
    assert_eq!(
        lines[0],
        "JobFlow  1 overview   2 queues   3 jobs   4 workers   5 dead letters"
    );
    assert_eq!(
        lines[1],
        "degraded  2 alive, 3 of 16 slots busy  2030-03-17T17:46:40Z"
    );
    assert_eq!(lines[3], "waiting           1,204   submitted/s    12.5");
    assert!(screen.contains("queue mail is paused"), "{screen}");
    assert!(screen.contains("ENDED    STATE"), "{screen}");
    assert!(screen.contains("TIMEOUT: ran out"), "{screen}");
    assert_eq!(lines[23], "q quit  ? help  1-5 tabs  j/k move");
}

#[test]
fn each_list_shows_its_rows() {
    for (tab, words) in [
        (Tab::Queues, ["QUEUE", "default", "1,200", "paused"]),
        (Tab::Jobs, ["ATTEMPT", ID, "waiting", "1 of 3"]),
        (Tab::Workers, ["WORKER", "web-1-4711", "3/8", "mail"]),
        (
            Tab::Dead,
            ["JOBS", "412", "send", "TIMEOUT: ran out of time"],
        ),
    ] {
        let screen = frame(&state(tab), 80, 24);
        for word in words {
            assert!(screen.contains(word), "{word}:\n{screen}");
        }
    }
}

#[test]
fn a_lost_connection_is_told_until_numbers_come_again() {
    let mut state = state(Tab::Overview);
    state.take(Update::Lost("can not reach the server".to_owned()));
    assert!(frame(&state, 80, 24).contains("not connected: can not reach the server"));
    state.take(Update::numbers(numbers()));
    assert!(!frame(&state, 80, 24).contains("not connected"));
}

#[test]
fn the_smallest_and_an_absurd_size_are_drawn() {
    for tab in [
        Tab::Overview,
        Tab::Queues,
        Tab::Jobs,
        Tab::Workers,
        Tab::Dead,
    ] {
        for (width, height) in [(1, 1), (40, 10), (500, 500)] {
            let lines = frame(&state(tab), width, height).lines().count();
            assert_eq!(lines, usize::from(height));
        }
    }
}
