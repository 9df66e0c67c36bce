//! Masters that die or stand still under load.

use std::time::Duration;

use anyhow::{Result, ensure};
use jobflow::testing::{MASTERS, TestCluster, fresh_namespace};
use jobflow::{Durability, JobQueue, QueueConfig};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::load::{Load, Outcomes, end_all};
use super::queue_of_each;
use crate::setting::{millis, print, say};

/// How long the load runs before a master goes, and until it comes back.
const BEFORE: Duration = Duration::from_millis(500);
const AWAY: Duration = Duration::from_secs(5);

/// Fails over the masters in turn, killed and stopped by turns.
pub(super) async fn run(trials: usize, rate: u32) -> Result<()> {
    let mut cluster = spawn_blocking(TestCluster::start).await?;
    let queue = JobQueue::open(QueueConfig {
        redis_url: cluster.servers()[0].url(),
        namespace: fresh_namespace(),
        durability_timeout: Duration::from_millis(500),
        ..QueueConfig::default()
    })?;
    let queues = queue_of_each(&cluster, &queue, MASTERS)?;
    let per_queue = (rate / u32::try_from(MASTERS)?).max(1);
    let start = |(name, _): &(_, _)| Load::start(&queue, name, per_queue, Durability::Replicated);
    let loads: Vec<_> = queues.iter().map(start).collect();
    let mut stalls = Vec::new();
    for trial in 0..trials {
        let at = trial % MASTERS;
        let way = if trial % 2 == 0 {
            Way::Killed
        } else {
            Way::Stopped
        };
        sleep(BEFORE).await;
        loads.iter().for_each(Load::begin_stalls);
        let owner = cluster.owner(&queues[at].1);
        way.go(&mut cluster, owner);
        sleep(AWAY).await;
        let stall = loads[at].stall();
        let others = loads.iter().enumerate().filter(|(other, _)| *other != at);
        let other = others.map(|(_, load)| load.stall()).max();
        stalls.push(stall);
        print(&json!({
            "mode": "cluster-failover", "trial": trial + 1, "way": format!("{way:?}"),
            "stall_ms": millis(stall), "others_stall_ms": millis(other.unwrap_or_default()),
        }));
        let new = cluster.owner(&queues[at].1);
        ensure!(new != owner, "no replica took over within {AWAY:?}");
        cluster = spawn_blocking(move || {
            way.come_back(&mut cluster, owner);
            cluster
        })
        .await?;
    }
    report(trials, per_queue * 3, stalls, end_all(loads).await?)
}

/// How a master goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Killed,
    Stopped,
}

impl Way {
    fn go(self, cluster: &mut TestCluster, owner: usize) {
        match self {
            Self::Killed => cluster.server(owner).kill(),
            Self::Stopped => cluster.servers()[owner].freeze(),
        }
    }

    fn come_back(self, cluster: &mut TestCluster, owner: usize) {
        match self {
            Self::Killed => cluster.server(owner).resume(),
            Self::Stopped => cluster.servers()[owner].thaw(),
        }
        cluster.wait_until_whole();
    }
}

fn report(trials: usize, rate: u32, mut stalls: Vec<Duration>, all: Outcomes) -> Result<()> {
    stalls.sort_unstable();
    let longest = stalls.last().copied().unwrap_or_default();
    let middle = stalls.get(stalls.len() / 2).copied().unwrap_or_default();
    print(&json!({
        "mode": "cluster-failovers", "trials": trials, "jobs_per_s": rate,
        "acknowledged": all.acknowledged, "lost": all.lost, "in_doubt": all.in_doubt,
        "refused": all.failed, "repeated": all.repeated, "causes": all.causes,
        "stall_median_ms": millis(middle), "stall_longest_ms": millis(longest),
    }));
    say(&format!(
        "{trials} fail-overs: {all:?}, longest stall {longest:?}"
    ));
    ensure!(all.lost == 0, "{} acknowledged jobs are lost", all.lost);
    Ok(())
}
