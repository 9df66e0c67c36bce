//! Numbers that move.

use std::iter;

use jobflow::proto;
use serde::Serialize;

use crate::view::json::{JobError, numbers, text as wire_text};
use crate::view::queue::{COUNTS, JobCounts, Queue, QueueTotals, Rates};
use crate::view::style::of_health;
use crate::view::table::Column::{Left, Right};
use crate::view::table::{pairs, table};
use crate::view::words::{self, count, printable, wire_duration};

numbers!(WorkerMetrics: i32 { alive, slots, busy_slots });

#[derive(Serialize)]
pub(crate) struct Metrics<'a> {
    server_id: &'a str,
    sequence: u64,
    time: Option<String>,
    health: Health<'a>,
    counts: JobCounts,
    totals: QueueTotals,
    rates: Rates,
    workers: WorkerMetrics,
    oldest_waiting_age: Option<String>,
    queues: Vec<Queue<'a>>,
    recent_jobs: Vec<FinishedJob<'a>>,
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    reasons: &'a [String],
    store_round_trip: Option<String>,
}

#[derive(Serialize)]
struct FinishedJob<'a> {
    id: &'a str,
    queue: &'a str,
    kind: &'a str,
    state: &'static str,
    attempt: i32,
    worker: &'a str,
    finish_time: Option<String>,
    wait_duration: Option<String>,
    run_duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<JobError<'a>>,
}

impl<'a> Metrics<'a> {
    pub(crate) fn new(numbers: &'a proto::StreamMetricsResponse) -> Self {
        let health = numbers.health.as_ref();
        Self {
            server_id: &numbers.server_id,
            sequence: numbers.sequence,
            time: wire_text(numbers.time),
            health: Health {
                status: words::health(health.map(proto::Health::status).unwrap_or_default()),
                reasons: health.map_or(&[], |health| &health.reasons),
                store_round_trip: health.and_then(|health| wire_text(health.store_round_trip)),
            },
            counts: numbers.counts.unwrap_or_default().into(),
            totals: numbers.totals.unwrap_or_default().into(),
            rates: numbers.rates.unwrap_or_default().into(),
            workers: numbers.workers.unwrap_or_default().into(),
            oldest_waiting_age: wire_text(numbers.oldest_waiting_age),
            queues: numbers
                .queues
                .iter()
                .filter_map(Queue::with_rates)
                .collect(),
            recent_jobs: numbers.recent_jobs.iter().map(FinishedJob::new).collect(),
        }
    }
}

impl<'a> FinishedJob<'a> {
    fn new(job: &'a proto::FinishedJob) -> Self {
        Self {
            id: &job.id,
            queue: &job.queue,
            kind: &job.kind,
            state: words::state(job.state()),
            attempt: job.attempt,
            worker: &job.worker,
            finish_time: wire_text(job.finish_time),
            wait_duration: wire_text(job.wait_duration),
            run_duration: wire_text(job.run_duration),
            error: job.error.as_ref().map(JobError::new),
        }
    }
}

pub(crate) fn text(numbers: &proto::StreamMetricsResponse) -> String {
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
pub(crate) fn line(numbers: &proto::StreamMetricsResponse) -> String {
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
    let headings = COUNTS.iter().map(|(heading, _)| Right(heading));
    let columns = iter::once(Left("QUEUE"))
        .chain(headings)
        .chain(["SUBMITTED/S", "COMPLETED/S"].map(Right));
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
    table(&columns.collect::<Vec<_>>(), &rows)
}

fn health(numbers: &proto::StreamMetricsResponse) -> String {
    let health = numbers.health.clone().unwrap_or_default();
    let style = of_health(health.status());
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

pub(crate) fn workers_line(workers: &proto::WorkerMetrics) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::table::plain;

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
