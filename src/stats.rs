//! The only source of numbers: counters and set sizes, read as a [`Snapshot`].

mod together;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use self::together::Together;
use crate::error::{Error, Result};
use crate::job::{JobId, Kind, QueueName, StoreTime};
use crate::lua::{self, Call};
use crate::measures::Measures;
use crate::meta::Meta;
use crate::outcome::{self, Stored};
use crate::partition::Partition;
use crate::queue::{JobQueue, PartitionCounts, PartitionsSnapshot, QueueControl, WorkerBeat};
use crate::record::JobError;
use crate::state::JobState;

/// How many finished jobs a snapshot shows.
const RECENT: usize = 50;
/// Queues that a snapshot asks about at once.
const QUEUES_AT_ONCE: usize = 16;

/// The numbers of a namespace at an instant.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When they were read, by the clock of the store.
    pub time: StoreTime,
    /// How long the store took to answer one command.
    pub round_trip: Duration,
    /// All queues, by name.
    pub queues: Vec<QueueSnapshot>,
    /// The workers that have beaten lately.
    pub workers: Vec<WorkerSnapshot>,
    /// The jobs that became final last, newest first, at most 50.
    pub recent: Vec<FinishedJob>,
}

/// The numbers of one queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueSnapshot {
    /// The queue.
    pub name: QueueName,
    /// How many jobs are in each state now.
    pub counts: Counts,
    /// What has happened since the queue began.
    pub totals: Totals,
    /// How long the oldest waiting job has been waiting.
    pub oldest_waiting: Option<Duration>,
    /// Its settings and switches.
    pub control: QueueControl,
    /// What workers measured in the minute before this one, and in this one.
    pub measured: Measures,
    /// What its partitions are doing.
    pub partitions: PartitionsSnapshot,
}

