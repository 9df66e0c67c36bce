//! Count jobs by a filter.

use std::time::Instant;

use crate::error::Result;
use crate::filter::Filter;
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::queue::list::{Columns, Order, Plan, Position, Walk};
use crate::state::JobState;

/// How many jobs a filter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobCount {
    /// So many at the least.
    pub count: u64,
    /// All jobs were looked at; if not, the time was over before.
    pub complete: bool,
}

impl JobQueue {
    /// Counts jobs until a point in time. Where queue and state decide, the
    /// sizes of the sets tell at once; else the jobs are looked at in steps.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn count(&self, filter: &Filter, until: Instant) -> Result<JobCount> {
        let plan = Plan::new(filter, Order::Stored)?.reading(Columns::default());
        let mut count = 0;
        let mut queues = self.core.known_partitions().await?;
        queues.retain(|part| filter.may_mean_queue(part.queue()));
        for queue in queues {
            if let Some(size) = self.size(filter, &queue).await? {
                count += size;
                continue;
            }
            let mut walk = Walk::new(self, &plan, vec![queue], Position::default());
            while walk.current().is_some() {
                if Instant::now() >= until {
                    let complete = false;
                    return Ok(JobCount { count, complete });
                }
                let passed = walk.step(usize::MAX).await?;
                let jobs = passed.iter().filter_map(|passed| passed.job.as_ref());
                count += jobs
                    .filter(|job| filter.matches(job))
                    .map(|_| 1)
                    .sum::<u64>();
            }
        }
        let complete = true;
        Ok(JobCount { count, complete })
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
