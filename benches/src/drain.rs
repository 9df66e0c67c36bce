//! Waiting no-op jobs through one worker, until the last is acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use jobflow_worker::{AttemptError, Context, Handler, HandlerFuture, Worker};
use tokio::sync::oneshot;

use crate::bulk;
use crate::setting::{print_rate, queue};

struct Noop;

impl Handler for Noop {
    fn prepare(&self, _ctx: Context) -> Result<HandlerFuture, AttemptError> {
        Ok(Box::pin(async { Ok(None) }))
    }
}

pub(crate) async fn run(n: usize, concurrency: usize) -> Result<()> {
    let queue = queue("drain")?;
    bulk::submit(&queue, n, 500).await?;
    let worker = Worker::builder(&queue)
        .concurrency(concurrency)
        .handler_for("*", Arc::new(Noop))
        .build()?;
    let stats = worker.stats();
    let (stop, stopped) = oneshot::channel::<()>();
    let began = Instant::now();
    let running = tokio::spawn(worker.run_until(async {
        // An error means that the sender is gone, which is a stop as well.
        let _stop = stopped.await;
    }));
    // The worker counts a job as completed when Redis has acknowledged it.
    while stats.completed.get() < n as u64 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = began.elapsed();
    drop(stop);
    running.await??;
    print_rate("drain", n, ("c", concurrency), took);
    Ok(())
}
