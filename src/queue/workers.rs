//! Workers say that they are alive, and others look at what they said.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::job::{MAX_WORKER, StoreTime};
use crate::keys;
use crate::lua::{self, Call};
use crate::queue::{JobQueue, WorkerSignal};
use crate::spec::millis;
use crate::stats::WorkerSnapshot;

/// A worker that has not beaten for this long is forgotten.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(60);
/// The most workers a list or snapshot describes.
const MAX_LISTED: isize = 1_000;
/// The most running jobs that a worker tells of.
const MAX_RUNNING: usize = 100;

/// What a worker says of itself with each beat.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// For how long it had been up when it beat; older workers do not say.
    #[serde(default)]
    pub uptime_ms: Option<u64>,
    /// What it does.
    #[serde(default)]
    pub state: WorkerState,
    /// The jobs that it has been running longest; at most 100 are told. Only
    /// [`JobQueue::get_worker`] reads them.
    #[serde(skip)]
    pub running: Vec<RunningJob>,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It claims jobs.
    #[default]
    Running,
    /// It claims nothing, as it was told.
    Quiet,
    /// It ends.
    Stopping,
}

impl WorkerState {
    /// The signal that a worker obeys that is so.
    const fn obeyed(self) -> WorkerSignal {
        match self {
            Self::Running => WorkerSignal::Resume,
            Self::Quiet => WorkerSignal::Quiet,
            Self::Stopping => WorkerSignal::Stop,
        }
    }
}

/// A job that a worker runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningJob {
    /// Its id.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// Which handler runs it.
    pub kind: String,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// For how long it had been running when the worker beat.
    pub elapsed_ms: u64,
}

impl JobQueue {
    /// Says that a worker is alive. Returns what it was told and does not do yet.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an id that is empty or over 128 bytes, and any fault of the store.
    pub async fn beat(&self, beat: &WorkerBeat) -> Result<Option<WorkerSignal>> {
        check_worker_id(&beat.id)?;
        let told = &beat.running[..beat.running.len().min(MAX_RUNNING)];
        let running = match told {
            [] => String::new(),
            told => json(told)?,
        };
        let mut call = Call::with_keys(&lua::BEAT, &self.worker_keys(&beat.id));
        call.arg(&beat.id)
            .arg(json(beat)?)
            .arg(running)
            .arg(millis(FORGET_AFTER))
            .arg(beat.state.obeyed().as_str());
        let told: Option<String> = call.run(&self.core.store).await?;
        crate::failpoint!("beat.said");
        Ok(told.as_deref().and_then(WorkerSignal::from_word))
    }

    /// Says that a worker has stopped, so that nobody waits for its next beat.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn forget_worker(&self, id: &str) -> Result<()> {
        let [workers, own @ ..] = self.worker_keys(id);
        let mut all = ::redis::pipe();
        all.zrem(workers, id).ignore().del(&own[..]).ignore();
        self.core.store.run_pipeline(&all).await?;
        crate::failpoint!("worker.forgotten");
        Ok(())
    }

    /// One worker with the jobs that it runs.
    ///
    /// # Errors
    /// `WORKER_NOT_FOUND` when it has not beaten lately; `INVALID_FIELD` for an
    /// id that is empty or over 128 bytes; any fault of the store.
    pub async fn get_worker(&self, id: &str) -> Result<WorkerSnapshot> {
        check_worker_id(id)?;
        let [workers, worker, running, _] = self.worker_keys(id);
        let store = &self.core.store;
        let mut score = ::redis::cmd("ZSCORE");
        let said: Option<u64> = store.run(score.arg(workers).arg(id)).await?;
        let mut get = ::redis::cmd("MGET");
        let (described, running): (Option<String>, Option<String>) =
            store.run(get.arg(worker).arg(running)).await?;
        let now = self.core.now().await?;
        let snapshot = said
            .zip(described)
            .and_then(|(said, described)| snapshot(&described, StoreTime(said), now));
        let mut snapshot = snapshot.ok_or_else(|| Error::WorkerNotFound { id: id.to_owned() })?;
        let jobs = running.as_deref().map(serde_json::from_str);
        snapshot.beat.running = jobs.and_then(Result::ok).unwrap_or_default();
        Ok(snapshot)
    }

    /// The workers that have beaten lately, newest beat first, at most 1,000;
    /// without the jobs that they run.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn list_workers(&self) -> Result<Vec<WorkerSnapshot>> {
        let namespace = &self.core.config.namespace;
        let mut range = ::redis::cmd("ZREVRANGE");
        range
            .arg(keys::workers(namespace))
            .arg(0)
            .arg(MAX_LISTED - 1)
            .arg("WITHSCORES");
        let beats: Vec<(String, u64)> = self.core.store.run(&range).await?;
        if beats.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = ::redis::cmd("MGET");
        for (id, _) in &beats {
            get.arg(keys::worker(namespace, id));
        }
        let described: Vec<Option<String>> = self.core.store.run(&get).await?;
        let now = self.core.now().await?;
        let workers = beats
            .iter()
            .zip(described)
            // One that went away between the two reads is not alive.
            .filter_map(|((_, said), described)| snapshot(&described?, StoreTime(*said), now));
        Ok(workers.collect())
    }

    /// The list, and what is of this worker alone: description, jobs, signal.
    fn worker_keys(&self, id: &str) -> [String; 4] {
        let namespace = &self.core.config.namespace;
        [
            keys::workers(namespace),
            keys::worker(namespace, id),
            keys::running(namespace, id),
            keys::signal(namespace, id),
        ]
    }
}

pub(crate) fn check_worker_id(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > MAX_WORKER {
        return Err(Error::invalid("id", "must be 1 to 128 bytes"));
    }
    Ok(())
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal {
        message: format!("a beat has no JSON form: {error}"),
    })
}

fn snapshot(described: &str, said: StoreTime, now: StoreTime) -> Option<WorkerSnapshot> {
    let beat: WorkerBeat = serde_json::from_str(described).ok()?;
    Some(WorkerSnapshot {
        started: beat
            .uptime_ms
            .map(|uptime| StoreTime(said.0.saturating_sub(uptime))),
        beat_age: now.since(said),
        beat,
    })
}
