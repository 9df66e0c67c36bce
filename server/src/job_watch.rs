//! One stream that follows one job.

use std::sync::Arc;

use bytes::Bytes;
use jobflow::proto::{self, WatchJobResponse};
use jobflow::{Error, JobId, JobRecord, LogLine, Result};
use tokio::time::{Duration, Instant, sleep, sleep_until};
use tracing::debug;

use crate::event_hub::{RECHECK, Shared, Wait};

/// A stream that says nothing for longer is taken for one that is dead.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// Lines read at once; a job keeps no more.
const LINES: usize = 1_000;

pub(crate) struct JobWatch {
    shared: Arc<Shared>,
    wait: Wait,
    id: JobId,
    /// The job as it was told last.
    told: Option<JobRecord>,
    next_line: u64,
}

impl JobWatch {
    pub(crate) const fn new(shared: Arc<Shared>, wait: Wait, id: JobId, from_line: u64) -> Self {
        Self {
            shared,
            wait,
            id,
            told: None,
            next_line: from_line,
        }
    }

    /// The next message: the job first, then what changes; `None` once it was
    /// told that the job is final.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND` when it was deleted, `SHUTTING_DOWN` when the server stops.
    pub(crate) async fn next(&mut self) -> Result<Option<WatchJobResponse>> {
        if self.told.as_ref().is_some_and(|job| job.state.is_final()) {
            return Ok(None);
        }
        let stopping = self.shared.stopping.clone();
        let message = stopping.run_until_cancelled(self.change()).await;
        message.ok_or(Error::ShuttingDown)?.map(Some)
    }

    async fn change(&mut self) -> Result<WatchJobResponse> {
        let heartbeat = Instant::now() + LONGEST_SILENCE;
        loop {
            match self.look().await {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) if error.is_transient() => debug!("job {}: {error}", self.id),
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = self.wait.nudged() => {}
                () = sleep(RECHECK) => {}
                () = sleep_until(heartbeat) => return Ok(WatchJobResponse::default()),
            }
        }
    }

    /// What has changed, if anything has.
    async fn look(&mut self) -> Result<Option<WatchJobResponse>> {
        let job = self.shared.queue.get(self.id).await?;
        // After the job: what was logged before it became final is there by now.
        let lines = self.new_lines().await?;
        let is_first = self.told.is_none();
        let has_changed = self.told.as_ref().is_none_or(|told| {
            (told.state, &told.etag, &told.progress) != (job.state, &job.etag, &job.progress)
        });
        if !has_changed && lines.is_empty() {
            return Ok(None);
        }
        if let Some(last) = lines.last() {
            self.next_line = last.number + 1;
        }
        let mut message = proto::Job::from(job.clone());
        if !is_first {
            message.payload = Bytes::new();
            message.previous_payloads.clear();
        }
        self.told = Some(job);
        Ok(Some(WatchJobResponse {
            job: has_changed.then_some(message),
            log_lines: lines.into_iter().map(Into::into).collect(),
        }))
    }

    async fn new_lines(&self) -> Result<Vec<LogLine>> {
        let mut page = self
            .shared
            .queue
            .logs(self.id, self.next_line, LINES)
            .await?;
        let mut lines = std::mem::take(&mut page.lines);
        lines.retain(|line| line.number >= self.next_line);
        Ok(lines)
    }
}
