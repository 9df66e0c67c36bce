//! Workers, on the wire, and what they can be told.

use std::time::Duration;

use super::values::int;
use super::{duration, known, timestamp};
use crate::error::{Error, Result};
use crate::proto;
use crate::queue::{RunningJob, WorkerSignal, WorkerState};
use crate::stats::WorkerSnapshot;

impl From<WorkerSnapshot> for proto::Worker {
    fn from(worker: WorkerSnapshot) -> Self {
        let beat = worker.beat;
        Self {
            id: beat.id,
            host: beat.host,
            pid: int(beat.pid),
            version: beat.version,
            queues: beat.queues,
            kinds: beat.kinds,
            slots: int(beat.slots),
            busy_slots: int(beat.busy),
            start_time: worker.started.map(timestamp),
            beat_age: Some(duration(worker.beat_age)),
            state: proto::WorkerState::from(beat.state).into(),
            running_jobs: beat.running.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<WorkerState> for proto::WorkerState {
    fn from(state: WorkerState) -> Self {
        match state {
            WorkerState::Running => Self::Running,
            WorkerState::Quiet => Self::Quiet,
            WorkerState::Stopping => Self::Stopping,
        }
    }
}

impl From<RunningJob> for proto::RunningJob {
    fn from(job: RunningJob) -> Self {
        Self {
            id: job.id,
            queue: job.queue,
            kind: job.kind,
            attempt: int(job.attempt),
            elapsed: Some(duration(Duration::from_millis(job.elapsed_ms))),
        }
    }
}

/// What a worker is told.
///
/// # Errors
/// `INVALID_FIELD` naming `signal` when it is not given or not known.
pub fn worker_signal(signal: i32) -> Result<WorkerSignal> {
    use proto::WorkerSignal as Wire;
    match known("signal", Wire::try_from(signal))? {
        Wire::Unspecified => Err(Error::invalid("signal", "must be given")),
        Wire::Quiet => Ok(WorkerSignal::Quiet),
        Wire::Resume => Ok(WorkerSignal::Resume),
        Wire::Stop => Ok(WorkerSignal::Stop),
    }
}
