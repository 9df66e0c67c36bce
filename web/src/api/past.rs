//! What happened in the past, from the wire.

use std::time::Duration;

use jobflow::{StoreTime, proto};

use super::{
    Answered, Api,
    values::{duration, millis, natural},
    wire::call,
};
use crate::{
    history::{SPAN_MS, Second},
    model::{Quantiles, Rates},
    past::{Past, PastPoint},
    route::QueueView,
};

impl Api {
    /// All queues in the last minutes, second by second, without the one that
    /// is not over.
    pub(crate) async fn last_seconds(now: u64) -> Answered<Vec<Second>> {
        let request = proto::QueryMetricsRequest {
            start_time: Some(proto::timestamp(StoreTime(now.saturating_sub(SPAN_MS)))),
            step: Some(proto::duration(Duration::from_secs(1))),
            ..proto::QueryMetricsRequest::default()
        };
        let points = call(request).await?.points;
        let whole = &points[..points.len().saturating_sub(1)];
        Ok(whole.iter().map(second).collect())
    }

    /// One queue, or a kind of its jobs.
    pub(crate) async fn query_metrics(view: &QueueView, now: u64) -> Answered<Past> {
        let (span, step) = (view.span, Duration::from_secs(view.span.step()));
        let request = proto::QueryMetricsRequest {
            queue: view.name.clone(),
            kind: view.kind.clone(),
            start_time: Some(proto::timestamp(StoreTime(
                now.saturating_sub(span.millis()),
            ))),
            end_time: None,
            step: Some(proto::duration(step)),
        };
        let response = call(request).await?;
        let whole = response.whole.as_ref().map(point).unwrap_or_default();
        let mut points: Vec<_> = response.points.iter().map(point).collect();
        // The first step of a queue is drawn even while it lasts.
        if let [_, .., last] = &mut points[..] {
            last.is_open = last.start + span.step() * 1_000 > now;
        }
        Ok(Past {
            start: whole.start,
            step: span.step() * 1_000,
            end: now,
            points,
            whole,
            kinds: response.kinds,
            unreachable: response.unreachable.len(),
        })
    }
}

fn second(point: &proto::MetricsPoint) -> Second {
    let counted = point.counted.unwrap_or_default();
    let rate = |count| natural(count) as f64;
    Second {
        end: point.start_time.as_ref().map(millis).unwrap_or_default() + 1_000,
        rates: Rates {
            submitted: rate(counted.submitted),
            completed: rate(counted.completed),
            failed: rate(counted.failed),
        },
        waiting: natural(point.waiting),
    }
}

fn point(point: &proto::MetricsPoint) -> PastPoint {
    let counted = point.counted.unwrap_or_default();
    PastPoint {
        start: point.start_time.as_ref().map(millis).unwrap_or_default(),
        submitted: natural(counted.submitted),
        completed: natural(counted.completed),
        failed: natural(counted.failed),
        waiting: natural(point.waiting),
        wait: point.wait.map(quantiles),
        run: point.run.map(quantiles),
        is_open: false,
    }
}

pub(super) fn quantiles(message: proto::Percentiles) -> Quantiles {
    let of = |time: Option<prost_types::Duration>| time.map(duration).unwrap_or_default();
    Quantiles {
        count: natural(message.count),
        p50: of(message.p50),
        p95: of(message.p95),
        p99: of(message.p99),
    }
}
