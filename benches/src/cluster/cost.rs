//! What a job costs Redis on a cluster and on a single server.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jobflow::testing::{MASTERS, TestCluster, TestRedis, fresh_namespace};
use jobflow::{JobQueue, NewJob, Outcome, QueueConfig, QueueName};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::queue_of_each;
use crate::setting::{PAYLOAD, number, print, rounded, say};

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

/// Submits and runs so many jobs in a queue of each master, and in the one
/// queue of a single server, by turns: each server has the same to do.
pub(super) async fn run(jobs: usize) -> Result<()> {
    // The servers of both have a replica, as that costs, too.
    let started = spawn_blocking(|| {
        let single = TestRedis::start();
        let replica = single.start_replica();
        (TestCluster::start(), single, replica)
    });
    let (cluster, single, _replica) = started.await?;
    let open = |url: String| {
        JobQueue::open(QueueConfig {
            redis_url: url,
            namespace: fresh_namespace(),
            ..QueueConfig::default()
        })
    };
    let mut shares = vec![0.0; MASTERS];
    let (mut on_cluster, mut on_single) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let queue = open(cluster.servers()[0].url())?;
        let queues = queue_of_each(&cluster, &queue, MASTERS)?;
        let names: Vec<_> = queues.into_iter().map(|(name, _)| name).collect();
        let masters: Vec<_> = cluster.servers().iter().take(MASTERS).collect();
        let used = measure(&queue, &names, &masters, jobs).await?;
        let total: f64 = used.iter().map(|used| used.micros).sum();
        for (share, used) in shares.iter_mut().zip(&used) {
            *share += used.micros / total / number(ROUNDS as u64);
        }
        on_cluster.push(per_job(&used, jobs * MASTERS));
        let queue = open(single.url())?;
        let used = measure(&queue, &names[..1], &[&single], jobs).await?;
        on_single.push(per_job(&used, jobs));
    }
    let middle = |all: &[Used], what: fn(&Used) -> f64| {
        rounded(crate::setting::median(
            &all.iter().map(what).collect::<Vec<_>>(),
        ))
    };
    let figures = |all: &[Used]| {
        let commands = middle(all, |used| used.commands);
        let micros = middle(all, |used| used.micros);
        (commands, micros, middle(all, |used| used.bytes))
    };
    let (commands, micros, bytes) = figures(&on_cluster);
    let (commands_single, micros_single, bytes_single) = figures(&on_single);
    let shares: Vec<_> = shares.into_iter().map(rounded).collect();
    print(&json!({
        "mode": "cluster-cost", "n": jobs, "rounds": ROUNDS, "batch": BATCH,
        "commands_per_job": commands, "micros_per_job": micros,
        "bytes_per_job": bytes, "bytes_per_job_single": bytes_single,
        "commands_per_job_single": commands_single, "micros_per_job_single": micros_single,
        "share_of_each_master": shares,
    }));
    say(&format!(
        "cluster {commands} commands and {micros} µs a job, single server {commands_single} and \
         {micros_single}; shares {shares:?}"
    ));
    Ok(())
}

pub(super) async fn measure(
    queue: &JobQueue,
    names: &[QueueName],
    servers: &[&TestRedis],
    jobs: usize,
) -> Result<Vec<Used>> {
    for server in servers {
        let reset = server.cli(&["CONFIG", "RESETSTAT"]);
        ensure!(reset.trim() == "OK", "the statistics can not be reset");
    }
    let calls = (0..jobs.div_ceil(BATCH)).flat_map(|_| names);
    for name in calls {
        let batch: jobflow::Result<Vec<_>> = (0..BATCH)
            .map(|_| NewJob::new("noop", PAYLOAD)?.queue(name))
            .collect();
        for submitted in queue.submit_batch(batch?).await {
            submitted?;
        }
    }
    for name in names {
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