/// Declares a struct of numbers that can be added up.
macro_rules! numbers {
    ($(#[$doc:meta])* $type:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $type {
            $($(#[$field_doc])* pub $field: u64,)*
        }

        impl $type {
            /// What was added since `before`; 0 of what was reset in between.
            #[must_use]
            pub const fn since(self, before: Self) -> Self {
                Self { $($field: self.$field.saturating_sub(before.$field),)* }
            }
        }

        impl std::ops::AddAssign for $type {
            fn add_assign(&mut self, other: Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

numbers! {
    /// How many jobs are in each state.
    Counts {
        /// Due later.
        scheduled,
        /// Waiting for other jobs.
        blocked,
        /// Ready.
        waiting,
        /// Running.
        active,
        /// In backoff after an error.
        retrying,
        /// Completed and still kept.
        completed,
        /// Failed and still kept.
        failed,
        /// Cancelled and still kept.
        cancelled,
    }
}

numbers! {
    /// What has happened since a queue began; these only grow.
    Totals {
        /// Jobs created.
        submitted,
        /// Jobs completed.
        completed,
        /// Jobs failed.
        failed,
        /// Jobs cancelled.
        cancelled,
        /// Attempts that errored.
        errored,
        /// Leases that ran out.
        lease_expired,
        /// Writes refused for a stale lease token.
        lease_lost,
        /// Jobs given back for want of a handler.
        unhandled,
        /// Jobs given back by a worker that shut down.
        released,
        /// Jobs put off by their handler.
        snoozed,
    }
}

impl Counts {
    /// How many are in one state.
    #[must_use]
    pub const fn of(&self, state: JobState) -> u64 {
        match state {
            JobState::Scheduled => self.scheduled,
            JobState::Blocked => self.blocked,
            JobState::Waiting => self.waiting,
            JobState::Active => self.active,
            JobState::Retrying => self.retrying,
            JobState::Completed => self.completed,
            JobState::Failed => self.failed,
            JobState::Cancelled => self.cancelled,
        }
    }

    /// How many are not final.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.all() - self.completed - self.failed - self.cancelled
    }

    /// How many there are.
    #[must_use]
    pub fn all(&self) -> u64 {
        let states = JobState::ALL.into_iter();
        states.map(|state| self.of(state)).sum()
    }
}

/// A worker and the age of its last beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// What it said last.
    pub beat: WorkerBeat,
    /// How long ago.
    pub beat_age: Duration,
    /// When it started; older workers do not say.
    pub started: Option<StoreTime>,
}

/// A job that became final, without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedJob {
    /// Its id.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Which handler it was for.
    pub kind: Kind,
    /// `Completed`, `Failed` or `Cancelled`.
    pub state: JobState,
    /// The last attempt.
    pub attempt: u32,
    /// The worker of the last attempt.
    pub worker: Option<String>,
    /// When it became final.
    pub finished: StoreTime,
    /// From ready to claimed, for the last attempt.
    pub waited: Duration,
    /// From claimed to finished, for the last attempt.
    pub ran: Duration,
    /// Why a failed job failed; a long message is cut.
    pub error: Option<JobError>,
}

impl JobQueue {
    /// Reads all numbers: two bounded scripts per partition. In a cluster it has the
    /// numbers of those partitions that can be reached, and names the others.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let asked = Instant::now();
        let parts = self.core.known_partitions().await?;
        let round_trip = asked.elapsed();
        let is_cluster = self.core.store.is_cluster().await?;
        let read = parts.into_iter().map(|part| async move {
            let read = tokio::try_join!(self.recent(&part), self.partition_snapshot(&part));
            (part, read)
        });
        let mut read = stream::iter(read).buffered(QUEUES_AT_ONCE);
        let (mut queues, mut recent) = (Vec::<QueueSnapshot>::new(), Vec::new());
        let mut together: Option<Together> = None;
        while let Some((part, read)) = read.next().await {
            let (finished, numbers) = match read {
                Ok((finished, numbers)) => (finished, Ok(numbers)),
                Err(error) => (Vec::new(), Err(error)),
            };
            recent.extend(finished);
            let open = together.take_if(|open| open.queue != *part.queue());
            if let Some(whole) = open {
                queues.push(whole.end(is_cluster)?);
            }
            together
                .get_or_insert_with(|| Together::new(part.queue().clone()))
                .add(&part, numbers);
        }
        if let Some(whole) = together {
            queues.push(whole.end(is_cluster)?);
        }
        recent.sort_by(|a, b| b.finished.cmp(&a.finished).then_with(|| b.id.cmp(&a.id)));
        recent.truncate(RECENT);
        let time = self.core.now().await?;
        Ok(Snapshot {
            time,
            round_trip,
            queues,
            workers: self.list_workers().await?,
            recent,
        })
    }

    /// The numbers of one queue.
    ///
    /// # Errors
    /// `QUEUE_NOT_FOUND`, and any fault of the store.
    pub async fn queue(&self, name: &QueueName) -> Result<QueueSnapshot> {
        self.check_known(name).await?;
        let parts = self.core.partitions_of(name).await?;
        let read = parts.into_iter().map(|part| async move {
            let numbers = self.partition_snapshot(&part).await;
            (part, numbers)
        });
        let mut read = stream::iter(read).buffered(QUEUES_AT_ONCE);
        let mut whole = Together::new(name.clone());
        let mut each = Vec::new();
        while let Some((part, numbers)) = read.next().await {
            each.extend(numbers.iter().map(|numbers| PartitionCounts {
                number: part.number(),
                counts: numbers.counts,
            }));
            whole.add(&part, numbers);
        }
        let mut whole = whole.end(self.core.store.is_cluster().await?)?;
        whole.partitions.each = each;
        Ok(whole)
    }

    pub(crate) async fn partition_snapshot(&self, part: &Partition) -> Result<QueueSnapshot> {
        let keys = self.core.keys(part);
        let reply = Call::new(&lua::STATS, &keys).run(&self.core.store).await?;
        let (now, sizes, counters, oldest, config, measures): StatsReply = reply;
        let [
            scheduled,
            blocked,
            waiting,
            active,
            retrying,
            completed,
            failed,
            cancelled,
        ] = sizes;
        let mut measured = Measures::default();
        // What can not be read tells nothing.
        for measures in measures
            .iter()
            .filter_map(|packed| Measures::unpack(packed))
        {
            measured += &measures;
        }
        let total = |name: &str| counters.get(name).copied().unwrap_or_default();
        Ok(QueueSnapshot {
            counts: Counts {
                scheduled,
                blocked,
                waiting,
                active,
                retrying,
                completed,
                failed,
                cancelled,
            },
            totals: Totals {
                submitted: total("submitted"),
                completed: total("completed"),
                failed: total("failed"),
                cancelled: total("cancelled"),
                errored: total("errored"),
                lease_expired: total("lease_expired"),
                lease_lost: total("lease_lost"),
                unhandled: total("unhandled"),
                released: total("released"),
                snoozed: total("snoozed"),
            },
            oldest_waiting: u64::try_from(oldest).ok().map(Duration::from_millis),
            control: QueueControl::read(&config, StoreTime(now)),
            measured,
            partitions: PartitionsSnapshot::read(config.get("spread"), part),
            name: part.queue().clone(),
        })
    }

    async fn recent(&self, part: &Partition) -> Result<Vec<FinishedJob>> {
        let keys = self.core.keys(part);
        let rows: Vec<Bytes> = Call::new(&lua::RECENT, &keys)
            .arg(RECENT)
            .run(&self.core.store)
            .await?;
        if !rows.len().is_multiple_of(5) {
            return Err(Error::Internal {
                message: "recent answered with a broken row".to_owned(),
            });
        }
        // A record that can not be read is told by `get` and by the audit, not here.
        Ok(rows
            .chunks_exact(5)
            .filter_map(|row| finished_job(part.queue(), row))
            .collect())
    }
}

/// Now, sizes of the sets, counters, age of the oldest waiting job, config, what was measured lately.
type StatsReply = (
    u64,
    [u64; 8],
    HashMap<String, u64>,
    i64,
    HashMap<String, String>,
    Vec<Bytes>,
);

fn finished_job(queue: &QueueName, row: &[Bytes]) -> Option<FinishedJob> {
    let [state, id, kind, meta, error] = row else {
        return None;
    };
    let id = JobId::from_slice(id)?;
    let meta = Meta::unpack(meta)?;
    let (finished, claimed) = (meta.finished?, meta.claimed);
    Some(FinishedJob {
        id,
        queue: queue.clone(),
        kind: Kind::new(std::str::from_utf8(kind).ok()?).ok()?,
        state: JobState::from_word(std::str::from_utf8(state).ok()?)?,
        attempt: meta.attempt,
        worker: meta.worker,
        finished,
        waited: match (claimed, meta.ready) {
            (Some(claimed), Some(ready)) => claimed.since(ready),
            _ => Duration::ZERO,
        },
        ran: claimed.map_or(Duration::ZERO, |claimed| finished.since(claimed)),
        error: match outcome::decode(error) {
            Some(Stored::Error(error)) => Some(error),
            Some(Stored::Result(_)) | None => None,
        },
    })
}
