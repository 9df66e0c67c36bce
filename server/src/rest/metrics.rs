//! `GET /metrics`: the numbers of the store and of this server, as Prometheus reads them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use jobflow::{Counts, PulseReport, QueueControl, QueueSnapshot, Totals};
use metrics::{counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::app::App;
use crate::health::Seen;
use crate::numbers;

const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Each queue has some twenty time series; the smallest beyond so many queues
/// are told as one.
const MAX_QUEUES: usize = 200;
/// No queue can have this name.
const OTHERS: &str = "_other";

/// Each question looks at the store once. What it can not tell is left out, and
/// `jobflow_store_up` says why.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let seen = app.look().await.ok();
    // A recorder for each answer: a queue that is gone is gone from the next one.
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        set(
            "jobflow_store_up",
            "Whether the store answers and may be used.",
            &[],
            f64::from(u8::from(
                seen.as_ref().is_some_and(|seen| seen.refusal.is_none()),
            )),
        );
        set(
            "jobflow_server_build_info",
            "Always 1; its label is the version.",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1.0,
        );
        app.pulses.reports().iter().for_each(tell_loop);
        if let Some(seen) = seen {
            tell_store(seen);
        }
    });
    let text = app.calls.render() + &recorder.handle().render();
    ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
}

fn tell_store(seen: Seen) {
    let snapshot = seen.snapshot;
    set(
        "jobflow_store_round_trip_seconds",
        "How long the store took to answer one command.",
        &[],
        snapshot.round_trip.as_secs_f64(),
    );
    let workers = numbers::worker_metrics(&snapshot.workers);
    for (name, help, value) in [
        (
            "jobflow_workers",
            "Workers that have beaten lately.",
            workers.alive,
        ),
        (
            "jobflow_slots",
            "How many attempts their slots take.",
            workers.slots,
        ),
        (
            "jobflow_busy_slots",
            "How many of them are taken.",
            workers.busy_slots,
        ),
    ] {
        set(name, help, &[], f64::from(value));
    }
    for (name, queue) in told(snapshot.queues) {
        tell_queue(&name, &queue);
    }
}

/// The queues by their names, the largest for themselves and the others as one.
fn told(mut queues: Vec<QueueSnapshot>) -> Vec<(String, QueueSnapshot)> {
    let open = |queue: &QueueSnapshot| {
        let Counts {
            scheduled,
            blocked,
            waiting,
            active,
            retrying,
            ..
        } = queue.counts;
        scheduled + blocked + waiting + active + retrying
    };
    queues.sort_by_key(|queue| (std::cmp::Reverse(open(queue)), queue.name.clone()));
    let others = queues.split_off(queues.len().min(MAX_QUEUES));
    let own_name = |queue: QueueSnapshot| (queue.name.to_string(), queue);
    let mut told: Vec<_> = queues.into_iter().map(own_name).collect();
    if !others.is_empty() {
        told.push((OTHERS.to_owned(), numbers::all_queues(&others)));
    }
    told
}

fn tell_queue(name: &str, queue: &QueueSnapshot) {
    let Counts {
        scheduled,
        blocked,
        waiting,
        active,
        retrying,
        completed,
        failed,
        cancelled,
    } = queue.counts;
    for (state, jobs) in [
        ("scheduled", scheduled),
        ("blocked", blocked),
        ("waiting", waiting),
        ("active", active),
        ("retrying", retrying),
        ("completed", completed),
        ("failed", failed),
        ("cancelled", cancelled),
    ] {
        set(
            "jobflow_queue_jobs",
            "Jobs that are stored, by state; final ones only while they are kept.",
            &[("queue", name), ("state", state)],
            large(jobs),
        );
    }
    // Without those of some partitions they would look as if they began anew.
    if queue.partitions.unreachable.is_empty() {
        tell_totals(name, &queue.totals);
    }
    set(
        "jobflow_queue_unreachable_partitions",
        "Partitions of which nothing is known, as their server can not be reached.",
        &[("queue", name)],
        large(queue.partitions.unreachable.len() as u64),
    );
    set(
        "jobflow_queue_oldest_waiting_seconds",
        "How long the oldest waiting job has been waiting; 0 when none is.",
        &[("queue", name)],
        queue.oldest_waiting.unwrap_or_default().as_secs_f64(),
    );
    tell_switches(name, &queue.control);
}

