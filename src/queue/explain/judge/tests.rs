use bytes::Bytes;

use super::*;
use crate::backoff::Backoff;
use crate::job::{JobId, Kind, QueueName};
use crate::options::Priority;
use crate::queue::WorkerBeat;
use crate::record::{JobError, JobRecord};

const NOW: u64 = 1_000_000;

fn job(state: JobState) -> JobRecord {
    let queue = QueueName::new("mail").unwrap();
    JobRecord {
        id: JobId::generate(&queue),
        queue,
        kind: Kind::new("send").unwrap(),
        state,
        priority: Priority::default(),
        payload: Bytes::new(),
        content_type: String::new(),
        headers: std::collections::BTreeMap::new(),
        attempt: 1,
        max_attempts: 3,
        crash_count: 0,
        timeout: Duration::from_secs(1),
        backoff: Backoff::default(),
        created: StoreTime(0),
        ready: Some(StoreTime(NOW + 90_000)),
        started: Some(StoreTime(NOW - 5_000)),
        finished: Some(StoreTime(NOW - 7_200_000 / 10)),
        lease_expires: None,
        worker: Some("box-1".to_owned()),
        result: None,
        error: Some(JobError {
            code: "TIMEOUT".to_owned(),
            message: "no answer.\nmore".to_owned(),
        }),
        idempotency_key: None,
        tags: Vec::new(),
        start_before: None,
        cancel_requested: false,
        progress: None,
        attempts: Vec::new(),
        previous_payloads: Vec::new(),
        etag: None,
    }
}

fn worker(queue: &str, kind: &str, slots: u32, busy: u32) -> WorkerSnapshot {
    let beat = serde_json::json!({
        "id": "w", "host": "h", "pid": 1, "version": "0",
        "queues": [queue], "kinds": [kind], "slots": slots, "busy": busy,
    });
    let beat: WorkerBeat = serde_json::from_value(beat).unwrap();
    WorkerSnapshot {
        beat,
        beat_age: Duration::from_secs(2),
        started: None,
    }
}

fn facts(state: JobState) -> Facts {
    Facts {
        job: job(state),
        now: StoreTime(NOW),
        ahead: (state == JobState::Waiting).then_some(0),
        pauses: Vec::new(),
        workers: vec![worker("mail", "*", 4, 1)],
    }
}

fn pause(kind: Option<&str>, resume: Option<u64>) -> Pause {
    Pause {
        kind: kind.map(|kind| Kind::new(kind).unwrap()),
        reason: "database moves.".to_owned(),
        since: StoreTime(NOW - 300_000),
        resume: resume.map(StoreTime),
    }
}

/// The reasons and the summary.
fn told(facts: &Facts) -> (Vec<&'static str>, String) {
    let explanation = explain(facts);
    let reasons = explanation
        .obstacles
        .iter()
        .map(|obstacle| obstacle.reason.as_str());
    (reasons.collect(), explanation.summary)
}

#[test]
fn nothing_hinders_what_runs_is_final_or_is_next() {
    for (state, summary) in [
        (JobState::Waiting, "It is next: 3 slots are free."),
        (
            JobState::Active,
            "It runs: box-1 began attempt 1 of 3 5 s ago.",
        ),
        (JobState::Completed, "It completed 12 min ago."),
        (JobState::Cancelled, "It was cancelled 12 min ago."),
        (
            JobState::Failed,
            "It failed 12 min ago with TIMEOUT: no answer.",
        ),
    ] {
        assert_eq!(told(&facts(state)), (vec![], summary.to_owned()));
    }
    let mut full = facts(JobState::Waiting);
    full.workers = vec![worker("mail", "send", 4, 4)];
    assert!(told(&full).1.contains("4 slots, which are all taken"));
    full.workers = vec![worker("mail", "send", 1, 0)];
    assert_eq!(told(&full).1, "It is next: one slot is free.");
    let mut asked = facts(JobState::Active);
    asked.job.cancel_requested = true;
    assert!(told(&asked).1.ends_with(", and has been asked to end."));
}

#[test]
fn a_scheduled_job_is_not_due() {
    let explanation = explain(&facts(JobState::Scheduled));
    assert_eq!(
        explanation.summary,
        "It is scheduled and due in 1 min 30 s."
    );
    let [obstacle] = &explanation.obstacles[..] else {
        panic!("{explanation:?}")
    };
    assert_eq!(obstacle.reason, ObstacleReason::NotDue);
    assert_eq!(obstacle.until, Some(StoreTime(NOW + 90_000)));
    let mut due = facts(JobState::Scheduled);
    due.job.ready = Some(StoreTime(NOW - 1));
    assert!(told(&due).1.contains("due now"));
}

