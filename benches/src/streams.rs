//! Many open `StreamMetrics` streams: polls of the store, the price for
//! submits, the memory of the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jobflow::JobQueue;
use serde_json::json;
use tonic::transport::Channel;

use crate::bulk;
use crate::children::Process;
use crate::drain;
use crate::grpc;
use crate::setting::{config, median, number, print, rate, rounded};
use crate::store::Store;

/// With and without streams, in turns, and every other round the other way
/// round: the store grows all the while.
const ROUNDS: usize = 4;
const IN_FLIGHT: usize = 64;

pub(crate) async fn run(count: usize, seconds: usize) -> Result<()> {
    let config = config("streams")?;
    let store = Store::connect().await?;
    let server = Process::server(&config).await?;
    // Something to report: a finished job is a part of every message.
    let queue = JobQueue::open(config)?;
    bulk::submit(&queue, 1_000, 500).await?;
    drain::drain(&queue, 1_000, 100).await?;

    let channels = grpc::channels(&server.address, 4).await?;
    let time = Duration::from_secs(seconds as u64);
    let (mut without, mut with, mut polls) = (Vec::new(), Vec::new(), Vec::new());
    let (mut memory, mut ticks): (Option<f64>, Vec<f64>) = (None, Vec::new());
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            without.push(submits_per_s(&channels, time).await?);
        }
        let watchers = Process::watchers(&server, count).await?;
        let before = server.cpu_ticks()?;
        let sent = store.listen(time).await?;
        ticks.push(number(server.cpu_ticks()? - before));
        let polled = sent.get("stats").copied().unwrap_or_default();
        ensure!(polled > 0, "no poll was seen");
        polls.push(number(polled) / time.as_secs_f64());
        memory = server
            .resident_mb()
            .map(|mb| memory.map_or(mb, |most| most.max(mb)));
        with.push(submits_per_s(&channels, time).await?);
        drop(watchers);
        if round % 2 == 1 {
            without.push(submits_per_s(&channels, time).await?);
        }
    }
    let loss = 100.0 * (1.0 - median(&with) / median(&without));
    print(
        &json!({"peer": "jobflow", "mode": "streams", "streams": count, "secs": seconds,
        "polls_per_s": rounded(median(&polls)), "resident_mb": memory,
        // A tick is a hundredth of a second.
        "server_cpu_percent": rounded(median(&ticks) / time.as_secs_f64()),
        "submits_per_s_without": median(&without), "submits_per_s_with": median(&with),
        "submit_loss_percent": rounded(loss)}),
    );
    Ok(())
}

async fn submits_per_s(channels: &[Channel], time: Duration) -> Result<f64> {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, began) = (Arc::clone(&asked), Instant::now());
    let more = move || {
        count.fetch_add(1, Relaxed);
        began.elapsed() < time
    };
    grpc::unary_calls_while(channels, IN_FLIGHT, more).await?;
    // The last time each caller asked, it was told to stop.
    let calls = asked.load(Relaxed) - IN_FLIGHT;
    Ok(rate(calls, began.elapsed()))
}
