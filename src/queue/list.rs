//! List jobs by a filter, a page at a time.
//!
//! `plan` chooses where to look, `walk` goes through it in bounded steps,
//! `row` reads what a step finds, `token` says where a page ended.

mod plan;
mod row;
mod token;
mod walk;

use crate::error::Result;
use crate::filter::Filter;
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::record::JobRecord;

pub(crate) use plan::{Columns, Plan};
pub use plan::{Direction, Order};
pub(crate) use token::Position;
pub(crate) use walk::Walk;

/// Jobs on a page unless asked otherwise, and at the most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 500;
/// The most jobs that one page looks at.
pub(crate) const MAX_LOOKED_AT: usize = 5_000;

/// Which page of which jobs.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Which jobs.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// 0 means 50; more than 500 is read as 500.
    pub page_size: usize,
    /// From the page before, with the same filter and order; empty for the first.
    pub page_token: String,
}

/// Some of the jobs that were asked for.
#[derive(Debug, Clone, Default)]
pub struct JobPage {
    /// Without payloads, results and history. May be fewer than asked for, or
    /// none, also before the last page: a page looks at a bounded number of jobs.
    pub jobs: Vec<JobRecord>,
    /// Empty on the last page.
    pub next_page_token: String,
    /// Partitions that this page lacks the jobs of: they could not be reached.
    pub unreachable: Vec<Partition>,
}

impl JobQueue {
    /// A page of the jobs of all queues, those of one partition after those of
    /// another. A job that stays where the filter looks comes exactly once, or again
    /// where the store was restarted or another server took over in between.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an order that the filter does not allow and for a
    /// page token of another list; any fault of the store, except where others
    /// of the partitions can be reached.
    pub async fn list(&self, request: &ListRequest) -> Result<JobPage> {
        let plan = Plan::new(&request.filter, request.order)?;
        let scope = plan.scope();
        let start = Position::read(&request.page_token, &scope)?;
        let size = match request.page_size {
            0 => PAGE,
            size => size.min(MAX_PAGE),
        };
        let all = self.core.known_partitions().await?;
        let mut walk = Walk::new(self, &plan, all, start);
        let (jobs, next) = walk.page(size).await?;
        Ok(JobPage {
            jobs,
            next_page_token: next.map(|next| next.write(&scope)).unwrap_or_default(),
            unreachable: walk.unreachable()?,
        })
    }
}
