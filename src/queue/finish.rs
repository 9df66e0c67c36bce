//! End an attempt: ack, error, fail, snooze or release.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::job::{JobId, LeaseToken, QueueName};
use crate::lua::{self, Call};
use crate::options::{MAX_DELAY, check_size};
use crate::outcome;
use crate::partition::Partition;
use crate::queue::submit::by_partition;
use crate::queue::{ClaimedJob, Core, JobQueue};
use crate::record::{JobError, JobResult};
use crate::spec::millis;
use crate::state::JobState;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The handler succeeded.
    Ack(Option<JobResult>),
    /// The attempt errored: retried by the job's backoff while attempts are left.
    Error(JobError),
    /// The attempt errored: retried after this long while attempts are left.
    ErrorAfter(Duration, JobError),
    /// The job fails, whatever attempts are left.
    Fail(JobError),
    /// The handler puts the job off; no attempt is used up.
    Snooze(Duration),
    /// The worker gives the job back to the head of its band; no attempt is used up.
    Release,
    /// The worker has no handler for the kind; put off, no attempt is used up.
    Unhandled(Duration),
    /// The job was called off while it ran.
    Cancelled,
}

impl JobQueue {
    /// Ends the attempt of a claimed job and returns the job's new state: that
    /// of a job which somebody called off is `Cancelled`, unless its handler
    /// succeeded.
    /// Finishes at the same time share a round trip. Repeating one whose
    /// answer was lost is safe.
    ///
    /// # Errors
    /// `LEASE_LOST` when the lease ran out and nothing was changed;
    /// `PAYLOAD_TOO_LARGE` for a result over 256 KiB; `INVALID_FIELD` for a
    /// delay over 10 years; any fault of the store.
    pub async fn finish(&self, job: &ClaimedJob, outcome: Outcome) -> Result<JobState> {
        let finish = PreparedFinish::new(job, outcome, rand::random())?;
        let server = self.core.server_of(&job.queue, job.id);
        self.batches.finishes.call(server, finish).await
    }
}

/// A finish in the form of the script's arguments.
pub(crate) struct PreparedFinish {
    queue: QueueName,
    id: JobId,
    token: LeaseToken,
    word: &'static str,
    delay: Duration,
    body: Vec<u8>,
}

impl PreparedFinish {
    /// `random` in 0 to 1 is the jitter of the backoff.
    fn new(job: &ClaimedJob, outcome: Outcome, random: f64) -> Result<Self> {
        let last = job.attempt >= job.max_attempts;
        let (word, delay, body) = match outcome {
            Outcome::Ack(None) => ("ack", Duration::ZERO, Vec::new()),
            Outcome::Ack(Some(result)) => {
                check_size("result", result.bytes.len())?;
                ("ack", Duration::ZERO, outcome::encode_result(&result))
            }
            Outcome::Error(error) if !last => (
                "error",
                job.backoff.delay(job.attempt, random),
                outcome::encode_error(&error),
            ),
            Outcome::ErrorAfter(delay, error) if !last => {
                ("error", delay, outcome::encode_error(&error))
            }
            Outcome::Error(error) | Outcome::ErrorAfter(_, error) | Outcome::Fail(error) => {
                ("fail", Duration::ZERO, outcome::encode_error(&error))
            }
            Outcome::Snooze(delay) => ("snooze", delay, Vec::new()),
            Outcome::Unhandled(delay) => ("unhandled", delay, Vec::new()),
            Outcome::Release => ("release", Duration::ZERO, Vec::new()),
            Outcome::Cancelled => ("cancel", Duration::ZERO, Vec::new()),
        };
        if delay > MAX_DELAY {
            return Err(Error::invalid("delay", "must be 0 to 10 years"));
        }
        Ok(Self {
            queue: job.queue.clone(),
            id: job.id,
            token: job.token,
            word,
            delay,
            body,
        })
    }

    pub(crate) fn fail(queue: QueueName, id: JobId, token: LeaseToken, error: &JobError) -> Self {
        let body = outcome::encode_error(error);
        Self {
            queue,
            id,
            token,
            word: "fail",
            delay: Duration::ZERO,
            body,
        }
    }
}

/// Sends finishes of any queues, one call per partition.
pub(crate) async fn send(core: Arc<Core>, finishes: Vec<PreparedFinish>) -> Vec<Result<JobState>> {
    let mut results: Vec<Option<Result<JobState>>> = finishes.iter().map(|_| None).collect();
    for (part, places) in by_partition(&finishes, |finish| (&finish.queue, finish.id)) {
        let verdicts = finish_queue(&core, &part, &finishes, &places).await;
        for (n, at) in places.iter().enumerate() {
            results[*at] = Some(match &verdicts {
                Ok(letters) => verdict(letters[n], finishes[*at].id),
                Err(error) => Err(error.clone()),
            });
        }
    }
    let missing = || {
        Err(Error::Internal {
            message: "a finish of a batch got no verdict".to_owned(),
        })
    };
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(missing))
        .collect()
}

async fn finish_queue(
    core: &Core,
    part: &Partition,
    finishes: &[PreparedFinish],
    places: &[usize],
) -> Result<Bytes> {
    let keys = core.keys(part);
    let mut call = Call::new(&lua::FINISH, &keys);
    call.arg(core.config.retention.completed.count)
        .arg(core.config.retention.failed.count)
        .arg(core.config.retention.cancelled.count);
    for at in places {
        let finish = &finishes[*at];
        call.arg(finish.id.as_bytes())
            .arg(&finish.token.to_bytes())
            .arg(finish.word);
        call.arg(millis(finish.delay)).arg(&finish.body[..]);
    }
    crate::failpoint!("finish.sends");
    let letters: Bytes = call.run(&core.store).await?;
    crate::failpoint!("finish.stored");
    if letters.len() != places.len() {
        return Err(Error::Internal {
            message: "finish answered for another number of jobs".to_owned(),
        });
    }
    if letters.contains(&b'w') {
        // A worker that hands its jobs back is about to end.
        core.tell_workers(part).await;
    } else if letters.iter().any(|letter| b"rs".contains(letter)) {
        core.bell.ring(part);
    }
    Ok(letters)
}

fn verdict(letter: u8, id: JobId) -> Result<JobState> {
    if letter == b'-' {
        return Err(Error::LeaseLost { id });
    }
    JobState::from_letter(letter).ok_or_else(|| Error::Internal {
        message: "finish answered with an unknown letter".to_owned(),
    })
}
