//! Read what handlers logged for a job.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::job::JobId;
use crate::keys;
use crate::options::MAX_LOG_LINES;
use crate::queue::JobQueue;
use crate::record::LogLine;
use crate::report_codec::{decode_log, log_fields};

/// Some lines of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// Oldest first. Where the numbers do not follow each other, lines in
    /// between are no longer kept.
    pub lines: Vec<LogLine>,
    /// The number of the line behind these; `None` when there is none yet.
    pub next: Option<u64>,
}

impl JobQueue {
    /// Reads up to `limit` lines (1 to 1,000) of a job's log, from line number
    /// `from` on. A job keeps its newest lines, at most 1,000 and 64 KiB.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `CORRUPT_RECORD`, and any fault of the store.
    pub async fn logs(&self, id: JobId, from: u64, limit: usize) -> Result<LogPage> {
        let all = self.core.known_partitions().await?;
        for part in keys::candidates(id, &all) {
            let keys = self.core.keys(part);
            let mut get = ::redis::cmd("HMGET");
            get.arg(keys.logs()).arg(log_fields(id));
            let log: Vec<Option<Bytes>> = self.core.store.run(&get).await?;
            if log.first().is_some_and(Option::is_some) {
                let (lines, next) = decode_log(&log, from, limit.clamp(1, MAX_LOG_LINES))
                    .ok_or(Error::CorruptRecord { id })?;
                return Ok(LogPage { lines, next });
            }
            let mut exists = ::redis::cmd("HEXISTS");
            exists.arg(keys.specs()).arg(id.as_bytes());
            if self.core.store.run(&exists).await? {
                return Ok(LogPage::default());
            }
        }
        Err(Error::JobNotFound { id })
    }
}
