//! What happened in the past, step by step.

use std::iter;

use jobflow::proto;
use serde::Serialize;

use crate::view::json::text as wire_text;
use crate::view::queue::QueueTotals;
use crate::view::table::Column::{Left, Right};
use crate::view::table::table;
use crate::view::words::{count, wire_duration};

#[derive(Serialize)]
pub(crate) struct History {
    step: Option<String>,
    earliest_time: Option<String>,
    points: Vec<Point>,
    whole: Option<Point>,
}

#[derive(Serialize)]
pub(crate) struct Point {
    start_time: Option<String>,
    counted: QueueTotals,
    waiting: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Percentiles>,
}

#[derive(Serialize)]
struct Percentiles {
    count: i64,
    p50: Option<String>,
    p95: Option<String>,
    p99: Option<String>,
}

impl History {
    pub(crate) fn new(past: &proto::QueryMetricsResponse) -> Self {
        Self {
            step: wire_text(past.step),
            earliest_time: wire_text(past.earliest_time),
            points: past.points.iter().map(Point::new).collect(),
            whole: past.whole.as_ref().map(Point::new),
        }
    }
}

impl Point {
    pub(crate) fn new(point: &proto::MetricsPoint) -> Self {
        Self {
            start_time: wire_text(point.start_time),
            counted: point.counted.unwrap_or_default().into(),
            waiting: point.waiting,
            wait: point.wait.map(Into::into),
            run: point.run.map(Into::into),
        }
    }
}

impl From<proto::Percentiles> for Percentiles {
    fn from(percentiles: proto::Percentiles) -> Self {
        Self {
            count: percentiles.count,
            p50: wire_text(percentiles.p50),
            p95: wire_text(percentiles.p95),
            p99: wire_text(percentiles.p99),
        }
    }
}

pub(crate) fn text(past: &proto::QueryMetricsResponse) -> String {
    let numbers = [
        "SUBMITTED",
        "COMPLETED",
        "FAILED",
        "WAITING",
        "WAIT P50",
        "P95",
        "P99",
        "RUN P50",
        "P95",
        "P99",
    ];
    let columns: Vec<_> = iter::once(Left("BEGAN"))
        .chain(numbers.map(Right))
        .collect();
    let began = |point: &proto::MetricsPoint| wire_text(point.start_time).unwrap_or_default();
    let mut rows: Vec<_> = past
        .points
        .iter()
        .map(|point| row(began(point), point))
        .collect();
    rows.extend(
        past.whole
            .as_ref()
            .map(|whole| row("all".to_owned(), whole)),
    );
    table(&columns, &rows)
}

fn row(first: String, point: &proto::MetricsPoint) -> Vec<String> {
    let counted = point.counted.unwrap_or_default();
    let mut row = vec![first];
    row.extend(
        [
            counted.submitted,
            counted.completed,
            counted.failed,
            point.waiting,
        ]
        .map(count),
    );
    for percentiles in [point.wait, point.run] {
        let told = percentiles.unwrap_or_default();
        row.extend([told.p50, told.p95, told.p99].map(|wire| wire_duration(wire.as_ref())));
    }
    row
}
