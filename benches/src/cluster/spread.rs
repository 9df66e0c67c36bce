//! One queue over many partitions: what each master has of it, what workers at
//! rest ask for, and how the queue grows while it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use jobflow::testing::{MASTERS, TestCluster, TestRedis, fresh_namespace};
use jobflow::{JobQueue, NewJob, Outcome, QueueConfig, QueueName, SettingsChange};
use serde_json::json;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::cost::{measure, per_job};
use crate::setting::{PAYLOAD, millis, number, print, rounded, say};
use crate::store::Store;

/// How long workers are listened to.
const REST: Duration = Duration::from_secs(30);
/// What belongs to their start.
const START: Duration = Duration::from_secs(25);
const LEASE: Duration = Duration::from_secs(30);
/// How many jobs a claim takes.
const BATCH: usize = 100;
/// Submitters and workers while a queue grows.
const EACH: usize = 4;

fn open(cluster: &TestCluster) -> Result<JobQueue> {
    Ok(JobQueue::open(QueueConfig {
        redis_url: cluster.servers()[0].url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    })?)
}

async fn spread(queue: &JobQueue, partitions: u8) -> Result<()> {
    let change = [SettingsChange::Partitions(Some(partitions))];
    Ok(queue
        .update_settings(&QueueName::default(), &change, None)
        .await?)
}

/// A queue that is there, with so many partitions.
async fn spread_queue(cluster: &TestCluster, partitions: u8) -> Result<JobQueue> {
    let queue = open(cluster)?;
    queue.submit(NewJob::new("noop", PAYLOAD)?).await?;
    spread(&queue, partitions).await?;
    Ok(queue)
}

/// Submits and runs so many jobs in one queue over all masters.
pub(super) async fn shares(jobs: usize, partitions: u8) -> Result<()> {
    let cluster = spawn_blocking(TestCluster::start).await?;
    let queue = spread_queue(&cluster, partitions).await?;
    let masters: Vec<_> = cluster.servers().iter().take(MASTERS).collect();
    let used = measure(&[(queue.clone(), QueueName::default())], &masters, jobs).await?;
    let total: f64 = used.iter().map(|used| used.micros).sum();
    let shares: Vec<_> = used
        .iter()
        .map(|used| rounded(used.micros / total))
        .collect();
    let each = per_job(&used, jobs);
    print(&json!({
        "mode": "cluster-partitions", "n": jobs, "partitions": partitions,
        "commands_per_job": rounded(each.commands), "micros_per_job": rounded(each.micros),
        "share_of_each_master": shares,
    }));
    say(&format!(
        "{partitions} partitions on {MASTERS} masters: shares {shares:?}"
    ));
    Ok(())
}

