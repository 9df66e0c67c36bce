//! Workers say that they are alive.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::job::MAX_WORKER;
use crate::keys;
use crate::lua::{self, Call};
use crate::queue::JobQueue;
use crate::spec::millis;
use crate::stats::WorkerSnapshot;

/// A worker that has not beaten for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// The most workers a snapshot describes.
const MAX_LISTED: isize = 1_000;

/// What a worker says of itself with each beat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerBeat {
    /// Unique per process start.
    pub id: String,
    /// The machine it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The queues it claims from.
    pub queues: Vec<String>,
    /// The kinds it has handlers for; `*` stands for all.
    pub kinds: Vec<String>,
    /// How many jobs it runs at once.
    pub slots: u32,
    /// How many it runs now.
    pub busy: u32,
}

impl JobQueue {
    /// Says that a worker is alive.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an id that is empty or over 128 bytes, and any fault of the store.
    pub async fn beat(&self, beat: &WorkerBeat) -> Result<()> {
        if beat.id.is_empty() || beat.id.len() > MAX_WORKER {
            return Err(Error::invalid("id", "must be 1 to 128 bytes"));
        }
        let described = serde_json::to_string(beat).map_err(|error| Error::Internal {
            message: format!("a beat has no JSON form: {error}"),
        })?;
        let mut call = Call::with_keys(&lua::BEAT, &self.worker_keys(&beat.id));
        call.arg(&beat.id)
            .arg(described)
            .arg(millis(FORGET_AFTER))
            .run(&self.core.store)
            .await
    }

    /// Says that a worker has stopped, so that nobody waits for its next beat.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn forget_worker(&self, id: &str) -> Result<()> {
        let [workers, worker] = self.worker_keys(id);
        let mut both = ::redis::pipe();
        both.zrem(workers, id).ignore().del(worker).ignore();
        self.core.store.run_pipeline(&both).await
    }

    /// The workers that have beaten lately, newest beat first.
    pub(crate) async fn workers(&self) -> Result<Vec<WorkerSnapshot>> {
        let namespace = &self.core.config.namespace;
        let mut range = ::redis::cmd("ZREVRANGE");
        range
            .arg(keys::workers(namespace))
            .arg(0)
            .arg(MAX_LISTED - 1)
            .arg("WITHSCORES");
        let beats: Vec<(String, f64)> = self.core.store.run(&range).await?;
        if beats.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = ::redis::cmd("MGET");
        for (id, _) in &beats {
            get.arg(keys::worker(namespace, id));
        }
        let described: Vec<Option<String>> = self.core.store.run(&get).await?;
        let now = self.core.store.now().await?;
        let workers = beats
            .iter()
            .zip(described)
            .filter_map(|((_, score), described)| {
                // One that went away between the two reads is not alive.
                let beat = serde_json::from_str(&described?).ok()?;
                let age = (now.0 as f64 - score).max(0.0);
                Some(WorkerSnapshot {
                    beat,
                    beat_age: Duration::from_secs_f64(age / 1_000.0),
                })
            });
        Ok(workers.collect())
    }

    fn worker_keys(&self, id: &str) -> [String; 2] {
        let namespace = &self.core.config.namespace;
        [keys::workers(namespace), keys::worker(namespace, id)]
    }
}