#[test]
fn a_retrying_job_is_in_backoff_after_its_error() {
    let (reasons, summary) = told(&facts(JobState::Retrying));
    assert_eq!(reasons, ["IN_BACKOFF"]);
    assert_eq!(
        summary,
        "It runs again in 1 min 30 s: attempt 1 of 3 errored with TIMEOUT: no answer."
    );
}

#[test]
fn a_blocked_job_waits_for_others() {
    assert_eq!(told(&facts(JobState::Blocked)).0, ["BLOCKED"]);
}

#[test]
fn a_pause_of_the_queue_or_of_its_kind_is_told_with_reason_and_end() {
    let mut facts = facts(JobState::Waiting);
    facts.pauses = vec![
        pause(None, None),
        pause(Some("send"), Some(NOW + 60_000)),
        pause(Some("other"), None),
    ];
    let explanation = explain(&facts);
    let told: Vec<_> = explanation
        .obstacles
        .iter()
        .map(|obstacle| {
            (
                obstacle.reason.as_str(),
                obstacle.description.as_str(),
                obstacle.until,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "QUEUE_PAUSED",
                "Queue mail has been paused for 5 min (database moves) until somebody resumes it.",
                None
            ),
            (
                "KIND_PAUSED",
                "Kind send of queue mail has been paused for 5 min (database moves) and resumes in 1 min.",
                Some(StoreTime(NOW + 60_000))
            ),
        ]
    );
}

#[test]
fn no_worker_of_the_queue_is_told() {
    let mut facts = facts(JobState::Waiting);
    let mut silent = worker("mail", "*", 4, 0);
    silent.beat_age = ALIVE + Duration::from_millis(1);
    facts.workers = vec![worker("other", "*", 4, 0), silent];
    let mut quiet = worker("mail", "*", 4, 0);
    quiet.beat.state = crate::queue::WorkerState::Quiet;
    facts.workers.push(quiet);
    let explanation = explain(&facts);
    assert_eq!(
        explanation.summary,
        "No worker that is alive claims from queue mail."
    );
    assert_eq!((explanation.workers, explanation.free_slots), (0, 0));
    assert_eq!(told(&facts).0, ["NO_WORKER"]);
}

#[test]
fn no_handler_for_the_kind_is_told() {
    let mut facts = facts(JobState::Waiting);
    facts.workers = vec![worker("mail", "resize", 4, 0)];
    assert_eq!(
        told(&facts),
        (
            vec!["NO_HANDLER"],
            "Of queue mail, the one worker has no handler for kind send.".to_owned()
        )
    );
    facts.workers.push(worker("mail", "zip", 4, 0));
    assert_eq!(
        told(&facts).1,
        "Of queue mail, none of the 2 workers has a handler for kind send."
    );
}

#[test]
fn jobs_ahead_are_told() {
    let mut facts = facts(JobState::Waiting);
    facts.ahead = Some(1);
    assert_eq!(
        told(&facts),
        (
            vec!["BEHIND_OTHERS"],
            "1 job runs before it, which has priority 5 and waits in queue mail.".to_owned()
        )
    );
    facts.ahead = Some(7);
    assert!(told(&facts).1.starts_with("7 jobs run before it"));
}

#[test]
fn causes_come_in_the_order_in_which_they_hinder() {
    let mut facts = facts(JobState::Waiting);
    facts.ahead = Some(9);
    facts.pauses = vec![pause(None, None)];
    facts.workers.clear();
    assert_eq!(
        told(&facts).0,
        ["QUEUE_PAUSED", "NO_WORKER", "BEHIND_OTHERS"]
    );
    let mut later = self::facts(JobState::Scheduled);
    later.pauses = vec![pause(None, None)];
    later.workers.clear();
    assert_eq!(told(&later).0, ["NOT_DUE", "QUEUE_PAUSED", "NO_WORKER"]);
}

#[test]
fn durations_are_said_with_two_units_and_long_errors_cut() {
    for (seconds, said) in [
        (0, "less than a second"),
        (59, "59 s"),
        (60, "1 min"),
        (3_661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
    ] {
        assert_eq!(span(Duration::from_secs(seconds)), said);
    }
    assert_eq!(shown(&"é".repeat(200)).chars().count(), SHOWN_ERROR + 1);
}
