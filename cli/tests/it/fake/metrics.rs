//! Numbers that never move.

use jobflow::proto;
use tonic::{Request, Response, Status};

use super::{Fake, NOW, time};

type MetricsStream =
    tokio_stream::wrappers::ReceiverStream<Result<proto::StreamMetricsResponse, Status>>;

#[tonic::async_trait]
impl proto::metrics_service_server::MetricsService for Fake {
    type StreamMetricsStream = MetricsStream;

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
