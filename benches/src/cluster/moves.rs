//! Slots that move under load, to old servers and to one that is added and removed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jobflow::testing::{MASTERS, TestCluster, fresh_namespace};
use jobflow::{Durability, JobQueue, NewJob, QueueConfig, QueueName, RunAt};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::load::{Load, Outcomes, end_all};
use super::queue_of_each;
use crate::setting::{PAYLOAD, millis, print, say};

/// Jobs that lie in the queue while its slot moves, by turns.
const LYING: [usize; 4] = [0, 10_000, 50_000, 100_000];
/// Far enough that none of them becomes due.
const NOT_NOW: Duration = Duration::from_secs(24 * 3600);
/// How long the load runs before and after a move.
const BEFORE: Duration = Duration::from_millis(500);
const AFTER: Duration = Duration::from_millis(300);

/// Moves the slot of a queue that is used, by way of all masters, one that is
/// added among them, with more and more jobs in it.
pub(super) async fn run(moves: usize, rate: u32) -> Result<()> {
    let mut cluster = spawn_blocking(TestCluster::start).await?;
    let queue = JobQueue::open(QueueConfig {
        redis_url: cluster.servers()[0].url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    })?;
    let queues = queue_of_each(&cluster, &queue, MASTERS)?;
    let per_queue = (rate / u32::try_from(MASTERS)?).max(1);
    let start = |(name, _): &(_, _)| Load::start(&queue, name, per_queue, Durability::Memory);
    let loads: Vec<_> = queues.iter().map(start).collect();
    cluster = spawn_blocking(move || {
        cluster.add_master();
        cluster
    })
    .await?;
    let new = cluster.servers().len() - 1;
    let (name, key) = &queues[0];
    let mut lying = 0;
    for number in 0..moves {
        let wanted = LYING[number * LYING.len() / moves];
        lay(&queue, name, wanted - lying).await?;
        lying = wanted;
        sleep(BEFORE).await;
        loads.iter().for_each(Load::begin_stalls);
        let from = cluster.owner(key);
        let mut to = [0, 1, new, 2].into_iter().cycle().skip(number);
        let to = to.find(|to| *to != from).unwrap_or(new);
        let bytes = bytes_of(&cluster, from, key);
        let began = Instant::now();
        cluster = moved(cluster, key, to).await?;
        let took = began.elapsed();
        sleep(AFTER).await;
        print(&json!({
            "mode": "cluster-move", "move": number + 1, "jobs": lying, "bytes": bytes,
            "to_new": to == new, "move_ms": millis(took), "stall_ms": millis(loads[0].stall()),
            "others_stall_ms": millis(loads[1].stall().max(loads[2].stall())),
        }));
    }
    if cluster.owner(key) == new {
        cluster = moved(cluster, key, 0).await?;
    }
    let _cluster = spawn_blocking(move || {
        cluster.remove_last();
        cluster
    })
    .await?;
    sleep(BEFORE).await;
    report(moves, per_queue * 3, end_all(loads).await?)
}

async fn moved(cluster: TestCluster, key: &str, to: usize) -> Result<TestCluster> {
    let key = key.to_owned();
    let moved = spawn_blocking(move || {
        cluster.move_slot(&key, to);
        cluster
    });
    Ok(moved.await?)
}

/// Adds jobs that are not due while this runs.
async fn lay(queue: &JobQueue, name: &QueueName, jobs: usize) -> Result<()> {
    let job = || {
        let job = NewJob::new("noop", PAYLOAD)?.queue(name)?;
        job.run_at(RunAt::After(NOT_NOW))
    };
    let jobs: jobflow::Result<Vec<_>> = (0..jobs).map(|_| job()).collect();
    for stored in queue.submit_batch(jobs?).await {
        stored?;
    }
    Ok(())
}

fn report(moves: usize, rate: u32, all: Outcomes) -> Result<()> {
    print(&json!({
        "mode": "cluster-moves", "moves": moves, "jobs_per_s": rate,
        "acknowledged": all.acknowledged, "lost": all.lost, "refused": all.failed,
        "repeated": all.repeated, "causes": all.causes,
    }));
    say(&format!("{moves} moves: {all:?}"));
    ensure!(all.lost == 0, "{} acknowledged jobs are lost", all.lost);
    ensure!(
        all.repeated == 0 || all.causes > 0,
        "{} jobs ran twice without a cause",
        all.repeated
    );
    Ok(())
}

/// What the keys of a slot take.
fn bytes_of(cluster: &TestCluster, server: usize, key: &str) -> u64 {
    let server = &cluster.servers()[server];
    let slot = server.cli(&["CLUSTER", "KEYSLOT", key]);
    let keys = server.cli(&["CLUSTER", "GETKEYSINSLOT", slot.trim(), "1000"]);
    let size = |key: &str| {
        let told = server.cli(&["MEMORY", "USAGE", key, "SAMPLES", "100"]);
        told.trim().parse::<u64>().unwrap_or_default()
    };
    keys.lines().filter(|key| !key.is_empty()).map(size).sum()
}
