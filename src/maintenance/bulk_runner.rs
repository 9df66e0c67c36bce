//! Runs bulk operations, and takes over those whose server died.
//!
//! Every server looks at the set of running operations. A lock per operation
//! keeps two from doing the same work; it is advice only: where two steps
//! meet, the script that changes the jobs lets one of them through.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::Result;
use crate::keys;
use crate::pulse::Pulses;
use crate::queue::{JobQueue, Stepped};
use crate::spec::millis;

/// How often a server looks while operations run, and while none does.
const LOOK: Duration = Duration::from_secs(1);
const IDLE_LOOK: Duration = Duration::from_secs(10);
/// How long a lock outlives its server, and how often it is renewed.
const LOCK: Duration = Duration::from_secs(4);
const RENEW: Duration = Duration::from_secs(1);

/// How long it may fail to look.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs bulk operations until `stop`; steps that are under way are finished
/// then. Survives every error, which is counted in `pulses`: the operation is
/// taken up again.
pub async fn run_bulks(queue: JobQueue, pulses: Pulses, stop: impl Future<Output = ()>) {
    let pulse = pulses.begin("bulk runner", LIMIT);
    let stopped = CancellationToken::new();
    let me = Uuid::now_v7().to_string();
    let mut runs = JoinSet::new();
    let mut mine = HashMap::new();
    let mut next_look = Instant::now();
    tokio::pin!(stop);
    loop {
        if Instant::now() >= next_look {
            let looked = pulse.round(running(&queue)).await;
            let pause = match &looked {
                Ok(running) if running.is_empty() && mine.is_empty() => IDLE_LOOK,
                Ok(_) => LOOK,
                Err(_) => pulse.pause(),
            };
            let running = looked.unwrap_or_default();
            for id in running {
                if !mine.values().any(|other| *other == id) {
                    let lock = Lock::new(&queue, &id, &me);
                    let run = run(queue.clone(), id.clone(), lock, stopped.clone());
                    mine.insert(runs.spawn(run).id(), id);
                }
            }
            next_look = Instant::now() + pause;
        }
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = runs.join_next_with_id() => {
                let task = match ended {
                    Ok((task, ())) => task,
                    Err(error) => {
                        tracing::error!(%error, "a bulk operation broke off");
                        error.id()
                    }
                };
                mine.remove(&task);
            }
            () = queue.core.bulk_started.notified() => next_look = Instant::now(),
            () = tokio::time::sleep_until(next_look) => {}
        }
    }
    stopped.cancel();
    while runs.join_next().await.is_some() {}
}

async fn running(queue: &JobQueue) -> Result<Vec<String>> {
    let set = keys::running_bulks(&queue.core.config.namespace);
    queue
        .core
        .store
        .run(::redis::cmd("SMEMBERS").arg(set))
        .await
}

/// Runs one operation while this server holds its lock.
async fn run(queue: JobQueue, id: String, lock: Lock, stopped: CancellationToken) {
    let taken = match lock.take(&queue).await {
        Ok(true) => steps(&queue, &id, &lock, &stopped).await,
        Ok(false) => return,
        Err(error) => Err(error),
    };
    let released = match taken {
        Ok(()) => lock.release(&queue).await,
        Err(error) => Err(error),
    };
    match released {
        Err(error) if error.is_transient() => {
            tracing::debug!(id, %error, "a bulk operation pauses");
        }
        Err(error) => tracing::warn!(id, %error, "a bulk operation can not go on"),
        Ok(()) => {}
    }
}

async fn steps(queue: &JobQueue, id: &str, lock: &Lock, stopped: &CancellationToken) -> Result<()> {
    let mut bulk = queue.open_bulk(id).await?;
    let mut next_step = Instant::now();
    let mut renewed = Instant::now();
    loop {
        let wake = next_step.min(renewed + RENEW);
        let sleep = tokio::time::sleep_until(wake);
        if stopped.run_until_cancelled(sleep).await.is_none() {
            return Ok(());
        }
        if renewed.elapsed() >= RENEW {
            if !lock.renew(queue).await? {
                return Ok(());
            }
            renewed = Instant::now();
        }
        let began = Instant::now();
        if began >= next_step {
            match bulk.step(queue).await? {
                Stepped::Over => return Ok(()),
                Stepped::Again(pause) => next_step = began + pause,
            }
        }
    }
}

/// The advice to other servers that an operation is in hand.
struct Lock {
    key: String,
    me: String,
}

impl Lock {
    fn new(queue: &JobQueue, id: &str, me: &str) -> Self {
        Self {
            key: keys::bulk_lock(&queue.core.config.namespace, id),
            me: me.to_owned(),
        }
    }

    async fn take(&self, queue: &JobQueue) -> Result<bool> {
        let mut set = ::redis::cmd("SET");
        set.arg(&self.key)
            .arg(&self.me)
            .arg("NX")
            .arg("PX")
            .arg(millis(LOCK));
        let set: Option<String> = queue.core.store.run(&set).await?;
        crate::failpoint!("bulk.locked");
        // It may be held from before an error.
        Ok(set.is_some() || self.is_held(queue).await?)
    }

    async fn is_held(&self, queue: &JobQueue) -> Result<bool> {
        let holder: Option<String> = queue
            .core
            .store
            .run(::redis::cmd("GET").arg(&self.key))
            .await?;
        Ok(holder.as_deref() == Some(self.me.as_str()))
    }

    async fn renew(&self, queue: &JobQueue) -> Result<bool> {
        if !self.is_held(queue).await? {
            return Ok(false);
        }
        let mut expire = ::redis::cmd("PEXPIRE");
        expire.arg(&self.key).arg(millis(LOCK));
        queue.core.store.run(&expire).await
    }

    async fn release(&self, queue: &JobQueue) -> Result<()> {
        if !self.is_held(queue).await? {
            return Ok(());
        }
        queue
            .core
            .store
            .run(::redis::cmd("DEL").arg(&self.key))
            .await
    }
}
