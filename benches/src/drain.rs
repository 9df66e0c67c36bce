//! Waiting no-op jobs through one worker, until the last is acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jobflow::{JobQueue, Namespace, QueueConfig};
use jobflow_worker::{AttemptError, Context, Handler, HandlerFuture, Worker, shutdown_signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::bulk;
use crate::setting::{print_rate, queue, redis_url};
use crate::store::Store;

struct Noop;

impl Handler for Noop {
    fn prepare(&self, _ctx: Context) -> Result<HandlerFuture, AttemptError> {
        Ok(Box::pin(async { Ok(None) }))
    }
}

pub(crate) fn worker(queue: &JobQueue, concurrency: usize) -> jobflow::Result<Worker> {
    Worker::builder(queue)
        .concurrency(concurrency)
        .handler_for("*", Arc::new(Noop))
        .build()
}

pub(crate) async fn run(mode: &str, n: usize, concurrency: usize) -> Result<()> {
    let queue = queue(mode)?;
    bulk::submit(&queue, n, 500).await?;
    let took = drain(&queue, n, concurrency).await?;
    print_rate(mode, n, ("c", concurrency), took);
    Ok(())
}

/// As [`run`], with every write on disk before it is answered.
pub(crate) async fn with_aof(n: usize, concurrency: usize) -> Result<()> {
    let mut store = Store::connect().await?;
    store.set("appendfsync", "always").await?;
    store.set("appendonly", "yes").await?;
    let written = async {
        // The file begins with a copy of what is there.
        while store.info("persistence", "aof_rewrite_in_progress").await? != "0"
            || store.info("persistence", "aof_rewrite_scheduled").await? != "0"
        {
            sleep(Duration::from_millis(20)).await;
        }
        run("drain-aof", n, concurrency).await
    };
    let written = written.await;
    store.set("appendonly", "no").await?;
    written
}

/// How long a worker takes for `n` waiting jobs.
pub(crate) async fn drain(queue: &JobQueue, n: usize, concurrency: usize) -> Result<Duration> {
    let worker = worker(queue, concurrency)?;
    let stats = worker.stats();
    let (stop, stopped) = oneshot::channel::<()>();
    let began = Instant::now();
    let running = tokio::spawn(worker.run_until(async {
        // An error means that the sender is gone, which is a stop as well.
        let _stop = stopped.await;
    }));
    // The worker counts a job as completed when Redis has acknowledged it.
    while stats.completed.get() < n as u64 {
        sleep(Duration::from_millis(2)).await;
    }
    let took = began.elapsed();
    drop(stop);
    running.await??;
    Ok(took)
}

/// `jobflow-bench worker`: works until it is told to end.
pub(crate) async fn work() -> Result<()> {
    let namespace = std::env::var("JOBFLOW_NAMESPACE").context("JOBFLOW_NAMESPACE is not set")?;
    let queue = JobQueue::open(QueueConfig {
        redis_url: redis_url()?,
        namespace: Namespace::new(namespace)?,
        ..QueueConfig::default()
    })?;
    Ok(worker(&queue, 100)?.run_until(shutdown_signal()).await?)
}
