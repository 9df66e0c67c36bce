//! What a job costs Redis on a cluster and on a single server.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jobflow::testing::{MASTERS, TestCluster, TestRedis, fresh_namespace};
use jobflow::{JobQueue, NewJob, Outcome, QueueConfig, QueueName};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::queue_of_each;
use crate::setting::{PAYLOAD, median, number, print, rounded, say};

/// Jobs of a call. In calls of any number the speed of this program would
/// decide how many jobs share one.
const BATCH: usize = 100;
const ROUNDS: usize = 5;
const LEASE: Duration = Duration::from_secs(30);

/// Commands and microseconds of one server.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Used {
    pub(super) commands: f64,
    pub(super) micros: f64,
    /// In and out of the server, what its replica gets left out.
    bytes: f64,
}

impl Used {
    fn line(&self) -> Value {
        json!({
            "commands_per_job": rounded(self.commands), "micros_per_job": rounded(self.micros),
            "bytes_per_job": rounded(self.bytes),
        })
    }
}

/// Submits and runs so many jobs in a queue of each master, in the one queue of
/// a single server, and in one of each of as many single servers, by turns.
///
/// A server that others take turns with finds its caches emptied by them, when
/// all are on one machine: the single servers side by side tell what of the
/// difference is that, and what the cluster itself costs.
pub(super) async fn run(jobs: usize) -> Result<()> {
    // All have a replica, as that costs, too.
    let started = spawn_blocking(|| {
        let singles: Vec<_> = (0..MASTERS).map(|_| TestRedis::start()).collect();
        let replicas: Vec<_> = singles.iter().map(TestRedis::start_replica).collect();
        (TestCluster::start(), singles, replicas)
    });
    let (cluster, singles, _replicas) = started.await?;
    let masters: Vec<_> = cluster.servers().iter().take(MASTERS).collect();
    let singles: Vec<_> = singles.iter().collect();
    let mut rounds = [const { Vec::new() }; 3];
    let mut shares = vec![0.0; MASTERS];
    for _ in 0..ROUNDS {
        let queue = open(masters[0])?;
        let queues = queue_of_each(&cluster, &queue, MASTERS)?;
        let parts: Vec<_> = queues
            .into_iter()
            .map(|(name, _)| (queue.clone(), name))
            .collect();
        let used = measure(&parts, &masters, jobs).await?;
        let total: f64 = used.iter().map(|used| used.micros).sum();
        for (share, used) in shares.iter_mut().zip(&used) {
            *share += used.micros / total / number(ROUNDS as u64);
        }
        rounds[0].push(per_job(&used, jobs * MASTERS));
        let parts: jobflow::Result<Vec<_>> = singles
            .iter()
            .zip(parts)
            .map(|(server, (_, name))| Ok((open(server)?, name)))
            .collect();
        let parts = parts?;
        let used = measure(&parts[..1], &singles[..1], jobs).await?;
        rounds[1].push(per_job(&used, jobs));
        let used = measure(&parts, &singles, jobs).await?;
        rounds[2].push(per_job(&used, jobs * MASTERS));
    }
    let [cluster, single, apart] = rounds.map(|of| middle(&of));
    let shares: Vec<_> = shares.into_iter().map(rounded).collect();
    print(&json!({
        "mode": "cluster-cost", "n": jobs, "rounds": ROUNDS, "batch": BATCH,
        "cluster": cluster.line(), "single": single.line(), "singles_by_turns": apart.line(),
        "share_of_each_master": shares,
    }));
    say(&format!(
        "commands and µs a job: cluster {:.3} and {:.2}, a single server {:.3} and {:.2}, \
         {MASTERS} by turns {:.3} and {:.2}; shares {shares:?}",
        cluster.commands,
        cluster.micros,
        single.commands,
        single.micros,
        apart.commands,
        apart.micros,
    ));
    Ok(())
}

fn open(server: &TestRedis) -> jobflow::Result<JobQueue> {
    JobQueue::open(QueueConfig {
        redis_url: server.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    })
}

/// The median of each.
fn middle(rounds: &[Used]) -> Used {
    let of = |what: fn(&Used) -> f64| median(&rounds.iter().map(what).collect::<Vec<_>>());
    Used {
        commands: of(|used| used.commands),
        micros: of(|used| used.micros),
        bytes: of(|used| used.bytes),
    }
}

/// So many jobs in each of these queues, a call for one after the other.
pub(super) async fn measure(
    parts: &[(JobQueue, QueueName)],
    servers: &[&TestRedis],
    jobs: usize,
) -> Result<Vec<Used>> {
    for server in servers {
        let reset = server.cli(&["CONFIG", "RESETSTAT"]);
        ensure!(reset.trim() == "OK", "the statistics can not be reset");
    }
    let calls = (0..jobs.div_ceil(BATCH)).flat_map(|_| parts);
    for (queue, name) in calls {
        let batch: jobflow::Result<Vec<_>> = (0..BATCH)
            .map(|_| NewJob::new("noop", PAYLOAD)?.queue(name))
            .collect();
        for submitted in queue.submit_batch(batch?).await {
            submitted?;
        }
    }
    for (queue, name) in parts {
        loop {
            let claimed = queue.claim(name, BATCH, LEASE, "bench").await?.jobs;
            if claimed.is_empty() {
                break;
            }
            let ends = claimed
                .iter()
                .map(|job| queue.finish(job, Outcome::Ack(None)));
            for end in futures_util::future::join_all(ends).await {
                end?;
            }
        }
    }
    servers.iter().map(|server| used(server)).collect()
}

/// All commands, those inside scripts included; the time of scripts.
fn used(server: &TestRedis) -> Result<Used> {
    let text = server.cli(&["INFO", "commandstats"]);
    let mut used = Used::default();
    for line in text.lines() {
        let Some((name, fields)) = line
            .strip_prefix("cmdstat_")
            .and_then(|l| l.split_once(':'))
        else {
            continue;
        };
        // What servers of a cluster, and this program, say beside the jobs.
        if [
            "ping", "info", "cluster", "replconf", "config", "client", "command", "publish",
        ]
        .iter()
        .any(|other| name.starts_with(other))
        {
            continue;
        }
        let fields: HashMap<_, _> = fields
            .split(',')
            .filter_map(|f| f.split_once('='))
            .collect();
        let field = |name: &str| -> Result<f64> {
            let field = fields
                .get(name)
                .with_context(|| format!("no {name} in {line}"))?;
            Ok(field.trim().parse()?)
        };
        used.commands += field("calls")?;
        if name.starts_with("eval") {
            used.micros += field("usec")?;
        }
    }
    let traffic = server.cli(&["INFO", "stats"]);
    for name in ["total_net_input_bytes", "total_net_output_bytes"] {
        let mut lines = traffic.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let value = value.with_context(|| format!("INFO has no {name}"))?;
        used.bytes += value.trim().parse::<f64>()?;
    }
    Ok(used)
}

pub(super) fn per_job(used: &[Used], jobs: usize) -> Used {
    let sum = |what: fn(&Used) -> f64| used.iter().map(what).sum::<f64>() / number(jobs as u64);
    Used {
        commands: sum(|used| used.commands),
        micros: sum(|used| used.micros),
        bytes: sum(|used| used.bytes),
    }
}
