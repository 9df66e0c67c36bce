//! What happened in the past, on the wire.

use super::look::names;
use super::values::wide;
use super::{duration, timestamp};
use crate::histogram::Histogram;
use crate::proto;
use crate::queue::{MetricsHistory, MetricsPoint};

impl From<&MetricsHistory> for proto::QueryMetricsResponse {
    fn from(history: &MetricsHistory) -> Self {
        Self {
            points: history.points.iter().map(Into::into).collect(),
            step: Some(duration(history.window.step())),
            earliest_time: history.since.map(timestamp),
            whole: Some((&history.whole()).into()),
            kinds: history.kinds.iter().map(ToString::to_string).collect(),
            unreachable: names(&history.unreachable),
        }
    }
}

impl From<&MetricsPoint> for proto::MetricsPoint {
    fn from(point: &MetricsPoint) -> Self {
        Self {
            start_time: Some(timestamp(point.start)),
            counted: Some(point.counted.into()),
            waiting: wide(point.waiting),
            wait: percentiles(&point.measured.wait),
            run: percentiles(&point.measured.run),
        }
    }
}

/// The percentiles that people look at; none of nothing.
#[must_use]
pub fn percentiles(histogram: &Histogram) -> Option<proto::Percentiles> {
    let of = |part| histogram.quantile(part).map(duration);
    histogram.quantile(0.0).map(|_| proto::Percentiles {
        count: wide(histogram.count()),
        p50: of(0.5),
        p95: of(0.95),
        p99: of(0.99),
    })
}
