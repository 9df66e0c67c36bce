//! From the call of submit to the start of the handler, at a steady rate.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jobflow::NewJob;
use jobflow_worker::{AttemptError, Context, Handler, HandlerFuture, Worker};
use serde_json::json;
use tokio::sync::oneshot;

use crate::setting::{print, queue};

/// Notes how long ago the payload says that the job was submitted.
struct Stopwatch {
    began: Instant,
    latencies: Mutex<Vec<Duration>>,
}

impl Handler for Stopwatch {
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        let at = ctx
            .payload()
            .get(..8)
            .and_then(|at| at.try_into().ok())
            .map_or(0, u64::from_le_bytes);
        let latency = self
            .began
            .elapsed()
            .saturating_sub(Duration::from_nanos(at));
        self.latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(latency);
        Ok(Box::pin(async { Ok(None) }))
    }
}

pub(crate) async fn run(rate: u32, seconds: u32) -> Result<()> {
    let queue = queue("latency")?;
    let watch = Arc::new(Stopwatch {
        began: Instant::now(),
        latencies: Mutex::default(),
    });
    let worker = Worker::builder(&queue)
        .concurrency(100)
        .handler_for("*", Arc::<Stopwatch>::clone(&watch))
        .build()?;
    let stats = worker.stats();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(worker.run_until(async {
        // An error means that the sender is gone, which is a stop as well.
        let _stop = stopped.await;
    }));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    let total = rate * seconds;
    for n in 0..total {
        tokio::time::sleep_until((began + Duration::from_secs(1) * n / rate).into()).await;
        let at = u64::try_from(watch.began.elapsed().as_nanos())?;
        let job = NewJob::new("noop", [&at.to_le_bytes()[..], &[b' '; 42]].concat())?;
        let queue = queue.clone();
        tokio::spawn(async move { queue.submit(job).await });
    }
    while stats.completed.get() < u64::from(total) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(stop);
    running.await??;
    let mut latencies = watch
        .latencies
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    latencies.sort_unstable();
    let at = |part: usize| -> Result<f64> {
        let place = (latencies.len() * part / 100).min(latencies.len().saturating_sub(1));
        let latency = latencies.get(place).context("no job ran")?;
        Ok((latency.as_secs_f64() * 1e6).round() / 1e3)
    };
    print(
        &json!({"peer": "jobflow", "mode": "latency", "rate": rate, "secs": seconds,
        "p50_ms": at(50)?, "p99_ms": at(99)?, "max_ms": at(100)?}),
    );
    Ok(())
}
