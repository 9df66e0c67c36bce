//! Numbers that never move.

use jobflow::proto;
use tonic::{Request, Response, Status};

use super::{Fake, NOW, time};

type MetricsStream =
    tokio_stream::wrappers::ReceiverStream<Result<proto::StreamMetricsResponse, Status>>;

#[tonic::async_trait]
impl proto::metrics_service_server::MetricsService for Fake {
    type StreamMetricsStream = MetricsStream;

    /// A point for each step asked for, without any percentiles in the first.
    async fn query_metrics(
        &self,
        request: Request<proto::QueryMetricsRequest>,
    ) -> Result<Response<proto::QueryMetricsResponse>, Status> {
        let request = request.into_inner();
        if request.queue == "missing" {
            return Err(Status::not_found("queue missing does not exist"));
        }
        let length = NOW - request.start_time.unwrap_or_default().seconds;
        let step = request.step.map_or(60, |step| step.seconds);
        let point = |n: i64| proto::MetricsPoint {
            start_time: time(NOW - length + n * step),
            counted: Some(proto::QueueTotals {
                submitted: n,
                ..Default::default()
            }),
            waiting: 4,
            run: (n > 0).then_some(proto::Percentiles {
                count: n,
                p50: Some(prost_types::Duration {
                    seconds: 2,
                    nanos: 0,
                }),
                p95: Some(prost_types::Duration {
                    seconds: 3,
                    nanos: 0,
                }),
                p99: Some(prost_types::Duration {
                    seconds: 90,
                    nanos: 0,
                }),
            }),
            wait: None,
        };
        Ok(Response::new(proto::QueryMetricsResponse {
            points: (0..length / step).map(point).collect(),
            step: request.step,
            earliest_time: time(0),
            whole: Some(point(1)),
            kinds: Vec::new(),
            unreachable: Vec::new(),
        }))
    }

    async fn stream_metrics(
        &self,
        _: Request<proto::StreamMetricsRequest>,
    ) -> Result<Response<MetricsStream>, Status> {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let mut script = self.script();
        script.streams += 1;
        let last = script.metrics_messages.unwrap_or(u64::MAX);
        let mut pace = script.pace.map(tokio::time::interval);
        tokio::spawn(async move {
            for sequence in 1..=last {
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                let message = proto::StreamMetricsResponse {
                    sequence,
                    snapshot: sequence == 1,
                    time: time(NOW),
                    queues: vec![proto::QueueMetrics {
                        queue: Some(proto::Queue {
                            name: "mail".to_owned(),
                            ..Default::default()
                        }),
                        ..Default::default()
                    }],
                    counts: Some(proto::JobCounts {
                        waiting: 3,
                        ..Default::default()
                    }),
                    ..Default::default()
                };
                if sender.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(MetricsStream::new(receiver)))
    }
}
