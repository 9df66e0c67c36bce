//! Change many jobs in bounded steps, which any server can take.
//!
//! What an operation is stands in one record; how far it has come stands in
//! each queue, where the script that changes the jobs also moves it on. `step`
//! takes the steps, `maintenance/bulk_runner.rs` runs them.

mod progress;
mod record;
mod step;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::job::{JobId, StoreTime};
use crate::keys;
use crate::partition::Partition;
use crate::queue::change::{Change, Force, check_reason};
use crate::queue::list::Position;
use crate::queue::{JobCount, JobQueue};
use crate::state::JobState;

use record::Record;
pub(crate) use step::Stepped;

/// The most ids of an operation.
const MAX_IDS: usize = 1_000;
/// The most jobs a second that can be asked for.
const MAX_RATE: f64 = 100_000.0;
/// How long an operation that is over is kept, and how many there are at the most.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
const MAX_KEPT: usize = 200;
/// How long a start counts the jobs that it means.
const COUNTING: Duration = Duration::from_secs(1);
/// Operations on a page unless asked otherwise, and at the most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 100;

/// What is done to the jobs of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BulkAction {
    /// Call them off.
    Cancel,
    /// Make them wait again.
    Retry,
    /// Delete them; active ones are left.
    Delete,
    /// Make scheduled and retrying ones wait now.
    Promote,
}

/// Which jobs an operation is about.
#[derive(Debug, Clone, PartialEq)]
pub enum BulkTarget {
    /// These, 1 to 1,000.
    Ids(Vec<JobId>),
    /// Those that a filter means and that the action suits: it leaves alone
    /// jobs that are created or move after the start. Completed jobs are
    /// retried only when the filter leaves no other state.
    Filter(Filter),
}

/// An operation to start.
#[derive(Debug, Clone)]
pub struct NewBulk {
    /// What is done.
    pub action: BulkAction,
    /// To which jobs.
    pub target: BulkTarget,
    /// Kept with the operation, and with jobs that are cancelled; at most 1 KiB.
    pub reason: String,
    /// Jobs a second at the most; 0 for as fast as it goes.
    pub rate: f64,
    /// Only tells how many jobs it would be.
    pub validate_only: bool,
    /// A repeat under the same one returns the first operation.
    pub request_id: Option<Uuid>,
}

/// Where an operation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BulkState {
    /// It goes on, on some server.
    Running,
    /// It has come to its end.
    Done,
    /// Somebody stopped it.
    Stopped,
}

/// Many jobs that are changed in bounded steps.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkOperation {
    /// A UUID; empty when it was only counted.
    pub id: String,
    /// What is done.
    pub action: BulkAction,
    /// Which jobs it means; empty for one of ids.
    pub filter: String,
    /// For people.
    pub reason: String,
    /// Jobs a second at the most; 0 for as fast as it goes.
    pub rate: f64,
    /// Where it is.
    pub state: BulkState,
    /// How many jobs it meant when it began.
    pub total: JobCount,
    /// Jobs that were changed.
    pub changed: u64,
    /// Jobs that could not be: they had moved on, or were gone.
    pub skipped: u64,
    /// When it was started.
    pub created: Option<StoreTime>,
    /// When it came to its end or was stopped.
    pub finished: Option<StoreTime>,
    /// The last jobs that were skipped, at most 100; not in lists.
    pub failures: Vec<BulkFailure>,
    /// Partitions that can not be reached now: the numbers lack theirs, and as
    /// long as it runs it goes on there when they are back.
    pub unreachable: Vec<Partition>,
}

/// A job that could not be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkFailure {
    /// The job.
    pub id: JobId,
    /// The stable word of the error.
    pub reason: String,
}

/// Some of the operations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BulkPage {
    /// The newest first.
    pub operations: Vec<BulkOperation>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl BulkAction {
    fn change(self, reason: &str) -> Change {
        match self {
            Self::Cancel => Change::Cancel {
                reason: reason.to_owned(),
            },
            Self::Retry => Change::Retry,
            Self::Delete => Change::Delete(Force::No),
            Self::Promote => Change::Promote,
        }
    }

    /// The filter, narrowed to the states that the action suits.
    fn narrow(self, filter: &Filter) -> Filter {
        use JobState::{
            Active, Blocked, Cancelled, Completed, Failed, Retrying, Scheduled, Waiting,
        };
        match self {
            Self::Cancel => filter.and_states(&[Scheduled, Blocked, Waiting, Active, Retrying]),
            // Work that is done is not done again by the way.
            Self::Retry if filter.only_state() == Some(Completed) => filter.clone(),
            Self::Retry => filter.and_states(&[Failed, Cancelled, Retrying]),
            Self::Delete => filter.and_states(&[
                Scheduled, Blocked, Waiting, Retrying, Completed, Failed, Cancelled,
            ]),
            Self::Promote => filter.and_states(&[Scheduled, Retrying]),
        }
    }
}

impl JobQueue {
    /// Starts an operation, or only counts the jobs that it means. It runs on
    /// the servers of the namespace, see [`crate::maintenance::run_bulks`].
    ///
    /// # Errors
    /// `INVALID_FIELD` for a rate or reason out of range, for no or too many
    /// ids, or when 200 operations run already; any fault of the store.
    pub async fn start_bulk(&self, new: NewBulk) -> Result<BulkOperation> {
        check(&new)?;
        if let Some(first) = self.started_before(&new).await? {
            return Ok(first);
        }
        let mut record = self.prepare(&new).await?;
        if new.validate_only {
            return Ok(record.operation(String::new(), None));
        }
        self.prune_bulks().await?;
        record.created_ms = self.core.now().await?.0;
        let id = self.store_bulk(&record, new.request_id).await?;
        self.core.bulk_started.notify_one();
        self.get_bulk(&id).await
    }

