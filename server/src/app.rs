//! What every handler shares, and the calls that both edges make.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use jobflow::{JobQueue, NewJob, QueueConfig, Result, Submitted};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::event_hub::EventHub;
use crate::metrics_hub::MetricsHub;
use crate::store_watch::StoreWatch;

/// Cheap to clone: one per handler.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) queue: JobQueue,
    pub(crate) store: StoreWatch,
    pub(crate) metrics: MetricsHub,
    pub(crate) events: EventHub,
    pub(crate) about: Arc<About>,
    pub(crate) stopping: CancellationToken,
}

/// What does not change while the server runs.
pub(crate) struct About {
    pub(crate) started: SystemTime,
}

impl App {
    pub(crate) fn open(config: &Config, stopping: &CancellationToken) -> Result<Self> {
        let queue = JobQueue::open(QueueConfig {
            redis_url: config.redis_url.clone(),
            namespace: config.namespace.clone(),
            allow_eviction: config.allow_eviction,
            ..QueueConfig::default()
        })?;
        let store = StoreWatch::new(queue.clone());
        let server_id = Uuid::now_v7().to_string();
        let metrics = MetricsHub::new(server_id, snapshots(&queue, &store), stopping.clone());
        Ok(Self {
            events: EventHub::new(queue.clone(), stopping.clone()),
            about: Arc::new(About { started: now() }),
            stopping: stopping.clone(),
            queue,
            store,
            metrics,
        })
    }

    /// Creates one job, if the store may be used.
    pub(crate) async fn submit(&self, job: NewJob) -> Result<Submitted> {
        self.store.admit().await?;
        self.queue.submit(job).await
    }

    /// Creates jobs with a verdict each, if the store may be used.
    pub(crate) async fn submit_batch(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Submitted>>> {
        self.store.admit().await?;
        Ok(self.queue.submit_batch(jobs).await)
    }
}

/// Where the metrics hub gets its numbers.
fn snapshots(queue: &JobQueue, store: &StoreWatch) -> crate::metrics_hub::Source {
    let (queue, store) = (queue.clone(), store.clone());
    Box::new(move || {
        let (queue, store) = (queue.clone(), store.clone());
        async move {
            store.admit().await?;
            queue.snapshot().await
        }
        .boxed()
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "when this process began is no matter of the store's clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
