//! Take in what a handler says of its attempt: progress and log lines.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::job::{JobId, LeaseToken, QueueName};
use crate::lua::{self, Call, MAX_JOBS};
use crate::options::{MAX_LOG_LINE, MAX_PROGRESS_MESSAGE};
use crate::partition::Partition;
use crate::queue::submit::by_partition;
use crate::queue::{ClaimedJob, Core, JobQueue};

/// Of one report.
const MAX_REPORT_LINES: usize = 100;
const MAX_REPORT_BYTES: usize = 64 * 1024;
/// Of one call: of so many logs the newest lines are read and written again.
const MAX_CALL_LOGS: usize = 50;
const MAX_CALL_LINES: usize = 1_000;
const MAX_CALL_BYTES: usize = 256 * 1024;

/// What a handler says of its attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How far it has come, 0 to 100, and a message of at most 1 KiB.
    pub progress: Option<(u8, String)>,
    /// Lines for the job's log: at most 100, each of at most 4 KiB, together of
    /// at most 64 KiB.
    pub lines: Vec<String>,
}

impl JobQueue {
    /// Stores what the handler of a claimed job says of its attempt. Reports at
    /// the same time share a round trip. A line may be there twice when the
    /// store's answer to it was lost.
    ///
    /// # Errors
    /// `LEASE_LOST` when the lease ran out and nothing was stored;
    /// `INVALID_FIELD` for a report without anything, a percentage over 100, or
    /// texts over their limits; `STORE_OUT_OF_MEMORY` when the store is full,
    /// and any other fault of the store.
    pub async fn report(&self, job: &ClaimedJob, report: Report) -> Result<()> {
        let report = PreparedReport::new(job, report)?;
        let server = self.core.server_of(&job.queue, job.id);
        self.batches.reports.call(server, report).await
    }
}

/// A report that keeps to the limits.
pub(crate) struct PreparedReport {
    queue: QueueName,
    id: JobId,
    token: LeaseToken,
    report: Report,
}

impl PreparedReport {
    fn new(job: &ClaimedJob, report: Report) -> Result<Self> {
        if report.progress.is_none() && report.lines.is_empty() {
            return Err(Error::invalid("report", "must have a progress or lines"));
        }
        if let Some((percent, message)) = &report.progress {
            if *percent > 100 {
                return Err(Error::invalid("progress.percent", "must be 0 to 100"));
            }
            if message.len() > MAX_PROGRESS_MESSAGE {
                let limit = format!("must be at most {MAX_PROGRESS_MESSAGE} bytes");
                return Err(Error::invalid("progress.message", limit));
            }
        }
        if report.lines.len() > MAX_REPORT_LINES {
            let limit = format!("must be at most {MAX_REPORT_LINES} lines");
            return Err(Error::invalid("lines", limit));
        }
        let long = |line: &String| line.len() > MAX_LOG_LINE;
        if let Some(at) = report.lines.iter().position(long) {
            let limit = format!("must be at most {MAX_LOG_LINE} bytes");
            return Err(Error::invalid(format!("lines[{at}]"), limit));
        }
        if report.lines.iter().map(String::len).sum::<usize>() > MAX_REPORT_BYTES {
            return Err(Error::invalid("lines", "must be at most 64 KiB together"));
        }
        Ok(Self {
            queue: job.queue.clone(),
            id: job.id,
            token: job.token,
            report,
        })
    }

    fn bytes(&self) -> usize {
        let message = self.report.progress.as_ref().map_or(0, |(_, m)| m.len());
        message + self.report.lines.iter().map(String::len).sum::<usize>()
    }
}

/// Sends reports of any queues, one call per partition and chunk.
pub(crate) async fn send(core: Arc<Core>, reports: Vec<PreparedReport>) -> Vec<Result<()>> {
    let mut results: Vec<Option<Result<()>>> = reports.iter().map(|_| None).collect();
    for (part, places) in by_partition(&reports, |report| (&report.queue, report.id)) {
        // One after the other: the lines of a job keep their order.
        for chunk in chunks(&reports, &places) {
            let chunk: Vec<_> = chunk.iter().map(|at| (*at, &reports[*at])).collect();
            let verdicts = send_chunk(&core, &part, &chunk).await;
            for (n, (at, _)) in chunk.iter().enumerate() {
                results[*at] = Some(
                    verdicts
                        .as_ref()
                        .map_or_else(|error| Err(error.clone()), |verdicts| verdicts[n].clone()),
                );
            }
        }
    }
    let missing = || {
        Err(Error::Internal {
            message: "a report of a batch got no verdict".to_owned(),
        })
    };
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(missing))
        .collect()
}

fn chunks(reports: &[PreparedReport], places: &[usize]) -> Vec<Vec<usize>> {
    let mut chunks = vec![Vec::new()];
    let (mut logs, mut lines, mut bytes) = (0, 0, 0);
    for at in places {
        let report = &reports[*at];
        let speaks = usize::from(!report.report.lines.is_empty());
        let chunk = chunks.last_mut().expect("starts with one chunk");
        let full = chunk.len() == MAX_JOBS
            || logs + speaks > MAX_CALL_LOGS
            || lines + report.report.lines.len() > MAX_CALL_LINES
            || bytes + report.bytes() > MAX_CALL_BYTES;
        if full && !chunk.is_empty() {
            (logs, lines, bytes) = (0, 0, 0);
            chunks.push(vec![*at]);
        } else {
            chunk.push(*at);
        }
        logs += speaks;
        lines += report.report.lines.len();
        bytes += report.bytes();
    }
    chunks
}

/// What is said of one attempt in one call: the last progress, all lines.
struct Joined<'a> {
    id: JobId,
    token: LeaseToken,
    progress: Option<&'a (u8, String)>,
    lines: Vec<&'a String>,
}

/// The answers, in the order of `chunk`.
async fn send_chunk(
    core: &Core,
    part: &Partition,
    chunk: &[(usize, &PreparedReport)],
) -> Result<Vec<Result<()>>> {
    let mut joined: Vec<Joined<'_>> = Vec::new();
    let mut found = HashMap::new();
    let mut rows = Vec::with_capacity(chunk.len());
    for (_, report) in chunk {
        let row = *found
            .entry((report.id, report.token))
            .or_insert_with(|| joined.len());
        if row == joined.len() {
            joined.push(Joined {
                id: report.id,
                token: report.token,
                progress: None,
                lines: Vec::new(),
            });
        }
        let progress = report.report.progress.as_ref();
        joined[row].progress = progress.or(joined[row].progress);
        joined[row].lines.extend(&report.report.lines);
        rows.push(row);
    }
    let keys = core.keys(part);
    let mut call = Call::new(&lua::REPORT, &keys);
    for one in &joined {
        let said = one.progress.map_or_else(Vec::new, |(percent, message)| {
            [&[*percent], message.as_bytes()].concat()
        });
        call.arg(one.id.as_bytes()).arg(&one.token.to_bytes());
        call.arg(&said[..]).arg(one.lines.len());
        for line in &one.lines {
            call.arg(line.as_bytes());
        }
    }
    let words: Vec<String> = call.run(&core.store).await?;
    crate::failpoint!("report.stored");
    if words.len() != joined.len() {
        return Err(Error::Internal {
            message: "report answered for another number of jobs".to_owned(),
        });
    }
    let verdict = |row: usize| match words[row].as_str() {
        "taken" => Ok(()),
        _ => Err(Error::LeaseLost { id: joined[row].id }),
    };
    Ok(rows.into_iter().map(verdict).collect())
}