    /// How far an operation has come.
    ///
    /// # Errors
    /// `BULK_OPERATION_NOT_FOUND`, and any fault of the store.
    pub async fn get_bulk(&self, id: &str) -> Result<BulkOperation> {
        let (record, end) = self.read_bulk(id).await?;
        let mut operation = record.operation(id.to_owned(), end);
        let all = std::slice::from_mut(&mut operation);
        let unreachable = self.read_progress_of(all, &record.queues, true).await?;
        operation.tell_unreachable(&record, &unreachable);
        Ok(operation)
    }

    /// The operations of the last days. A page has 50 unless asked otherwise,
    /// and 100 at the most.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token of another list, and any fault of the store.
    pub async fn list_bulks(&self, page_size: usize, page_token: &str) -> Result<BulkPage> {
        const SCOPE: &str = "bulk operations";
        let size = match page_size {
            0 => PAGE,
            size => size.min(MAX_PAGE),
        };
        let mut ids = self.bulk_ids().await?;
        ids.reverse();
        if let Some(last) = Position::read(page_token, SCOPE)?.id() {
            ids.retain(|id| *id < last);
        }
        let more = ids.len() > size;
        ids.truncate(size);
        let next_page_token = match ids.last() {
            Some(last) if more => Position::behind(*last).write(SCOPE),
            _ => String::new(),
        };
        let (mut operations, mut records) = (Vec::new(), Vec::new());
        for (id, found) in ids.iter().zip(self.read_bulks(&ids).await?) {
            // One that was pruned meanwhile is not there any more.
            if let Some((record, end)) = found {
                operations.push(record.operation(id.to_string(), end));
                records.push(record);
            }
        }
        let parts = records.iter().flat_map(|record| record.queues.clone());
        let parts: Vec<_> = parts.collect::<BTreeSet<_>>().into_iter().collect();
        let unreachable = self
            .read_progress_of(&mut operations, &parts, false)
            .await?;
        for (operation, record) in operations.iter_mut().zip(&records) {
            operation.tell_unreachable(record, &unreachable);
        }
        Ok(BulkPage {
            operations,
            next_page_token,
        })
    }

    /// Stops an operation where it is; one step may still be under way. What
    /// is done stays done. One that is over stays as it is.
    ///
    /// # Errors
    /// `BULK_OPERATION_NOT_FOUND`, and any fault of the store.
    pub async fn stop_bulk(&self, id: &str) -> Result<BulkOperation> {
        let operation = self.get_bulk(id).await?;
        if operation.state == BulkState::Running {
            self.end_bulk(&operation, BulkState::Stopped).await?;
            return self.get_bulk(id).await;
        }
        Ok(operation)
    }

    /// What the operation would do, and to how many jobs.
    async fn prepare(&self, new: &NewBulk) -> Result<Record> {
        let mut record = Record::new(new);
        let all = self.core.known_partitions().await?;
        match &new.target {
            BulkTarget::Ids(ids) => record.set_ids(self.place_ids(&all, ids).await?),
            BulkTarget::Filter(filter) => {
                let narrowed = new.action.narrow(filter);
                let until = Instant::now() + COUNTING;
                record.set_total(self.count(&narrowed, until).await?);
                let meant = all
                    .iter()
                    .filter(|part| narrowed.may_mean_queue(part.queue()));
                record.queues = meant.map(ToString::to_string).collect();
            }
        }
        Ok(record)
    }

    /// The operation of an earlier call with the same request id.
    async fn started_before(&self, new: &NewBulk) -> Result<Option<BulkOperation>> {
        let Some(request_id) = new.request_id.filter(|_| !new.validate_only) else {
            return Ok(None);
        };
        let mut get = ::redis::cmd("HGET");
        get.arg(keys::bulks(&self.core.config.namespace))
            .arg(keys::request_entry(request_id));
        let Some(id) = self.core.store.run::<Option<String>>(&get).await? else {
            return Ok(None);
        };
        match self.get_bulk(&id).await {
            // That call got no further than to take the name.
            Err(Error::BulkOperationNotFound { .. }) => Ok(None),
            found => found.map(Some),
        }
    }
}

impl BulkOperation {
    /// Of one that has come to its end all is known.
    fn tell_unreachable(&mut self, record: &Record, unreachable: &[Partition]) {
        if self.state != BulkState::Done {
            let own = |part: &&Partition| record.queues.contains(&part.to_string());
            self.unreachable = unreachable.iter().filter(own).cloned().collect();
        }
    }
}

fn check(new: &NewBulk) -> Result<()> {
    check_reason(&new.reason)?;
    // Written so that NaN is refused too.
    if !(0.0..=MAX_RATE).contains(&new.rate) {
        return Err(Error::invalid("rate", "must be 0 to 100,000 jobs a second"));
    }
    match &new.target {
        BulkTarget::Ids(ids) if ids.is_empty() || ids.len() > MAX_IDS => {
            Err(Error::invalid("ids", "must be 1 to 1,000"))
        }
        _ => Ok(()),
    }
}