fn tell_switches(name: &str, control: &QueueControl) {
    let paused = control.pauses.iter().any(|pause| pause.kind.is_none());
    for (metric, help, is) in [
        (
            "jobflow_queue_paused",
            "Whether nothing is claimed from it.",
            paused,
        ),
        (
            "jobflow_queue_draining",
            "Whether it takes no new jobs.",
            control.draining,
        ),
    ] {
        set(metric, help, &[("queue", name)], f64::from(u8::from(is)));
    }
}

type Total = (&'static str, &'static str, fn(&Totals) -> u64);

const TOTALS: [Total; 10] = [
    (
        "jobflow_queue_submitted_jobs_total",
        "Jobs that were submitted.",
        |totals| totals.submitted,
    ),
    (
        "jobflow_queue_completed_jobs_total",
        "Jobs that were completed.",
        |totals| totals.completed,
    ),
    (
        "jobflow_queue_failed_jobs_total",
        "Jobs that failed for good.",
        |totals| totals.failed,
    ),
    (
        "jobflow_queue_cancelled_jobs_total",
        "Jobs that were cancelled.",
        |totals| totals.cancelled,
    ),
    (
        "jobflow_queue_errored_attempts_total",
        "Attempts that errored.",
        |totals| totals.errored,
    ),
    (
        "jobflow_queue_expired_leases_total",
        "Leases that ran out.",
        |totals| totals.lease_expired,
    ),
    (
        "jobflow_queue_refused_outcomes_total",
        "Outcomes that came too late.",
        |totals| totals.lease_lost,
    ),
    (
        "jobflow_queue_unhandled_jobs_total",
        "Jobs that nobody handles.",
        |totals| totals.unhandled,
    ),
    (
        "jobflow_queue_released_jobs_total",
        "Jobs given back by workers.",
        |totals| totals.released,
    ),
    (
        "jobflow_queue_snoozed_jobs_total",
        "Jobs put off by handlers.",
        |totals| totals.snoozed,
    ),
];

fn tell_totals(queue: &str, totals: &Totals) {
    for (name, help, value) in TOTALS {
        describe_counter!(name, help);
        counter!(name, "queue" => queue.to_owned()).absolute(value(totals));
    }
}

fn tell_loop(pulse: &PulseReport) {
    let labels = [("loop", pulse.name)];
    set(
        "jobflow_server_loop_silence_seconds",
        "How long ago a round of a loop last worked; 0 while it rests.",
        &labels,
        pulse.silence.unwrap_or_default().as_secs_f64(),
    );
    set(
        "jobflow_server_loop_limit_seconds",
        "After so long a silence the server is not well.",
        &labels,
        pulse.limit.as_secs_f64(),
    );
    let failures = "jobflow_server_loop_failures_total";
    describe_counter!(failures, "Rounds of a loop that did not work.");
    counter!(failures, &labels).absolute(pulse.failures);
}

fn set(name: &'static str, help: &'static str, labels: &[(&'static str, &str)], value: f64) {
    describe_gauge!(name, help);
    let labels: Vec<_> = labels
        .iter()
        .map(|(label, value)| (*label, (*value).to_owned()))
        .collect();
    gauge!(name, &labels).set(value);
}

/// Beyond 2^53 the last digits are rounded, and nobody counts them.
#[expect(
    clippy::cast_precision_loss,
    reason = "numbers are as Prometheus has them"
)]
const fn large(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use jobflow::{Measures, QueueControl, QueueName};

    use super::*;

    fn queue(name: &str, waiting: u64) -> QueueSnapshot {
        QueueSnapshot {
            name: QueueName::new(name).unwrap(),
            counts: Counts {
                waiting,
                ..Counts::default()
            },
            totals: Totals::default(),
            oldest_waiting: None,
            control: QueueControl::default(),
            measured: Measures::default(),
            partitions: jobflow::PartitionsSnapshot::default(),
        }
    }

    #[test]
    fn the_smallest_of_too_many_queues_are_told_as_one() {
        let queues = (0..MAX_QUEUES as u64 + 3).map(|n| queue(&format!("q{n}"), n));
        let told = told(queues.collect());
        assert_eq!(told.len(), MAX_QUEUES + 1);
        assert_eq!(told[0].0, "q202");
        let (name, others) = told.last().unwrap();
        assert_eq!((name.as_str(), others.counts.waiting), (OTHERS, 1 + 2));
        assert!(QueueName::new(OTHERS).is_err());
    }
}
