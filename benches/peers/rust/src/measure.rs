//! The four measurements, the same for every peer.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};

/// What a job carries: the same 46 bytes of JSON for everybody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Email {
    to: String,
    template: String,
    /// Nanoseconds after the start of this process; there only where latency is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<u64>,
}

impl Email {
    pub fn new() -> Self {
        Self {
            to: "user@example.com".into(),
            template: "welcome".into(),
            sent: None,
        }
    }

    fn sent_now() -> Self {
        Self {
            sent: Some(now()),
            ..Self::new()
        }
    }
}

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// How many handlers have run.
static RAN: AtomicUsize = AtomicUsize::new(0);
static LATENCIES: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn now() -> u64 {
    BEGAN.elapsed().as_nanos() as u64
}

/// What every peer's handler does.
pub fn ran(email: &Email) {
    if let Some(sent) = email.sent {
        LATENCIES.lock().unwrap().push(now() - sent);
    }
    RAN.fetch_add(1, Relaxed);
}

/// A job system as the measurements see it.
pub trait Peer: Clone + Send + Sync + Sized + 'static {
    const NAME: &str;

    /// Connects a producer.
    fn connect(url: &str) -> impl Future<Output = Result<Self>> + Send;

    /// Stores one job.
    fn submit(&self, email: Email) -> impl Future<Output = Result<()>> + Send;

    /// Stores many jobs in one call; `None` where the peer has no such call.
    fn submit_many(&self, count: usize) -> impl Future<Output = Option<Result<()>>> + Send;

    /// Starts a worker that calls [`ran`].
    fn work(&self, concurrency: usize) -> impl Future<Output = Result<()>> + Send;
}

pub async fn measure<P: Peer>(url: &str, work: &str) -> Result<()> {
    let parts: Vec<&str> = work.split(':').collect();
    let [mode, first, second] = parts[..] else {
        bail!("expected MODE:A:B, not {work}");
    };
    let (a, b): (usize, usize) = (first.parse()?, second.parse()?);
    let peer = P::connect(url).await?;
    let line = match mode {
        "enqueue" => {
            let took = submit_singly(&peer, a, b).await?;
            json!({"n": a, "c": b, "jobs_per_s": rate(a, took)})
        }
        "bulk" => {
            let took = submit_in_bulk(&peer, a, b).await?;
            let took = took.context("this peer has no call for many jobs")?;
            json!({"n": a, "size": b, "jobs_per_s": rate(a, took)})
        }
        "drain" => {
            if submit_in_bulk(&peer, a, 500).await?.is_none() {
                submit_singly(&peer, a, 64).await?;
            }
            let began = Instant::now();
            peer.work(b).await?;
            until_ran(a, Duration::from_millis(2)).await;
            json!({"n": a, "c": b, "jobs_per_s": rate(a, began.elapsed())})
        }
        "latency" => latency(&peer, a, b).await?,
        other => bail!("no mode {other}: enqueue, bulk, drain or latency"),
    };
    print(P::NAME, mode, line);
    Ok(())
}

/// `n` jobs, one a call, from several callers.
async fn submit_singly<P: Peer>(peer: &P, n: usize, callers: usize) -> Result<Duration> {
    peer.submit(Email::new()).await?;
    let left = Arc::new(AtomicUsize::new(n - 1));
    let began = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (peer, left) = (peer.clone(), left.clone());
            tokio::spawn(async move {
                let take = |left: usize| left.checked_sub(1);
                while left.fetch_update(Relaxed, Relaxed, take).is_ok() {
                    peer.submit(Email::new()).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(began.elapsed())
}

/// `n` jobs, `size` a call, from one caller.
async fn submit_in_bulk<P: Peer>(peer: &P, n: usize, size: usize) -> Result<Option<Duration>> {
    let began = Instant::now();
    let mut left = n;
    while left > 0 {
        let count = left.min(size);
        match peer.submit_many(count).await {
            Some(submitted) => submitted?,
            None => return Ok(None),
        }
        left -= count;
    }
    Ok(Some(began.elapsed()))
}

async fn latency<P: Peer>(peer: &P, rate: usize, seconds: usize) -> Result<Value> {
    peer.work(100).await?;
    sleep(Duration::from_millis(500)).await;
    let (began, total) = (Instant::now(), rate * seconds);
    for n in 0..total {
        sleep_until((began + Duration::from_secs(1) * n as u32 / rate as u32).into()).await;
        let peer = peer.clone();
        tokio::spawn(async move { peer.submit(Email::sent_now()).await });
    }
    until_ran(total, Duration::from_millis(10)).await;
    let mut latencies = LATENCIES.lock().unwrap().clone();
    latencies.sort_unstable();
    let at = |part: usize| {
        let place = (latencies.len() * part / 100).min(latencies.len() - 1);
        (latencies[place] as f64 / 1e3).round() / 1e3
    };
    Ok(
        json!({"rate": rate, "secs": seconds, "p50_ms": at(50), "p99_ms": at(99), "max_ms": at(100)}),
    )
}

async fn until_ran(count: usize, look_every: Duration) {
    while RAN.load(Relaxed) < count {
        sleep(look_every).await;
    }
}

fn rate(n: usize, took: Duration) -> f64 {
    (n as f64 / took.as_secs_f64()).round()
}

fn print(peer: &str, mode: &str, mut line: Value) {
    line["peer"] = peer.into();
    line["mode"] = mode.into();
    println!("{line}");
}
