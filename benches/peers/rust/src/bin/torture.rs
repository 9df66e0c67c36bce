//! Submitters, workers and a last look for `cargo xtask torture --peer bullmq-rs`: the
//! lines they write are those of `tests/torture/checker`.
//!
//! `torture submit|work|left|dump [--log FILE] [--rate N] [--slots N] [--lease-ms N]`

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::process::id as pid;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use bullmq::options::RedisConnectionOptions;
use bullmq::{Job, JobOptions, Queue, QueueOptions, Worker, WorkerOptions};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A submit that is not answered in this time is tried again under its id.
const PATIENCE: Duration = Duration::from_secs(10);
/// Jobs under way of one submitter.
const AT_ONCE: usize = 64;
const PAGE: i64 = 1_000;

/// Whole lines, each in one write.
struct Log(File);

impl Log {
    fn open(path: &str) -> Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        Ok(Self(file.context(path.to_owned())?))
    }

    fn line(&self, line: &str) {
        // A log with a gap would be a false witness.
        (&self.0)
            .write_all(format!("{line}\n").as_bytes())
            .expect("the log can be written");
    }
}

/// The clock that all processes of the machine share, in nanoseconds.
fn now() -> u64 {
    let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    uptime.tv_sec.unsigned_abs() * 1_000_000_000 + uptime.tv_nsec.unsigned_abs()
}

fn wall_ms() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis())
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().context("no role")?;
    let mut flags = HashMap::new();
    while let (Some(flag), Some(value)) = (arguments.next(), arguments.next()) {
        flags.insert(flag, value);
    }
    let number = |flag: &str, usual: u64| flags.get(flag).map_or(Ok(usual), |value| value.parse());
    let port = std::env::var("REDIS_PORT").context("REDIS_PORT is not set")?;
    let connection = RedisConnectionOptions {
        url: format!("redis://127.0.0.1:{port}/"),
        ..Default::default()
    };
    let log = || Log::open(flags.get("--log").map_or("", String::as_str)).map(Arc::new);
    match role.as_str() {
        "submit" => {
            let (rate, ms) = (number("--rate", 100)?, number("--work-ms", 4)?);
            submit_all(&queue(connection).await?, log()?, rate, ms).await
        }
        "work" => {
            let slots = usize::try_from(number("--slots", 24)?)?;
            work(connection, log()?, slots, number("--lease-ms", 4_000)?).await
        }
        "left" => {
            let types = ["wait", "active", "delayed", "prioritized"];
            let left = queue(connection)
                .await?
                .get_job_count_by_types(&types)
                .await?;
            println!("{left}");
            Ok(())
        }
        "dump" => dump(&*queue(connection).await?).await,
        other => bail!("no role {other}"),
    }
}

async fn queue(connection: RedisConnectionOptions) -> Result<Arc<Queue>> {
    let settings = QueueOptions {
        connection,
        ..Default::default()
    };
    Ok(Arc::new(Queue::with_options("torture", settings).await?))
}

async fn submit_all(queue: &Arc<Queue>, log: Arc<Log>, rate: u64, ms: u64) -> Result<()> {
    let mut stop = signal(SignalKind::terminate())?;
    let (free, began) = (Arc::new(Semaphore::new(AT_ONCE)), Instant::now());
    let mut open = JoinSet::new();
    for n in 0_u64.. {
        let due = began + Duration::from_secs(n) / u32::try_from(rate)?;
        let permit = tokio::select! {
            _ = stop.recv() => break,
            permit = async {
                tokio::time::sleep_until(due.into()).await;
                free.clone().acquire_owned().await
            } => permit?,
        };
        let (queue, log) = (queue.clone(), log.clone());
        open.spawn(async move {
            submit(&queue, &log, &format!("{}-{n}", pid()), ms).await;
            drop(permit);
        });
        while open.try_join_next().is_some() {}
    }
    open.join_all().await;
    Ok(())
}

/// Under one id until it is known to be there.
async fn submit(queue: &Queue, log: &Log, request: &str, ms: u64) {
    let id = uuid::Uuid::new_v4().to_string();
    log.line(&format!("T {} {request} quick peer 3 0", now()));
    loop {
        let options = JobOptions {
            job_id: Some(id.clone()),
            attempts: Some(3),
            ..Default::default()
        };
        let added = queue
            .add("quick", json!({ "r": request, "ms": ms }))
            .options(options);
        let word = match timeout(PATIENCE, async { added.await }).await {
            Ok(Ok(_)) => {
                log.line(&format!("A {} {request} {id} 0", now()));
                return;
            }
            Ok(Err(error)) => error
                .to_string()
                .replace(|c: char| !c.is_alphanumeric(), "_"),
            Err(_) => "late".to_owned(),
        };
        log.line(&format!("U {} {request} {word}", now()));
        sleep(Duration::from_millis(50)).await;
    }
}

/// With the lease, the attempts and the lost workers that JobFlow has under the same kills.
async fn work(
    connection: RedisConnectionOptions,
    log: Arc<Log>,
    slots: usize,
    lease_ms: u64,
) -> Result<()> {
    let mut stop = signal(SignalKind::terminate())?;
    let settings = WorkerOptions {
        connection,
        concurrency: slots,
        lock_duration: lease_ms,
        stalled_interval: lease_ms,
        max_stalled_count: 3,
        ..Default::default()
    };
    let handler = move |job: Job, _| {
        let log = log.clone();
        async move {
            let request = job.data()["r"].as_str().unwrap_or("-").to_owned();
            let ms = job.data()["ms"].as_u64().unwrap_or(0);
            let (pid, token) = (pid(), now());
            let told = format!("{pid} {} {} {token}", job.id(), job.attempts_started());
            log.line(&format!("S {token} {} {told} 0 {request}", wall_ms()));
            sleep(Duration::from_millis(ms)).await;
            log.line(&format!("E {} {} {told} ok -", now(), wall_ms()));
            Ok(Value::Null)
        }
    };
    let worker = Worker::with_options("torture", handler, settings).await?;
    stop.recv().await;
    Ok(worker.close(30_000).await?)
}

async fn dump(queue: &Queue) -> Result<()> {
    for at in (0..).step_by(usize::try_from(PAGE)?) {
        let (from, to) = (at, at + PAGE - 1);
        let pages = [
            ("waiting", queue.get_waiting(from, to).await?),
            ("active", queue.get_active(from, to).await?),
            ("scheduled", queue.get_delayed(from, to).await?),
            ("completed", queue.get_completed(from, to).await?),
            ("failed", queue.get_failed(from, to).await?),
        ];
        for job in pages
            .iter()
            .flat_map(|(state, jobs)| jobs.iter().map(move |job| (state, job)))
        {
            let (state, job) = job;
            println!("set peer {state} {} 0", job.id());
            if *state == "failed" {
                let reason: Vec<u8> = job.failed_reason().bytes().take(200).collect();
                let body = [&[b'E', reason.len() as u8], &reason[..]].concat();
                let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("col peer results {} {hex}", job.id());
            }
        }
        if pages.iter().all(|(_, jobs)| jobs.is_empty()) {
            return Ok(());
        }
    }
    Ok(())
}
