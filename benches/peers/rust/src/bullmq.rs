//! `bullmq-official`, BullMQ's own port to Rust.

use std::sync::Arc;

use anyhow::Result;
use bullmq::options::RedisConnectionOptions;
use bullmq::types::RemoveOnFinish;
use bullmq::{BulkJob, Job, JobOptions, Queue, QueueOptions, Worker, WorkerOptions};

use crate::measure::{Email, Peer, ran};

#[derive(Clone)]
pub struct BullMq {
    queue: Arc<Queue>,
    connection: RedisConnectionOptions,
}

/// The history that we keep, too.
fn options() -> JobOptions {
    JobOptions {
        remove_on_complete: Some(RemoveOnFinish::Count(1000)),
        ..Default::default()
    }
}

impl Peer for BullMq {
    const NAME: &str = "bullmq-rs";

    async fn connect(url: &str) -> Result<Self> {
        let connection = RedisConnectionOptions {
            url: url.to_owned(),
            ..Default::default()
        };
        let settings = QueueOptions {
            connection: connection.clone(),
            ..Default::default()
        };
        let queue = Arc::new(Queue::with_options("bench", settings).await?);
        Ok(Self { queue, connection })
    }

    async fn submit(&self, email: Email) -> Result<()> {
        self.queue.add("noop", email).options(options()).await?;
        Ok(())
    }

    async fn submit_many(&self, count: usize) -> Option<Result<()>> {
        let job = || BulkJob::with_options("noop", Email::new(), options());
        let jobs = (0..count).map(|_| job()).collect();
        let added = self.queue.add_bulk(jobs).await;
        Some(added.map(drop).map_err(Into::into))
    }

    async fn work(&self, concurrency: usize) -> Result<()> {
        let settings = WorkerOptions {
            connection: self.connection.clone(),
            concurrency,
            ..Default::default()
        };
        let handler = |job: Job, _| async move {
            if let Ok(email) = serde_json::from_value(job.data().clone()) {
                ran(&email);
            }
            Ok(serde_json::Value::Null)
        };
        let worker = Worker::with_options("bench", handler, settings).await?;
        // It works as long as it is not dropped.
        std::mem::forget(worker);
        Ok(())
    }
}
