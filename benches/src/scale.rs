//! Large queues: the same calls on a small queue and on one with very many
//! jobs in each state, and whether any script holds everybody else up.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use jobflow::{
    ClaimedJob, JobError, JobQueue, Keep, NewJob, Outcome, QueueConfig, QueueName, Retention,
    RunAt, StoreTime,
};
use serde_json::{Value, json};
use tokio::time::sleep_until;

use crate::bulk;
use crate::setting::{config, job, median, millis, number, print, rounded, say};
use crate::store::Store;

/// How often each call is measured, in turns on the two queues.
const ROUNDS: usize = 40;
/// Jobs of a submit and of a claim.
const CALL: usize = 100;
/// The largest claim.
const MOST: usize = 125;
/// Jobs in each state of the small queue: with none, a read of the last
/// finished jobs would be measured against a read of nothing. Beside a queue of
/// jobs that wait or are scheduled stands an empty one.
const FEW: usize = 100;
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn run(n: usize) -> Result<()> {
    let mut store = Store::connect().await?;
    store.watch_slow().await?;
    let small = JobQueue::open(keeping("small", u32::MAX)?)?;
    let config = keeping("full", u32::MAX)?;
    let full = JobQueue::open(config.clone())?;
    let began = Instant::now();
    let empty = JobQueue::open(keeping("empty", u32::MAX)?)?;
    fill_ahead(&full, n).await?;
    say("tables that grow come to rest");
    store.settle().await?;
    measure(&mut store, &empty).await?;
    compare(&mut store, &empty, &full, n, "waiting and scheduled").await?;
    print_slow(&mut store, n, "waiting and scheduled").await?;

    fill(&small, FEW).await?;
    fill_behind(&full, n).await?;
    let bytes: f64 = store.info("memory", "used_memory").await?.parse()?;
    print(
        &json!({"peer": "jobflow", "mode": "scale", "n": n, "duty": "fill", "jobs": 6 * n,
        "fill_s": began.elapsed().as_secs(), "memory_mb": (bytes / 1e6).round()}),
    );
    print_slow(&mut store, n, "fill").await?;

    // Warms up.
    measure(&mut store, &small).await?;
    compare(&mut store, &small, &full, n, "all states, tables growing").await?;
    say("tables that grow come to rest");
    store.settle().await?;
    compare(&mut store, &small, &full, n, "all states").await?;

    print_slow(&mut store, n, "calls").await?;
    print(&promote_at_once(&full, n / 10).await?);
    print_slow(&mut store, n, "promote").await?;
    print(&prune_at_once(config, n, n / 10).await?);
    print_slow(&mut store, n, "prune").await
}

/// The same calls on both queues, in turns. After so many jobs came in, Redis
/// is still moving entries to larger tables, and looks into two of them.
async fn compare(
    store: &mut Store,
    small: &JobQueue,
    full: &JobQueue,
    n: usize,
    full_of: &str,
) -> Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let base = measure(store, small).await?;
        rounds.push((base, measure(store, full).await?));
    }
    for (at, call) in CALLS.into_iter().enumerate() {
        let of = |side: fn(&(Figures, Figures)) -> &Figures, part: fn(&Figure) -> f64| {
            let figures: Vec<f64> = rounds.iter().map(|round| part(&side(round)[at])).collect();
            median(&figures)
        };
        let (small, full) = (of(|r| &r.0, |f| f.redis), of(|r| &r.1, |f| f.redis));
        let (small_caller, full_caller) = (of(|r| &r.0, |f| f.caller), of(|r| &r.1, |f| f.caller));
        print(
            &json!({"peer": "jobflow", "mode": "scale", "n": n, "call": call, "full_of": full_of,
            "small_us": rounded(small), "full_us": rounded(full), "ratio": rounded(full / small),
            "small_caller_us": rounded(small_caller), "full_caller_us": rounded(full_caller),
            "caller_ratio": rounded(full_caller / small_caller)}),
        );
    }
    Ok(())
}

/// The scripts that held everybody up since the last time.
async fn print_slow(store: &mut Store, n: usize, duty: &str) -> Result<()> {
    let slow = store.slow_scripts().await?;
    store.watch_slow().await?;
    print(
        &json!({"peer": "jobflow", "mode": "scale", "n": n, "duty": duty,
        "scripts_over_5_ms": slow.len(), "slow": slow.into_iter().take(20).collect::<Vec<_>>()}),
    );
    Ok(())
}

/// A setting that keeps so many finished jobs.
pub(crate) fn keeping(mode: &str, count: u32) -> Result<QueueConfig> {
    let keep = Keep {
        count,
        age: 10_000 * HOUR,
    };
    let retention = Retention {
        completed: keep,
        failed: keep,
        cancelled: keep,
    };
    Ok(QueueConfig {
        retention,
        ..config(mode)?
    })
}

/// `n` jobs in each state.
pub(crate) async fn fill(queue: &JobQueue, n: usize) -> Result<()> {
    fill_ahead(queue, n).await?;
    fill_behind(queue, n).await
}

/// `n` jobs each scheduled and waiting.
async fn fill_ahead(queue: &JobQueue, n: usize) -> Result<()> {
    say(&format!("{n} jobs scheduled, {n} waiting"));
    submit_at(queue, n, RunAt::After(HOUR)).await?;
    bulk::submit(queue, n, 500).await
}

