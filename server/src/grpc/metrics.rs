//! `MetricsService`.

use std::sync::Arc;
use std::time::Duration;

use super::services::metrics_service_server::MetricsService;
use futures_util::stream::{self, StreamExt};
use jobflow::{Error, Kind, MetricsQuery, QueueName, Result, proto};
use tonic::{Request, Response, Status};

use super::status::{self, reply};
use super::watch::Messages;
use crate::app::App;
use crate::auth::who;
use crate::metrics_hub::MetricsStream;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Also the longest silence, by which a reader tells that the server is gone.
const MAX_INTERVAL: Duration = Duration::from_secs(15);

pub(super) struct Metrics(pub(super) Arc<App>);

#[tonic::async_trait]
impl MetricsService for Metrics {
    type StreamMetricsStream = Messages<proto::StreamMetricsResponse>;

    async fn stream_metrics(
        &self,
        request: Request<proto::StreamMetricsRequest>,
    ) -> Result<Response<Self::StreamMetricsStream>, Status> {
        let interval = interval(request.get_ref().interval.as_ref());
        reply(interval.and_then(|interval| self.open(interval)))
    }

    async fn query_metrics(
        &self,
        request: Request<proto::QueryMetricsRequest>,
    ) -> Result<Response<proto::QueryMetricsResponse>, Status> {
        reply(self.query(request.into_inner()).await)
    }
}

impl Metrics {
    /// Until the caller goes or an error, which is the last item.
    fn open(&self, interval: Duration) -> Result<Messages<proto::StreamMetricsResponse>> {
        let stream = self.0.metrics.subscribe(interval, who::scope()?)?;
        let next = |stream: Option<MetricsStream>| async {
            let mut stream = stream?;
            Some(match stream.next().await {
                Ok(message) => (Ok(message), Some(stream)),
                Err(error) => (Err(status::of(&error)), None),
            })
        };
        Ok(stream::unfold(Some(stream), next).boxed())
    }
}

impl Metrics {
    async fn query(
        &self,
        request: proto::QueryMetricsRequest,
    ) -> Result<proto::QueryMetricsResponse> {
        let time = |field, time: Option<prost_types::Timestamp>| {
            time.map(|time| proto::timestamp_from(field, &time))
                .transpose()
        };
        let step = |step| proto::duration_from("step", &step);
        let kind = (!request.kind.is_empty()).then(|| Kind::new(&request.kind));
        let query = MetricsQuery {
            kind: kind.transpose()?,
            start: time("start_time", request.start_time)?,
            end: time("end_time", request.end_time)?,
            step: request.step.map(step).transpose()?,
            queues: self.asked_for(&request.queue).await?,
        };
        let history = self.0.queue.query_metrics(&query).await?;
        Ok((&history).into())
    }

    /// One queue, or all that the caller may see.
    async fn asked_for(&self, name: &str) -> Result<Vec<QueueName>> {
        if !name.is_empty() {
            let name = QueueName::new(name)?;
            who::queue(&name)?;
            return Ok(vec![name]);
        }
        let scope = who::scope()?;
        let mut queues = self.0.queue.queues().await?;
        queues.retain(|queue| scope.contains(queue.as_str()));
        Ok(queues)
    }
}

fn interval(asked: Option<&prost_types::Duration>) -> Result<Duration> {
    let Some(asked) = asked else {
        return Ok(DEFAULT_INTERVAL);
    };
    proto::duration_from("interval", asked)
        .ok()
        .filter(|interval| (MIN_INTERVAL..=MAX_INTERVAL).contains(interval))
        .ok_or_else(|| Error::invalid("interval", "must be 100 ms to 15 s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_bounded_and_defaults_to_a_second() {
        let of = |seconds, nanos| interval(Some(&prost_types::Duration { seconds, nanos }));
        assert_eq!(interval(None), Ok(DEFAULT_INTERVAL));
        assert_eq!(of(0, 100_000_000), Ok(MIN_INTERVAL));
        assert_eq!(of(15, 0), Ok(MAX_INTERVAL));
        for (seconds, nanos) in [(0, 0), (0, 99_999_999), (15, 1), (-1, 0)] {
            assert_eq!(of(seconds, nanos).unwrap_err().field(), Some("interval"));
        }
    }
}
