//! Calls that go on: numbers, events, one job; and what the numbers were.

use std::time::Duration;

use jobflow::proto::{
    self, QueryMetricsRequest, QueryMetricsResponse, StreamMetricsRequest, WatchEventsRequest,
    WatchEventsResponse, WatchJobRequest, WatchJobResponse,
};
use prost_types::Timestamp;
use tokio::time::timeout;
use tonic::Streaming;

use crate::client::Client;
use crate::error::{Error, Result};

/// Keeps a stream that ends at once from being opened in a tight loop.
pub(crate) const REOPEN_PAUSE: Duration = Duration::from_millis(250);

const METRICS_INTERVAL: Duration = Duration::from_secs(1);

impl Client {
    /// The numbers as they are now.
    pub(crate) async fn first_metrics(&self) -> Result<proto::StreamMetricsResponse> {
        let first = async {
            match self.metrics(METRICS_INTERVAL).await?.message().await {
                Ok(Some(numbers)) => Ok(numbers),
                Ok(None) => Err(self.incomplete()),
                Err(status) => Err(self.error(&status)),
            }
        };
        let late = |_| Err(Error::no_answer(&self.server));
        timeout(self.call_timeout, first).await.unwrap_or_else(late)
    }

    /// Opens a stream of numbers; its first message comes at once.
    pub(crate) async fn metrics(
        &self,
        interval: Duration,
    ) -> Result<Streaming<proto::StreamMetricsResponse>> {
        let message = StreamMetricsRequest {
            interval: Some(proto::duration(interval)),
        };
        self.retry(async || self.numbers().stream_metrics(message).await)
            .await
    }

    /// What happened in the past.
    pub(crate) async fn query_metrics(
        &self,
        message: QueryMetricsRequest,
    ) -> Result<QueryMetricsResponse> {
        self.call(self.call_timeout, &message, async |request| {
            self.numbers().query_metrics(request).await
        })
        .await
    }

    /// What time it is for the store, whose clock alone counts.
    pub(crate) async fn store_time(&self) -> Result<Timestamp> {
        let numbers = self.first_metrics().await?;
        numbers.time.ok_or_else(|| self.incomplete())
    }

    /// Follows one job; its first message comes at once.
    pub(crate) async fn watch_job(
        &self,
        id: &str,
        from_line: i64,
    ) -> Result<Streaming<WatchJobResponse>> {
        let message = WatchJobRequest {
            id: id.to_owned(),
            from_line,
        };
        self.retry(async || self.jobs().watch_job(message.clone()).await)
            .await
    }

    /// Follows the events behind a resume token, or from now on.
    pub(crate) async fn watch_events(
        &self,
        filter: &str,
        resume_token: &str,
    ) -> Result<Streaming<WatchEventsResponse>> {
        let message = WatchEventsRequest {
            filter: filter.to_owned(),
            resume_token: resume_token.to_owned(),
        };
        self.retry(async || self.jobs().watch_events(message.clone()).await)
            .await
    }
}