/// `n` jobs each completed, failed, retrying and active; as many wait as before.
async fn fill_behind(queue: &JobQueue, n: usize) -> Result<()> {
    let error = || JobError {
        code: "HANDLER_ERROR".to_owned(),
        message: "as the measurement wants it".to_owned(),
    };
    let outcomes: [(&str, Option<Outcome>); 4] = [
        ("completed", Some(Outcome::Ack(None))),
        ("failed", Some(Outcome::Fail(error()))),
        ("retrying", Some(Outcome::ErrorAfter(HOUR, error()))),
        ("active", None),
    ];
    for (state, outcome) in outcomes {
        say(&format!("{n} jobs {state}"));
        let mut left = n;
        while left > 0 {
            let count = left.min(MOST);
            bulk::submit(queue, count, count).await?;
            let jobs = claim(queue, count).await?;
            left -= jobs.len();
            if let Some(outcome) = &outcome {
                finish(queue, &jobs, outcome).await?;
            }
        }
    }
    Ok(())
}

async fn submit_at(queue: &JobQueue, n: usize, run_at: RunAt) -> Result<StoreTime> {
    let mut left = n;
    let mut last = None;
    while left > 0 {
        let batch = (0..left.min(500)).map(|_| job()?.run_at(run_at));
        let batch = batch.collect::<jobflow::Result<Vec<NewJob>>>()?;
        left -= batch.len();
        for submitted in queue.submit_batch(batch).await {
            last = Some(submitted?.time);
        }
    }
    last.context("no job was asked for")
}

pub(crate) async fn claim(queue: &JobQueue, count: usize) -> Result<Vec<ClaimedJob>> {
    let name = QueueName::default();
    let claimed = queue.claim(&name, count, HOUR, "bench").await?;
    ensure!(!claimed.jobs.is_empty(), "nothing was waiting");
    Ok(claimed.jobs)
}

pub(crate) async fn finish(queue: &JobQueue, jobs: &[ClaimedJob], outcome: &Outcome) -> Result<()> {
    let finishes = jobs.iter().map(|job| queue.finish(job, outcome.clone()));
    try_join_all(finishes).await?;
    Ok(())
}

/// What is measured.
const CALLS: [&str; 5] = ["submit", "get", "stats", "claim", "finish"];
/// Microseconds of a call: those of Redis, and from the call to its answer.
#[derive(Clone, Copy, Default)]
struct Figure {
    redis: f64,
    caller: f64,
}
type Figures = [Figure; CALLS.len()];

/// Leaves as many jobs waiting as there were.
async fn measure(store: &mut Store, queue: &JobQueue) -> Result<Figures> {
    let jobs = (0..CALL).map(|_| job());
    let jobs = jobs.collect::<jobflow::Result<Vec<_>>>()?;
    let (submit, mut submitted) = timed(store, queue.submit_batch(jobs)).await?;
    let last = submitted.pop().context("nothing was submitted")??;
    let (get, job) = timed(store, queue.get(last.id)).await?;
    job?;
    let (stats, snapshot) = timed(store, queue.snapshot()).await?;
    snapshot?;
    let (claim, jobs) = timed(store, claim(queue, CALL)).await?;
    let (finish, finished) = timed(store, finish(queue, &jobs?, &Outcome::Ack(None))).await?;
    finished?;
    Ok([submit, get, stats, claim, finish])
}

async fn timed<T>(store: &mut Store, call: impl Future<Output = T>) -> Result<(Figure, T)> {
    let before = store.usage().await?;
    let began = Instant::now();
    let done = call.await;
    let caller = began.elapsed().as_secs_f64() * 1e6;
    let redis = number(store.usage().await?.since(&before).micros("evalsha"));
    Ok((Figure { redis, caller }, done))
}

/// So many scheduled jobs that are due in the same moment.
async fn promote_at_once(queue: &JobQueue, n: usize) -> Result<Value> {
    say(&format!("{n} jobs due at once"));
    let name = QueueName::default();
    let began = Instant::now();
    let now = queue.snapshot().await?.time;
    // More than long enough to submit them.
    let lead = Duration::from_secs(1) + Duration::from_micros(20) * u32::try_from(n)?;
    let due = StoreTime(now.0 + u64::try_from(lead.as_millis())?);
    let last = submit_at(queue, n, RunAt::At(due)).await?;
    ensure!(last.0 < due.0, "it took too long to submit {n} jobs");
    sleep_until((began + lead + Duration::from_millis(50)).into()).await;
    // A claim promotes on its way, too.
    let jobs = claim(queue, CALL).await?;
    finish(queue, &jobs, &Outcome::Ack(None)).await?;
    let mut steps = Steps::default();
    steps.take_all(async || queue.promote(&name).await).await?;
    Ok(steps.told("promote"))
}

/// So many completed and failed jobs over what is kept.
async fn prune_at_once(mut config: QueueConfig, kept: usize, n: usize) -> Result<Value> {
    say(&format!("{n} jobs to prune"));
    let count = u32::try_from(kept.saturating_sub(n / 2))?;
    config.retention.completed.count = count;
    config.retention.failed.count = count;
    let queue = JobQueue::open(config)?;
    let name = QueueName::default();
    let mut steps = Steps::default();
    steps.take_all(async || queue.prune(&name).await).await?;
    Ok(steps.told("prune"))
}

/// Steps of a duty until nothing is left to do.
#[derive(Default)]
struct Steps {
    jobs: usize,
    times: Vec<f64>,
}

impl Steps {
    async fn take_all(&mut self, step: impl AsyncFn() -> jobflow::Result<usize>) -> Result<()> {
        loop {
            let began = Instant::now();
            let done = step().await?;
            if done == 0 {
                return Ok(());
            }
            self.jobs += done;
            self.times.push(millis(began.elapsed()));
        }
    }

    fn told(&self, duty: &str) -> Value {
        json!({"peer": "jobflow", "mode": "scale", "duty": duty, "jobs": self.jobs,
            "steps": self.times.len(), "step_p50_ms": median(&self.times),
            "step_max_ms": self.times.iter().copied().fold(0.0, f64::max)})
    }
}
