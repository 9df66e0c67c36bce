//! Failed jobs, grouped by what they failed of. Nothing of the groups is
//! stored: they are made from the jobs when somebody asks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Instant;

use crate::error::Result;
use crate::filter::Filter;
use crate::fingerprint::Fingerprint;
use crate::job::{JobId, Kind, QueueName, StoreTime};
use crate::queue::JobQueue;
use crate::queue::list::{Columns, Order, Plan, Position, Walk};
use crate::record::{JobError, JobRecord};
use crate::state::JobState;

/// The most groups of an answer.
const MAX_GROUPS: usize = 100;
/// The most groups that are kept apart while jobs are looked at.
const MAX_CAUSES: usize = 10_000;

/// What jobs failed of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetters {
    /// The largest first; at most 100.
    pub groups: Vec<DeadLetterGroup>,
    /// All failed jobs were looked at, none was out of reach, and there were few
    /// enough causes to keep them apart.
    pub complete: bool,
}

/// Failed jobs of one queue that failed of the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterGroup {
    /// What they failed of; filters know it as `fingerprint`.
    pub fingerprint: Fingerprint,
    /// Their queue.
    pub queue: QueueName,
    /// Their kind.
    pub kind: Kind,
    /// The code of their error.
    pub code: String,
    /// How many there are.
    pub count: u64,
    /// When the first of them failed.
    pub first: StoreTime,
    /// When the last of them failed.
    pub last: StoreTime,
    /// The one that failed last.
    pub example: JobId,
}

impl JobQueue {
    /// Groups the failed jobs that the filter means, looking at jobs until a
    /// point in time.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn dead_letter_groups(&self, filter: &Filter, until: Instant) -> Result<DeadLetters> {
        let filter = filter.and_states(&[JobState::Failed]);
        let plan = Plan::new(&filter, Order::Stored)?.reading(Columns {
            spec: true,
            meta: true,
            error: true,
            ..Columns::default()
        });
        let mut causes = Causes::default();
        let all = self.core.known_partitions().await?;
        let mut walk = Walk::new(self, &plan, all, Position::default());
        let mut some_twice = false;
        while walk.current().is_some() && Instant::now() < until {
            for passed in walk.step(usize::MAX).await? {
                if let Some(job) = passed.job.filter(|job| filter.matches(job)) {
                    causes.add(job);
                }
            }
            some_twice |= walk.began_anew();
        }
        let is_whole = walk.current().is_none() && !causes.overflowed && !some_twice;
        let complete = walk.unreachable()?.is_empty() && is_whole;
        Ok(DeadLetters {
            groups: causes.largest(),
            complete,
        })
    }
}

#[derive(Default)]
struct Causes {
    groups: HashMap<(QueueName, String), DeadLetterGroup>,
    /// There were too many, and some jobs are in none.
    overflowed: bool,
}

impl Causes {
    fn add(&mut self, job: JobRecord) {
        // A job that failed without a word has failed of that.
        let error = job.error.unwrap_or_else(|| JobError {
            code: String::new(),
            message: String::new(),
        });
        let fingerprint = Fingerprint::of(&job.kind, &error);
        let ended = job.finished.unwrap_or(job.created);
        let is_full = self.groups.len() >= MAX_CAUSES;
        match self
            .groups
            .entry((job.queue.clone(), fingerprint.hex.clone()))
        {
            Entry::Occupied(mut group) => {
                let group = group.get_mut();
                group.count += 1;
                group.first = group.first.min(ended);
                if (ended, job.id) > (group.last, group.example) {
                    (group.last, group.example) = (ended, job.id);
                }
            }
            Entry::Vacant(_) if is_full => self.overflowed = true,
            Entry::Vacant(place) => {
                place.insert(DeadLetterGroup {
                    fingerprint,
                    queue: job.queue,
                    kind: job.kind,
                    code: error.code,
                    count: 1,
                    first: ended,
                    last: ended,
                    example: job.id,
                });
            }
        }
    }

    fn largest(self) -> Vec<DeadLetterGroup> {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        groups.sort_unstable_by(|a, b| {
            let place = |group: &DeadLetterGroup| (group.count, group.last, group.example);
            place(b).cmp(&place(a))
        });
        groups.truncate(MAX_GROUPS);
        groups
    }
}
