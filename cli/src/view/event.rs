//! What is read as it happens: events and log lines.

use jobflow::proto;
use prost_types::Timestamp;
use serde::Serialize;

use crate::view::job::Job;
use crate::view::json::text;
use crate::view::style;
use crate::view::words::{self, printable};

#[derive(Serialize)]
pub(crate) struct Event<'a> {
    time: Option<String>,
    state: &'static str,
    id: &'a str,
    queue: &'a str,
    kind: &'a str,
}

impl<'a> Event<'a> {
    pub(crate) fn new(event: &'a proto::JobEvent) -> Self {
        Self {
            time: text(event.time),
            state: words::state(event.state()),
            id: &event.id,
            queue: &event.queue,
            kind: &event.kind,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct LogLine<'a> {
    number: i64,
    time: Option<String>,
    text: &'a str,
}

impl<'a> LogLine<'a> {
    pub(crate) fn new(line: &'a proto::LogLine) -> Self {
        Self {
            number: line.number,
            time: text(line.time),
            text: &line.text,
        }
    }
}

/// A message of a watched job.
#[derive(Serialize)]
pub(crate) struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Job<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log_lines: Vec<LogLine<'a>>,
}

impl<'a> Change<'a> {
    pub(crate) fn new(message: &'a proto::WatchJobResponse) -> Self {
        Self {
            job: message.job.as_ref().map(Job::new),
            log_lines: message.log_lines.iter().map(LogLine::new).collect(),
        }
    }
}

pub(crate) fn event(event: &proto::JobEvent) -> String {
    format!(
        "{} {} {} {} {}",
        time(event.time),
        style::state(event.state()),
        event.id,
        printable(&event.queue),
        printable(&event.kind)
    )
}

/// A line of a log, with its further lines under the first.
pub(crate) fn log_line(line: &proto::LogLine) -> String {
    let text = printable(&line.text).replace('\n', "\n  ");
    format!("{} {text}", time(line.time))
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}
