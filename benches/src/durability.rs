//! One job a call in each durability class, each on a Redis that is set up for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use jobflow::testing::{TestRedis, fresh_namespace};
use jobflow::{Durability, JobQueue, QueueConfig};
use serde_json::json;

use crate::setting::{job, millis, print, rate};

pub(crate) async fn run(n: usize, callers: usize) -> Result<()> {
    for class in Durability::ALL {
        let redis = match class {
            Durability::Fsync => TestRedis::start_durable(),
            Durability::Memory | Durability::Replicated => TestRedis::start(),
        };
        // Alive until all is measured.
        let _replica = (class == Durability::Replicated).then(|| redis.start_replica());
        let queue = JobQueue::open(QueueConfig {
            redis_url: redis.url(),
            namespace: fresh_namespace(),
            durability: class,
            ..QueueConfig::default()
        })?;
        queue.submit(job()?).await?;
        let began = Instant::now();
        let mut times = submit(&queue, n, callers).await?;
        let took = began.elapsed();
        times.sort_unstable();
        let at = |share: usize| times.get(n * share / 100).copied().unwrap_or_default();
        print(&json!({
            "peer": "jobflow", "mode": "durability", "class": class.as_str(), "n": n, "c": callers,
            "jobs_per_s": rate(n, took), "p50_ms": millis(at(50)), "p99_ms": millis(at(99)),
        }));
    }
    Ok(())
}

/// How long each call took.
async fn submit(queue: &JobQueue, n: usize, callers: usize) -> Result<Vec<Duration>> {
    let left = Arc::new(AtomicUsize::new(n));
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (queue, left) = (queue.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let mut times = Vec::new();
                let take = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    let began = Instant::now();
                    queue.submit(job()?).await?;
                    times.push(began.elapsed());
                }
                Ok::<_, jobflow::Error>(times)
            })
        })
        .collect();
    let mut times = Vec::with_capacity(n);
    for caller in callers {
        times.extend(caller.await??);
    }
    Ok(times)
}
