//! Jobs, queues and numbers as people read them.

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
    if !job.result.is_empty() {
        text += &content(&job.result, &job.result_content_type);
        text.push('\n');
    }
    text
}

pub(crate) fn job(job: &proto::Job) -> String {
    let started = job.start_time.as_ref();
    let mut lines = vec![
        ("id", job.id.clone()),
        ("kind", printable(&job.kind)),
        ("queue", printable(&job.queue)),
        ("state", state(job.state())),
        ("priority", job.priority.to_string()),
        ("attempt", attempt(job)),
    ];
    let mut add = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    let time = |time: Option<&prost_types::Timestamp>| time.map(ToString::to_string);

    add(
        "crashes",
        (job.crash_count > 0).then(|| job.crash_count.to_string()),
    );
    add(
        "worker",
        (!job.worker.is_empty()).then(|| printable(&job.worker)),
    );
    add(
        "timeout",
        job.timeout.as_ref().map(|limit| wire_duration(Some(limit))),
    );
    add("created", time(job.create_time.as_ref()));
    add("due", time(job.run_time.as_ref()));
    add("started", time(started));
    let ran = words::between(started, job.finish_time.as_ref());
    let ran = ran.map(|ran| format!(" (ran {ran})")).unwrap_or_default();
    add(
        "finished",
        job.finish_time.map(|time| format!("{time}{ran}")),
    );
    add("lease until", time(job.lease_expire_time.as_ref()));
    add(
        "key",
        (!job.idempotency_key.is_empty()).then(|| printable(&job.idempotency_key)),
    );
    add("headers", headers(job));
    let error = job.error.as_ref();
    add(
        "error",
        error.map(|error| printable(&format!("{}: {}", error.code, error.message))),
    );
    add("payload", Some(content(&job.payload, &job.content_type)));
    let result = (!job.result.is_empty()).then(|| content(&job.result, &job.result_content_type));
    add("result", result);
    pairs(&lines)
}

pub(crate) fn queues(queues: &[proto::Queue]) -> String {
    let headings = [
        "QUEUE",
        "WAITING",
        "ACTIVE",
        "SCHEDULED",
        "RETRYING",
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "OLDEST",
    ];
    let rows = queues.iter().map(|queue| {
        let counts = queue.counts.unwrap_or_default();
        vec![
            printable(&queue.name),
            count(counts.waiting),
            count(counts.active),
            count(counts.scheduled),
            count(counts.retrying),
            count(counts.completed),
            count(counts.failed),
            count(counts.cancelled),
            wire_duration(queue.oldest_waiting_age.as_ref()),
        ]
    });
    table(&headings, &rows.collect::<Vec<_>>())
}

pub(crate) fn metrics(numbers: &proto::StreamMetricsResponse) -> String {
    let workers = numbers.workers.unwrap_or_default();
    let rates = numbers.rates.unwrap_or_default();
    let summary = pairs(&[
        ("health", health(numbers)),
        ("workers", workers_line(&workers)),
        ("per second", rates_line(&rates)),
        (
            "oldest waiting",
            wire_duration(numbers.oldest_waiting_age.as_ref()),
        ),
        (
            "time",
            numbers
                .time
                .map(|time| time.to_string())
                .unwrap_or_default(),
        ),
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
    let headings = [
        "QUEUE",
        "WAITING",
        "ACTIVE",
        "SCHEDULED",
        "RETRYING",
        "COMPLETED",
        "FAILED",
        "SUBMITTED/S",
        "COMPLETED/S",
        "OLDEST",
    ];
    let row = |name: String, counts: Option<proto::JobCounts>, rates: Option<proto::Rates>, age| {
        let (counts, rates) = (counts.unwrap_or_default(), rates.unwrap_or_default());
        vec![
            name,
            count(counts.waiting),
            count(counts.active),
            count(counts.scheduled),
            count(counts.retrying),
            count(counts.completed),
            count(counts.failed),
            format!("{:.1}", rates.submitted),
            format!("{:.1}", rates.completed),
            wire_duration(age),
        ]
    };
    let mut rows: Vec<_> = numbers
        .queues
        .iter()
        .filter_map(|metrics| Some((metrics.queue.as_ref()?, metrics.rates)))
        .map(|(queue, rates)| {
            let age = queue.oldest_waiting_age.as_ref();
            row(printable(&queue.name), queue.counts, rates, age)
        })
        .collect();
    if rows.len() != 1 {
        let age = numbers.oldest_waiting_age.as_ref();
        rows.push(row("all".to_owned(), numbers.counts, numbers.rates, age));
    }
    table(&headings, &rows)
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

fn headers(job: &proto::Job) -> Option<String> {
    let mut lines: Vec<_> = job
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    lines.sort_unstable();
    (!lines.is_empty()).then(|| printable(&lines.join("\n")))
}

fn content(bytes: &[u8], content_type: &str) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => printable(text),
        Err(_) => format!(
            "{} bytes of {}",
            count(bytes.len() as u64),
            printable(content_type)
        ),
    }
}
