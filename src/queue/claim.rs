//! Take waiting jobs under a lease.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::job::{JobId, Kind, LeaseToken, MAX_WORKER, QueueName, StoreTime};
use crate::lua::{self, Call, MAX_JOBS};
use crate::meta::Meta;
use crate::options::{JobDefaults, Priority};
use crate::partition::Partition;
use crate::queue::finish::PreparedFinish;
use crate::queue::{JobQueue, settings};
use crate::record::JobError;
use crate::spec::{Spec, millis};

/// The shortest and longest lease.
const LEASE_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(24 * 3600);

/// What a claim asks for.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// From which queue.
    pub queue: &'a QueueName,
    /// At most so many jobs; 125 a call.
    pub limit: usize,
    /// How long they are this worker's, unless it extends that.
    pub lease: Duration,
    /// The worker's id.
    pub worker: &'a str,
}

/// What a claim came back with.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// The jobs, in the order in which they should run; empty when none waits.
    pub jobs: Vec<ClaimedJob>,
    /// How long until a claim may find more without being woken: until the next
    /// scheduled or retrying job is due, or the next lease ends; `None` when
    /// there is neither.
    pub next_due: Option<Duration>,
}

/// A job that this caller may run until its lease ends.
#[derive(Clone)]
pub struct ClaimedJob {
    /// Its id.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Proves that this caller holds the lease.
    pub token: LeaseToken,
    /// Which handler it is for.
    pub kind: Kind,
    /// What the producer sent.
    pub payload: Bytes,
    /// Media type of the payload.
    pub content_type: String,
    /// The producer's own metadata.
    pub headers: BTreeMap<String, String>,
    /// Its band.
    pub priority: Priority,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// After this many errored attempts it fails.
    pub max_attempts: u32,
    /// How often a worker was lost while it ran this job.
    pub crash_count: u32,
    /// How long this attempt may run.
    pub timeout: Duration,
    /// The delay between attempts.
    pub backoff: Backoff,
    /// When it was submitted.
    pub created: StoreTime,
    /// When it became ready, after a delay, a snooze or a backoff.
    pub ready: Option<StoreTime>,
    /// When it was claimed.
    pub claimed: StoreTime,
}

/// Which job it is, and nothing of what its producer sent.
impl fmt::Debug for ClaimedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimedJob")
            .field("id", &self.id)
            .field("queue", &self.queue)
            .field("kind", &self.kind)
            .field("token", &self.token)
            .field("attempt", &self.attempt)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

impl JobQueue {
    /// Takes up to `limit` waiting jobs (at most 125 a call) under a lease.
    /// Jobs that are due are promoted first. Of a queue in several partitions
    /// each call begins with another one, and passes over those that can not be
    /// reached while others can.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a lease outside 100 ms to 24 h or a worker id over
    /// 128 bytes, and any fault of the store.
    pub async fn claim(
        &self,
        queue: &QueueName,
        limit: usize,
        lease: Duration,
        worker: &str,
    ) -> Result<Claimed> {
        let parts = self.partitions(queue).await?;
        if let [only] = &parts[..] {
            return self.claim_from(only, limit, lease, worker).await;
        }
        let limit = limit.clamp(1, MAX_JOBS);
        let (mut all, mut failed, mut answered) = (Claimed::default(), None, false);
        for part in &parts {
            let left = limit - all.jobs.len();
            match self.claim_from(part, left, lease, worker).await {
                Ok(claimed) => {
                    answered = true;
                    all.jobs.extend(claimed.jobs);
                    all.next_due = all.next_due.into_iter().chain(claimed.next_due).min();
                }
                Err(error) if error.is_transient() => failed = Some(error),
                Err(error) if all.jobs.is_empty() => return Err(error),
                // What is claimed already is this caller's.
                Err(error) => failed = Some(error),
            }
            if all.jobs.len() >= limit {
                break;
            }
        }
        match failed {
            Some(error) if !answered => Err(error),
            _ => Ok(all),
        }
    }

    /// The same in one partition.
    ///
    /// # Errors
    /// As for [`JobQueue::claim`].
    pub async fn claim_from(
        &self,
        part: &Partition,
        limit: usize,
        lease: Duration,
        worker: &str,
    ) -> Result<Claimed> {
        let claim = Claim {
            queue: part.queue(),
            limit,
            lease,
            worker,
        };
        let call = self.claim_call(claim, part).await?;
        let reply = call.run_once(&self.core.store).await?;
        let claimed = self.claimed(part, reply).await?;
        if claimed.jobs.len() >= limit.clamp(1, MAX_JOBS) {
            // Others may be waiting while there is more.
            self.core.bell.ring(part);
        }
        Ok(claimed)
    }