/// Starts so many workers of one queue that has nothing to do, and listens.
pub(super) async fn rest(workers: usize, partitions: u8) -> Result<()> {
    let cluster = spawn_blocking(TestCluster::start).await?;
    let queue = spread_queue(&cluster, partitions).await?;
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    for _ in 0..workers {
        // Each a process of its own, as far as Redis can tell.
        let own = JobQueue::open(queue.config().clone())?;
        let worker = crate::drain::worker(&own, 4)?;
        running.spawn(worker.run_until(stop.clone().cancelled_owned()));
    }
    tokio::time::sleep(START).await;
    let masters: Vec<_> = cluster.servers().iter().take(MASTERS).collect();
    let listened = masters.iter().map(async |server| {
        let store = Store::at(&server.url()).await?;
        store.listen(REST).await
    });
    let mut all = 0.0;
    for (server, commands) in masters.iter().zip(try_join_all(listened).await?) {
        let sent = number(commands.values().sum()) / REST.as_secs_f64();
        all += sent;
        print(&json!({
            "mode": "cluster-rest", "workers": workers, "partitions": partitions,
            "commands_per_s": rounded(sent), "connections": clients(server)?,
            "commands": commands,
        }));
    }
    let each = rounded(all / number(workers as u64));
    say(&format!(
        "{workers} workers at rest: {each} commands a second each, all servers together"
    ));
    stop.cancel();
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

fn clients(server: &TestRedis) -> Result<u64> {
    let text = server.cli(&["INFO", "clients"]);
    let mut lines = text.lines();
    let clients = lines.find_map(|line| line.strip_prefix("connected_clients:"));
    Ok(clients
        .context("INFO has connected_clients")?
        .trim()
        .parse()?)
}

/// Grows a queue with so many waiting jobs from one partition, while jobs are
/// submitted and run.
pub(super) async fn grow(jobs: usize, partitions: u8) -> Result<()> {
    let cluster = spawn_blocking(TestCluster::start).await?;
    let queue = open(&cluster)?;
    for _ in 0..jobs.div_ceil(1_000) {
        let batch: jobflow::Result<Vec<_>> =
            (0..1_000).map(|_| NewJob::new("noop", PAYLOAD)).collect();
        for stored in queue.submit_batch(batch?).await {
            stored?;
        }
    }
    let (submits, all) = (CancellationToken::new(), CancellationToken::new());
    let (stored, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (mut submitters, mut workers) = (JoinSet::new(), JoinSet::new());
    for _ in 0..EACH {
        let own = JobQueue::open(queue.config().clone())?;
        submitters.spawn(submit(own, Arc::clone(&stored), submits.clone()));
        let own = JobQueue::open(queue.config().clone())?;
        workers.spawn(work(own, Arc::clone(&ran), all.clone()));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    spread(&queue, partitions).await?;
    let took = began.elapsed();
    tokio::time::sleep(Duration::from_secs(5)).await;
    submits.cancel();
    let mut pauses = Pauses::default();
    while let Some(ended) = submitters.join_next().await {
        pauses.submit = pauses.submit.max(ended??);
    }
    // All that was stored has to run, once.
    let expected = jobs.div_ceil(1_000) * 1_000 + stored.load(Ordering::Relaxed);
    let name = QueueName::default();
    loop {
        let counts = queue.queue(&name).await?.counts;
        if counts.unfinished() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    all.cancel();
    while let Some(ended) = workers.join_next().await {
        pauses.claim = pauses.claim.max(ended??);
    }
    let ran = ran.load(Ordering::Relaxed);
    let completed = queue.queue(&name).await?.totals.completed;
    print(&json!({
        "mode": "cluster-grow", "waiting": jobs, "partitions": partitions,
        "change_ms": millis(took), "stored_meanwhile": stored.load(Ordering::Relaxed),
        "longest_submit_ms": millis(pauses.submit), "longest_claim_ms": millis(pauses.claim),
        "expected": expected, "completed": completed, "runs": ran,
    }));
    ensure!(
        ran == expected && completed == expected as u64,
        "{expected} jobs, {ran} runs"
    );
    Ok(())
}

/// The longest time that one call took.
#[derive(Default)]
struct Pauses {
    submit: Duration,
    claim: Duration,
}

/// Submits one job after the other, all the time; tells the longest call.
async fn submit(
    queue: JobQueue,
    stored: Arc<AtomicUsize>,
    stop: CancellationToken,
) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    while !stop.is_cancelled() {
        let began = Instant::now();
        queue.submit(NewJob::new("noop", PAYLOAD)?).await?;
        longest = longest.max(began.elapsed());
        stored.fetch_add(1, Ordering::Relaxed);
    }
    Ok(longest)
}

/// Runs all that there is; tells the longest claim.
async fn work(queue: JobQueue, ran: Arc<AtomicUsize>, stop: CancellationToken) -> Result<Duration> {
    let (name, mut longest) = (QueueName::default(), Duration::ZERO);
    while !stop.is_cancelled() {
        let began = Instant::now();
        let claimed = queue.claim(&name, BATCH, LEASE, "bench").await?.jobs;
        longest = longest.max(began.elapsed());
        ran.fetch_add(claimed.len(), Ordering::Relaxed);
        let ends = claimed
            .iter()
            .map(|job| queue.finish(job, Outcome::Ack(None)));
        for end in futures_util::future::join_all(ends).await {
            end?;
        }
        if claimed.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(longest)
}
