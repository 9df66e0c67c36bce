//! Say why a job is not running.

mod judge;

use crate::error::Result;
use crate::job::{JobId, StoreTime};
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::queue::settings::Pause;
use crate::record::JobRecord;
use crate::state::JobState;
use crate::stats::WorkerSnapshot;

/// Why a job is where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The state it is in.
    pub state: JobState,
    /// One sentence.
    pub summary: String,
    /// What keeps it from running, the first cause first; empty when it runs,
    /// is final, or is next.
    pub obstacles: Vec<Obstacle>,
    /// How many jobs of its partition run before a waiting one.
    pub jobs_ahead: Option<u64>,
    /// Workers alive that claim from its queue and have a handler for its kind.
    pub workers: u32,
    /// Their free slots.
    pub free_slots: u32,
}

/// One thing that keeps a job from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What kind of thing.
    pub reason: ObstacleReason,
    /// One sentence.
    pub description: String,
    /// When it ends by itself, where that is known.
    pub until: Option<StoreTime>,
}

/// Declares the reasons with their stable words.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $word:literal,)*) => {
        /// What kind of thing keeps a job from running.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ObstacleReason {
            $($(#[$doc])* $reason,)*
        }

        impl ObstacleReason {
            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason => $word,)*
                }
            }
        }
    };
}

reasons! {
    /// Somebody paused its queue.
    QueuePaused = "QUEUE_PAUSED",
    /// Somebody paused its kind.
    KindPaused = "KIND_PAUSED",
    /// No worker claims from its queue.
    NoWorker = "NO_WORKER",
    /// No worker of its queue has a handler for its kind.
    NoHandler = "NO_HANDLER",
    /// Its run time lies ahead.
    NotDue = "NOT_DUE",
    /// An attempt errored, and the delay behind it is not over.
    InBackoff = "IN_BACKOFF",
    /// Other jobs run before it.
    BehindOthers = "BEHIND_OTHERS",
    /// It waits for other jobs.
    Blocked = "BLOCKED",
}

/// What is known of a job and of what is around it.
struct Facts {
    job: JobRecord,
    now: StoreTime,
    /// Waiting jobs with a place before its own.
    ahead: Option<u64>,
    /// Those of its queue.
    pauses: Vec<Pause>,
    /// All that have beaten.
    workers: Vec<WorkerSnapshot>,
}

impl JobQueue {
    /// Says why a job is not running.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `CORRUPT_RECORD`, and any fault of the store.
    pub async fn explain(&self, id: JobId) -> Result<Explanation> {
        let job = self.get(id).await?;
        let part = Partition::of(&job.queue, id);
        let keys = self.core.keys(&part);
        let (ahead, queue, workers, now) = tokio::try_join!(
            self.ahead_of(&job),
            self.partition_snapshot(&part),
            self.list_workers(),
            self.core.store.now(keys.config()),
        )?;
        Ok(judge::explain(&Facts {
            job,
            now,
            ahead,
            pauses: queue.control.pauses,
            workers,
        }))
    }

    /// How many waiting jobs have a place before that of a waiting one.
    async fn ahead_of(&self, job: &JobRecord) -> Result<Option<u64>> {
        if job.state != JobState::Waiting {
            return Ok(None);
        }
        let keys = self.core.keys(&Partition::of(&job.queue, job.id));
        let (store, waiting) = (&self.core.store, keys.set_of(JobState::Waiting));
        let mut rank = ::redis::cmd("ZRANK");
        rank.arg(&waiting).arg(job.id.as_bytes());
        if let Some(rank) = store.run::<Option<u64>>(&rank).await? {
            return Ok(Some(rank));
        }
        // One of a paused kind was set aside with its place.
        let mut place = ::redis::cmd("ZSCORE");
        place.arg(keys.parked()).arg(job.id.as_bytes());
        let Some(place) = store.run::<Option<f64>>(&place).await? else {
            return Ok(None);
        };
        let mut before = ::redis::cmd("ZCOUNT");
        before.arg(waiting).arg("-inf").arg(format!("({place}"));
        store.run(&before).await.map(Some)
    }
}