    pub(crate) async fn claim_call(&self, claim: Claim<'_>, part: &Partition) -> Result<Call> {
        check_lease(claim.lease)?;
        if claim.worker.is_empty() || claim.worker.len() > MAX_WORKER {
            return Err(Error::invalid("worker", "must be 1 to 128 bytes"));
        }
        let keys = self.core.register(part).await?;
        crate::failpoint!("claim.registered");
        let mut call = Call::new(&lua::CLAIM, &keys);
        call.arg(claim.limit.clamp(1, MAX_JOBS))
            .arg(millis(claim.lease))
            .arg(claim.worker)
            .arg(self.core.config.crash_cap);
        Ok(call)
    }

    pub(crate) async fn claimed(&self, part: &Partition, reply: Reply) -> Result<Claimed> {
        let queue = part.queue();
        let (wait_ms, batch) = match reply {
            Reply::Jobs(wait, batch) => (wait, Some(batch)),
            Reply::Nothing(wait) => (wait, None),
        };
        crate::failpoint!("claim.taken");
        let mut claimed = Claimed {
            jobs: Vec::new(),
            next_due: u64::try_from(wait_ms).ok().map(Duration::from_millis),
        };
        if let Some((token, _deadline, ids, specs, metas, defaults)) = batch {
            let defaults = settings::job_defaults(&defaults);
            for ((id, spec), meta) in ids.chunks(JobId::BYTES).zip(specs).zip(metas) {
                let id = JobId::from_slice(id).ok_or_else(|| Error::Internal {
                    message: "claim answered with an odd id".to_owned(),
                })?;
                match ClaimedJob::read(id, queue, LeaseToken(token), spec, &meta, defaults) {
                    Some(job) => claimed.jobs.push(job),
                    None => self.set_aside(queue, id, LeaseToken(token)).await?,
                }
            }
        }
        Ok(claimed)
    }

    /// Fails a job whose spec can not be read, so that nobody claims it again.
    async fn set_aside(&self, queue: &QueueName, id: JobId, token: LeaseToken) -> Result<()> {
        tracing::error!(%id, %queue, "the record of a job can not be read; it is set aside to failed");
        let error = JobError {
            code: "CORRUPT_RECORD".to_owned(),
            message: "the record of the job can not be read".to_owned(),
        };
        let finish = PreparedFinish::fail(queue.clone(), id, token, &error);
        let server = self.core.server_of(queue, id);
        self.batches.finishes.call(server, finish).await.map(drop)
    }
}

pub(crate) fn check_lease(lease: Duration) -> Result<()> {
    if LEASE_RANGE.contains(&lease) {
        return Ok(());
    }
    Err(Error::invalid("lease", "must be 100 ms to 24 h"))
}

/// Token, deadline, ids one after the other, specs, metas, what the queue says
/// for jobs that do not.
type Batch = (u64, u64, Bytes, Vec<Bytes>, Vec<Bytes>, [String; 3]);

/// The script leaves the batch out when nothing waits.
pub(crate) enum Reply {
    Nothing(i64),
    Jobs(i64, Batch),
}

impl ::redis::FromRedisValue for Reply {
    fn from_redis_value(value: ::redis::Value) -> Result<Self, ::redis::ParsingError> {
        match &value {
            ::redis::Value::Array(parts) if parts.len() == 1 => {
                let (wait,) = ::redis::from_redis_value(value)?;
                Ok(Self::Nothing(wait))
            }
            _ => {
                let (wait, batch) = ::redis::from_redis_value(value)?;
                Ok(Self::Jobs(wait, batch))
            }
        }
    }
}

impl ClaimedJob {
    fn read(
        id: JobId,
        queue: &QueueName,
        token: LeaseToken,
        spec: Bytes,
        meta: &[u8],
        defaults: JobDefaults,
    ) -> Option<Self> {
        let spec = Spec::decode(spec)?;
        let meta = Meta::unpack(meta)?;
        Some(Self {
            id,
            queue: queue.clone(),
            token,
            kind: spec.kind,
            payload: spec.payload,
            content_type: spec.content_type,
            headers: spec.headers,
            priority: Priority::new(i64::from(meta.priority)).ok()?,
            attempt: meta.attempt,
            max_attempts: spec.max_attempts.unwrap_or(defaults.max_attempts),
            crash_count: meta.crashes,
            timeout: spec.timeout.unwrap_or(defaults.timeout),
            backoff: spec.backoff.unwrap_or(defaults.backoff),
            created: spec.created,
            ready: meta.ready,
            claimed: meta.claimed?,
        })
    }
}
