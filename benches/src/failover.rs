//! `jobflow-bench failover`: what each durability class loses when a master is
//! cut off from its replica, goes on for a while, and dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use jobflow::testing::{TestRedis, fresh_namespace};
use jobflow::{Code, Durability, Error, JobId, JobQueue, NewJob, QueueConfig};
use lexopt::prelude::*;
use serde_json::json;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use crate::cut::Way;
use crate::setting::{PAYLOAD, number, print, say};

/// How long the replica follows before it is cut off.
const TOGETHER: Duration = Duration::from_secs(1);
/// A replica that is not cut off confirms within a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);
/// Lookups under way at once.
const LOOKUPS: usize = 64;

struct Options {
    trials: usize,
    classes: Vec<Durability>,
    isolated: Duration,
    callers: usize,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            trials: 30,
            classes: Vec::new(),
            isolated: Duration::from_secs(3),
            callers: 16,
        };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("trials") => options.trials = parser.value()?.parse()?,
                Long("class") => options.classes.push(parser.value()?.parse()?),
                Long("isolated") => {
                    options.isolated = Duration::from_secs(parser.value()?.parse()?);
                }
                Long("callers") => options.callers = parser.value()?.parse()?,
                other => return Err(other.unexpected().into()),
            }
        }
        ensure!(options.trials > 0, "--trials must be at least 1");
        ensure!(options.callers > 0, "--callers must be at least 1");
        if options.classes.is_empty() {
            options.classes = Durability::ALL.to_vec();
        }
        Ok(options)
    }
}

/// What became of the jobs of one trial, or of all trials of a class.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    /// While the replica followed, and while it was cut off.
    acknowledged: [usize; 2],
    /// Of these, what was not on the promoted replica.
    lost_on_replica: usize,
    /// Of these, what was not on the master when it was started again; not
    /// asked of a master that keeps nothing on disk.
    lost_on_master: usize,
    /// Stored, but not confirmed.
    in_doubt: usize,
    /// Of these, what was not on the promoted replica.
    in_doubt_lost: usize,
}

impl Counts {
    fn acknowledged(&self) -> usize {
        self.acknowledged.iter().sum()
    }

    fn add(&mut self, other: &Self) {
        for (all, one) in self.acknowledged.iter_mut().zip(other.acknowledged) {
            *all += one;
        }
        self.lost_on_replica += other.lost_on_replica;
        self.lost_on_master += other.lost_on_master;
        self.in_doubt += other.in_doubt;
        self.in_doubt_lost += other.in_doubt_lost;
    }
}

pub(crate) async fn command(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let mut all = vec![Counts::default(); options.classes.len()];
    // In turns, so that a machine that is busy for a while is so for each class.
    for number in 1..=options.trials {
        for (class, all) in options.classes.iter().zip(&mut all) {
            let counts = trial(*class, &options).await?;
            let mut line = json!({
                "class": class.as_str(), "trial": number,
                "acknowledged_together": counts.acknowledged[0],
                "acknowledged_cut_off": counts.acknowledged[1],
                "lost_on_replica": counts.lost_on_replica,
                "in_doubt": counts.in_doubt,
                "in_doubt_lost": counts.in_doubt_lost,
            });
            if *class == Durability::Fsync {
                line["lost_on_master"] = json!(counts.lost_on_master);
            }
            print(&line);
            all.add(&counts);
        }
    }
    say(&table(&options, &all));
    for (class, all) in options.classes.iter().zip(&all) {
        let broken = match class {
            Durability::Memory => 0,
            Durability::Fsync => all.lost_on_master,
            Durability::Replicated => all.lost_on_replica,
        };
        if broken > 0 {
            bail!("{broken} acknowledged jobs of class {class} are lost");
        }
    }
    Ok(())
}

/// For `docs/guarantees.md`.
fn table(options: &Options, all: &[Counts]) -> String {
    let mut rows = format!(
        "{} trials of each class, {} callers, master cut off for {} s, then killed:\n\n\
         | Class | Acknowledged | of these cut off | Lost with the replica promoted | Lost with the \
         master restarted | In doubt | of these lost |\n|---|---:|---:|---:|---:|---:|---:|\n",
        options.trials,
        options.callers,
        options.isolated.as_secs()
    );
    for (class, all) in options.classes.iter().zip(all) {
        let lost = |lost: usize| {
            let share = 100.0 * number(lost as u64) / number(all.acknowledged().max(1) as u64);
            format!("{lost} ({share:.1} %)")
        };
        let on_master = match class {
            Durability::Fsync => lost(all.lost_on_master),
            Durability::Memory | Durability::Replicated => "all: nothing on disk".to_owned(),
        };
        rows += &format!(
            "| `{class}` | {} | {} | {} | {on_master} | {} | {} |\n",
            all.acknowledged(),
            all.acknowledged[1],
            lost(all.lost_on_replica),
            all.in_doubt,
            all.in_doubt_lost
        );
    }
    rows
}

