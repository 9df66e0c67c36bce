//! The whole way: gRPC unary calls in, a worker that does nothing, completed.
//! Server and worker are processes of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jobflow::{JobQueue, QueueSnapshot};
use serde_json::json;
use tokio::time::sleep;

use crate::children::Process;
use crate::grpc;
use crate::setting::{config, number, print};

const CHANNELS: usize = 4;
/// Until everybody is connected and at work.
const WARM_UP: Duration = Duration::from_secs(1);

pub(crate) async fn run(seconds: usize, in_flight: usize) -> Result<()> {
    let config = config("pipeline")?;
    let queue = JobQueue::open(config.clone())?;
    let server = Process::server(&config).await?;
    let _worker = Process::noop_worker(&config)?;
    let channels = grpc::channels(&server.address, CHANNELS).await?;
    let time = Duration::from_secs(seconds as u64);
    let enough = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&enough);
    let calls = tokio::spawn(async move {
        grpc::unary_calls_while(&channels, in_flight, move || !told.load(Relaxed)).await
    });

    sleep(WARM_UP).await;
    let (began, first) = (Instant::now(), numbers(&queue).await?);
    sleep(time).await;
    let (last, took) = (numbers(&queue).await?, began.elapsed());
    enough.store(true, Relaxed);
    calls.await??;
    let per_second = |total: fn(&QueueSnapshot) -> u64| {
        (number(total(&last) - total(&first)) / took.as_secs_f64()).round()
    };
    print(
        &json!({"peer": "jobflow", "mode": "pipeline", "c": in_flight, "secs": seconds,
        "jobs_per_s": per_second(|queue| queue.totals.completed),
        "submitted_per_s": per_second(|queue| queue.totals.submitted),
        "waiting_at_start": first.counts.waiting, "waiting_at_end": last.counts.waiting}),
    );
    Ok(())
}

async fn numbers(queue: &JobQueue) -> Result<QueueSnapshot> {
    let mut queues = queue.snapshot().await?.queues;
    queues.pop().context("no job has arrived")
}
