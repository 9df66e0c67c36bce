//! Count jobs by a filter.

use std::time::Instant;

use crate::error::Result;
use crate::filter::Filter;
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::queue::list::{Columns, Order, Plan, Position, Walk};
use crate::queue::reach::Reach;
use crate::state::JobState;

/// How many jobs a filter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobCount {
    /// So many at the least.
    pub count: u64,
    /// All jobs were looked at; if not, the time was over before, or some could
    /// not be reached.
    pub complete: bool,
}

impl JobQueue {
    /// Counts jobs until a point in time. Where queue and state decide, the
    /// sizes of the sets tell at once; else the jobs are looked at in steps.
    ///
    /// # Errors
    /// Any fault of the store, except where others of the partitions can be reached.
    pub async fn count(&self, filter: &Filter, until: Instant) -> Result<JobCount> {
        let plan = Plan::new(filter, Order::Stored)?.reading(Columns::default());
        let mut counting = Counting {
            filter,
            plan: &plan,
            until,
            count: 0,
            is_over: false,
        };
        let mut reach = Reach::default();
        let mut queues = self.core.known_partitions().await?;
        queues.retain(|part| filter.may_mean_queue(part.queue()));
        for part in queues {
            let counted = Box::pin(counting.count_in(self, &part));
            reach.ask(&self.core, &part, counted).await?;
        }
        let is_whole = reach.some()?.is_empty() && !counting.is_over;
        Ok(JobCount {
            count: counting.count,
            complete: is_whole,
        })
    }

    /// By the sizes of the sets, where these decide.
    async fn size(&self, filter: &Filter, part: &Partition) -> Result<Option<u64>> {
        let means = JobState::ALL.map(|state| filter.means_place(part.queue(), state));
        if means.iter().any(Option::is_none) {
            return Ok(None);
        }
        let counts = self.partition_snapshot(part).await?.counts;
        let sizes = JobState::ALL.map(|state| counts.of(state));
        let meant = means
            .iter()
            .zip(sizes)
            .filter(|(means, _)| **means == Some(true));
        Ok(Some(meant.map(|(_, size)| size).sum()))
    }
}

/// A count that goes from one partition to the next.
struct Counting<'a> {
    filter: &'a Filter,
    plan: &'a Plan,
    until: Instant,
    count: u64,
    /// The time was over before all jobs were looked at.
    is_over: bool,
}

impl Counting<'_> {
    async fn count_in(&mut self, queue: &JobQueue, part: &Partition) -> Result<()> {
        if let Some(size) = queue.size(self.filter, part).await? {
            self.count += size;
            return Ok(());
        }
        let before = self.count;
        let mut walk = Walk::new(queue, self.plan, vec![part.clone()], Position::default());
        while walk.current().is_some() {
            if Instant::now() >= self.until {
                self.is_over = true;
                return Ok(());
            }
            let passed = walk.step(usize::MAX).await?;
            if walk.began_anew() {
                self.count = before;
            }
            let jobs = passed.iter().filter_map(|passed| passed.job.as_ref());
            let meant = jobs.filter(|job| self.filter.matches(job));
            self.count += meant.map(|_| 1).sum::<u64>();
        }
        walk.reached_all()
    }
}