/// Where a trial is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    Together,
    CutOff,
    Over,
}

/// A master, its replica, and the way by which it follows.
fn start(class: Durability) -> Result<(TestRedis, TestRedis, Way)> {
    let master = match class {
        Durability::Fsync => TestRedis::start_durable(),
        Durability::Memory | Durability::Replicated => TestRedis::start(),
    };
    let way = Way::to(master.port())?;
    let replica = master.start_replica_through(way.port());
    Ok((master, replica, way))
}

async fn trial(class: Durability, options: &Options) -> Result<Counts> {
    let (mut master, replica, way) = spawn_blocking(move || start(class)).await??;
    let config = QueueConfig {
        redis_url: master.url(),
        namespace: fresh_namespace(),
        durability: class,
        durability_timeout: PATIENCE,
        ..QueueConfig::default()
    };
    let phase = Arc::new(AtomicU8::new(Phase::Together as u8));
    let mut callers = JoinSet::new();
    let queue = JobQueue::open(config.clone())?;
    for _ in 0..options.callers {
        callers.spawn(call(queue.clone(), Arc::clone(&phase)));
    }
    sleep(TOGETHER).await;
    way.cut();
    phase.store(Phase::CutOff as u8, Ordering::SeqCst);
    sleep(options.isolated).await;
    master.kill();
    phase.store(Phase::Over as u8, Ordering::SeqCst);
    let mut jobs = Seen::default();
    while let Some(seen) = callers.join_next().await {
        jobs.add(seen??);
    }
    // Nothing that was on its way comes through: the connections close.
    drop(way);
    let replica = spawn_blocking(move || {
        let promoted = replica.cli(&["REPLICAOF", "NO", "ONE"]);
        ensure!(promoted.trim() == "OK", "the replica is not promoted");
        master.resume();
        anyhow::Ok((replica, master))
    });
    let (replica, master) = replica.await??;
    let at = |redis: &TestRedis| QueueConfig {
        redis_url: redis.url(),
        ..config.clone()
    };
    let survivor = JobQueue::open(at(&replica))?;
    let problems = survivor.audit().await?.problems;
    ensure!(problems.is_empty(), "on the replica: {problems:?}");
    let [together, cut_off] = &jobs.acknowledged;
    let acknowledged = || together.iter().chain(cut_off).copied();
    let lost_on_master = if class == Durability::Fsync {
        missing(&JobQueue::open(at(&master))?, acknowledged()).await?
    } else {
        0
    };
    Ok(Counts {
        acknowledged: [together.len(), cut_off.len()],
        lost_on_replica: missing(&survivor, acknowledged()).await?,
        lost_on_master,
        in_doubt: jobs.in_doubt.len(),
        in_doubt_lost: missing(&survivor, jobs.in_doubt.iter().copied()).await?,
    })
}

/// What callers were told.
#[derive(Default)]
struct Seen {
    acknowledged: [Vec<JobId>; 2],
    in_doubt: Vec<JobId>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        for (all, one) in self.acknowledged.iter_mut().zip(other.acknowledged) {
            all.extend(one);
        }
        self.in_doubt.extend(other.in_doubt);
    }
}

/// Submits without a pause until the trial is over.
async fn call(queue: JobQueue, phase: Arc<AtomicU8>) -> Result<Seen> {
    let mut seen = Seen::default();
    while phase.load(Ordering::SeqCst) != Phase::Over as u8 {
        match queue.submit(NewJob::new("noop", PAYLOAD)?).await {
            // Where it was acknowledged counts, not where it was sent.
            Ok(submitted) => {
                let cut_off = phase.load(Ordering::SeqCst) != Phase::Together as u8;
                seen.acknowledged[usize::from(cut_off)].push(submitted.id);
            }
            Err(Error::DurabilityUnknown { id, .. }) => seen.in_doubt.push(id),
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(seen)
}

/// How many of these jobs a store does not have.
async fn missing(queue: &JobQueue, ids: impl Iterator<Item = JobId>) -> Result<usize> {
    let lookups = ids.map(async |id| match queue.get(id).await {
        Ok(_) => Ok(0),
        Err(error) if error.code() == Code::JobNotFound => Ok(1),
        Err(error) => Err(error),
    });
    let found = stream::iter(lookups).buffer_unordered(LOOKUPS);
    Ok(found.try_fold(0, async |sum, one| Ok(sum + one)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_and_all_are_meant_without_one() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words)
        };
        let one = parse("--trials 2 --class replicated").unwrap();
        assert_eq!((one.trials, one.classes), (2, vec![Durability::Replicated]));
        assert_eq!(parse("").unwrap().classes, Durability::ALL);
        for odd in ["--class disk", "--trials 0", "--callers 0", "x"] {
            assert!(parse(odd).is_err(), "{odd}");
        }
    }
}
