//! Jobs, queues and numbers as people read them.

use std::iter;

use anstyle::{AnsiColor, Style};
use jobflow::proto;
use proto::{HealthStatus, JobState};

use crate::error::Error;
use crate::view::table::{pairs, table};
use crate::view::words::{self, count, printable, wire_duration};

const GOOD: Style = AnsiColor::Green.on_default();
const BUSY: Style = AnsiColor::Cyan.on_default();
const CARE: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const ERROR: Style = BAD.bold();

type Count = (&'static str, fn(&proto::JobCounts) -> i64);

/// The columns of states. No job is blocked as yet.
const COUNTS: [Count; 7] = [
    ("WAITING", |counts| counts.waiting),
    ("ACTIVE", |counts| counts.active),
    ("SCHEDULED", |counts| counts.scheduled),
    ("RETRYING", |counts| counts.retrying),
    ("COMPLETED", |counts| counts.completed),
    ("FAILED", |counts| counts.failed),
    ("CANCELLED", |counts| counts.cancelled),
];

pub(crate) fn error(error: &Error) -> String {
    let reason = error.reason.as_ref().map(|reason| format!(" ({reason})"));
    let hint = error.hint.as_ref().map(|hint| format!("\n  {hint}"));
    format!(
        "{ERROR}error:{ERROR:#} {}{}{}",
        printable(&error.message),
        reason.unwrap_or_default(),
        hint.unwrap_or_default(),
    )
}

pub(crate) fn submitted(job: &proto::Job, duplicate: bool) -> String {
    let word = if duplicate { "duplicate" } else { "submitted" };
    format!("{word} {} {} {}", job.id, job.kind, state(job.state()))
}

pub(crate) fn ended(job: &proto::Job) -> String {
    let ran = words::between(job.start_time.as_ref(), job.finish_time.as_ref());
    let ran = ran.map(|ran| format!(", ran {ran}")).unwrap_or_default();
    let mut text = format!(
        "{} {}, attempt {}{ran}\n",
        state(job.state()),
        job.id,
        attempt(job)
    );
    if let Some(result) = content(&job.result, &job.result_content_type) {
        text += &result;
        text.push('\n');
    }
    text
}

pub(crate) fn job(job: &proto::Job) -> String {
    let ran = words::between(job.start_time.as_ref(), job.finish_time.as_ref());
    let ran = ran.map(|ran| format!(" (ran {ran})")).unwrap_or_default();
    let crashes = Some(job.crash_count).filter(|crashes| *crashes > 0);
    let error = job.error.as_ref();
    pairs(&[
        ("id", given(&job.id)),
        ("kind", given(&job.kind)),
        ("queue", given(&job.queue)),
        ("state", Some(state(job.state()))),
        ("priority", Some(job.priority.to_string())),
        ("attempt", Some(attempt(job))),
        ("crashes", crashes.map(|crashes| crashes.to_string())),
        ("worker", given(&job.worker)),
        (
            "timeout",
            job.timeout.map(|limit| wire_duration(Some(&limit))),
        ),
        ("created", job.create_time.map(|time| time.to_string())),
        ("due", job.run_time.map(|time| time.to_string())),
        ("started", job.start_time.map(|time| time.to_string())),
        (
            "finished",
            job.finish_time.map(|time| format!("{time}{ran}")),
        ),
        (
            "lease until",
            job.lease_expire_time.map(|time| time.to_string()),
        ),
        ("key", given(&job.idempotency_key)),
        ("headers", given(&headers(job))),
        (
            "error",
            error.map(|error| printable(&format!("{}: {}", error.code, error.message))),
        ),
        ("payload", content(&job.payload, &job.content_type)),
        ("result", content(&job.result, &job.result_content_type)),
    ])
}

pub(crate) fn queues(queues: &[proto::Queue]) -> String {
    let headings = COUNTS.iter().map(|(heading, _)| *heading);
    let headings: Vec<_> = iter::once("QUEUE")
        .chain(headings)
        .chain(["OLDEST"])
        .collect();
    let rows = queues.iter().map(|queue| {
        let counts = queue.counts.unwrap_or_default();
        let mut row = vec![printable(&queue.name)];
        row.extend(COUNTS.iter().map(|(_, of)| count(of(&counts))));
        row.push(wire_duration(queue.oldest_waiting_age.as_ref()));
        row
    });
    table(&headings, &rows.collect::<Vec<_>>())
}

pub(crate) fn metrics(numbers: &proto::StreamMetricsResponse) -> String {
    let workers = numbers.workers.unwrap_or_default();
    let rates = numbers.rates.unwrap_or_default();
    let oldest = numbers.oldest_waiting_age.as_ref();
    let summary = pairs(&[
        ("health", Some(health(numbers))),
        ("workers", Some(workers_line(&workers))),
        ("per second", Some(rates_line(&rates))),
        ("oldest waiting", Some(wire_duration(oldest))),
        ("time", numbers.time.map(|time| time.to_string())),
    ]);
    format!("{summary}\n{}", metrics_table(numbers))
}

/// The numbers of all queues on one line, for logs.
pub(crate) fn metrics_line(numbers: &proto::StreamMetricsResponse) -> String {
    let counts = numbers.counts.unwrap_or_default();
    let rates = numbers.rates.unwrap_or_default();
    let time = numbers
        .time
        .map(|time| time.to_string())
        .unwrap_or_default();
    format!(
        "{time} {} waiting={} active={} scheduled={} retrying={} completed={} failed={} \
         submitted/s={:.1} completed/s={:.1} failed/s={:.1}",
        words::health(numbers.health.clone().unwrap_or_default().status()),
        counts.waiting,
        counts.active,
        counts.scheduled,
        counts.retrying,
        counts.completed,
        counts.failed,
        rates.submitted,
        rates.completed,
        rates.failed,
    )
}

fn metrics_table(numbers: &proto::StreamMetricsResponse) -> String {
    let headings = COUNTS.iter().map(|(heading, _)| *heading);
    let headings = iter::once("QUEUE")
        .chain(headings)
        .chain(["SUBMITTED/S", "COMPLETED/S"]);
    let row = |name: &str, counts: Option<proto::JobCounts>, rates: Option<proto::Rates>| {
        let (counts, rates) = (counts.unwrap_or_default(), rates.unwrap_or_default());
        let mut row = vec![printable(name)];
        row.extend(COUNTS.iter().map(|(_, of)| count(of(&counts))));
        row.extend([rates.submitted, rates.completed].map(|rate| format!("{rate:.1}")));
        row
    };
    let queues = numbers.queues.iter().filter_map(|metrics| {
        let queue = metrics.queue.as_ref()?;
        Some(row(&queue.name, queue.counts, metrics.rates))
    });
    let mut rows: Vec<_> = queues.collect();
    if rows.len() != 1 {
        rows.push(row("all", numbers.counts, numbers.rates));
    }
    table(&headings.collect::<Vec<_>>(), &rows)
}

fn health(numbers: &proto::StreamMetricsResponse) -> String {
    let health = numbers.health.clone().unwrap_or_default();
    let style = match health.status() {
        HealthStatus::Healthy => GOOD,
        HealthStatus::Degraded => CARE,
        HealthStatus::Unhealthy => BAD,
        HealthStatus::Unspecified => Style::new(),
    };
    let store = wire_duration(health.store_round_trip.as_ref());
    let mut text = format!(
        "{style}{}{style:#}, store {store}",
        words::health(health.status())
    );
    for reason in &health.reasons {
        text.push('\n');
        text += &printable(reason);
    }
    text
}

fn workers_line(workers: &proto::WorkerMetrics) -> String {
    let (alive, busy, slots) = (workers.alive, workers.busy_slots, workers.slots);
    format!(
        "{} alive, {} of {} slots busy",
        count(alive),
        count(busy),
        count(slots)
    )
}

fn rates_line(rates: &proto::Rates) -> String {
    format!(
        "{:.1} submitted, {:.1} completed, {:.1} failed, {:.1} errored",
        rates.submitted, rates.completed, rates.failed, rates.errored
    )
}

fn state(state: JobState) -> String {
    let style = match state {
        JobState::Completed => GOOD,
        JobState::Active => BUSY,
        JobState::Retrying | JobState::Cancelled => CARE,
        JobState::Failed => BAD,
        JobState::Unspecified | JobState::Scheduled | JobState::Blocked | JobState::Waiting => {
            Style::new()
        }
    };
    format!("{style}{}{style:#}", words::state(state))
}

fn attempt(job: &proto::Job) -> String {
    format!("{} of {}", job.attempt, job.max_attempts)
}

fn headers(job: &proto::Job) -> String {
    let lines = job
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// What is left out where it is empty.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| printable(text))
}

fn content(bytes: &[u8], content_type: &str) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => given(text),
        Err(_) => Some(format!(
            "{} bytes of {}",
            count(bytes.len() as u64),
            printable(content_type)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::Timestamp;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_job_shows_what_it_has() {
        let job = proto::Job {
            id: "0198c0de".to_owned(),
            kind: "resize".to_owned(),
            queue: "images".to_owned(),
            state: JobState::Failed.into(),
            priority: 5,
            attempt: 3,
            max_attempts: 3,
            timeout: Some(prost_types::Duration {
                seconds: 1_800,
                nanos: 0,
            }),
            create_time: Some(Timestamp {
                seconds: 0,
                nanos: 0,
            }),
            start_time: Some(Timestamp {
                seconds: 60,
                nanos: 0,
            }),
            finish_time: Some(Timestamp {
                seconds: 61,
                nanos: 500_000_000,
            }),
            headers: [
                ("b".to_owned(), "2".to_owned()),
                ("a".to_owned(), "1".to_owned()),
            ]
            .into(),
            error: Some(proto::JobError {
                code: "HANDLER_ERROR".to_owned(),
                message: "no such file\nresize.rs:7".to_owned(),
            }),
            payload: "{}".into(),
            ..proto::Job::default()
        };
        let lines = [
            "id        0198c0de",
            "kind      resize",
            "queue     images",
            "state     failed",
            "priority  5",
            "attempt   3 of 3",
            "timeout   30m",
            "created   1970-01-01T00:00:00Z",
            "started   1970-01-01T00:01:00Z",
            "finished  1970-01-01T00:01:01.500Z (ran 1.5s)",
            "headers   a=1",
            "          b=2",
            "error     HANDLER_ERROR: no such file",
            "          resize.rs:7",
            "payload   {}",
        ];
        assert_eq!(plain(&super::job(&job)).lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn numbers_of_several_queues_are_summed_up() {
        let counts = |waiting| {
            Some(proto::JobCounts {
                waiting,
                ..Default::default()
            })
        };
        let queue = |name: &str, waiting| proto::QueueMetrics {
            queue: Some(proto::Queue {
                name: name.to_owned(),
                counts: counts(waiting),
                ..Default::default()
            }),
            ..Default::default()
        };
        let numbers = proto::StreamMetricsResponse {
            queues: vec![queue("default", 1), queue("mail", 2)],
            counts: counts(3),
            ..Default::default()
        };
        let text = plain(&metrics_table(&numbers));
        let rows = text
            .lines()
            .map(|row| row.split_whitespace().take(2).collect::<Vec<_>>());
        assert_eq!(
            rows.collect::<Vec<_>>(),
            [
                ["QUEUE", "WAITING"],
                ["default", "1"],
                ["mail", "2"],
                ["all", "3"]
            ]
        );
    }
}
