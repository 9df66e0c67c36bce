//! The steps of a bulk operation. Each reads where the operation is, finds the
//! next jobs, and has one script change them and move it on; that script does
//! nothing when somebody else has moved it on before.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::record::Record;
use super::{BulkOperation, BulkState};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::job::{JobId, StoreTime};
use crate::keys;
use crate::partition::Partition;
use crate::queue::change::{Change, MAX_CHANGES};
use crate::queue::list::{Columns, Order, Plan, Position, Walk};
use crate::queue::reach::Reach;
use crate::queue::{BulkStep, JobQueue};
use crate::record::JobRecord;
use crate::state::JobState;

/// The cursor of a queue in which nothing is left to do.
const END: &str = "end";
/// Steps a second of an operation that has a rate.
const STEPS_A_SECOND: f64 = 5.0;
/// How long a server that could not be reached is not asked again.
const REST: Duration = Duration::from_secs(1);

/// An operation as one server runs it.
pub(crate) struct BulkRun {
    id: String,
    record: Record,
    change: Change,
    /// Of one by filter.
    plan: Option<Plan>,
    /// Partitions that are left, in the order in which they have their turns: one that
    /// is back must not wait until all others are done.
    left: VecDeque<Partition>,
    /// What is out of reach, and since when this was found out.
    reach: (Instant, Reach),
    /// How many of them could not be reached since the last that could.
    missed: usize,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stepped {
    /// The next step may follow after this long.
    Again(Duration),
    /// The operation is over.
    Over,
}

impl JobQueue {
    /// Takes an operation up where it is.
    pub(crate) async fn open_bulk(&self, id: &str) -> Result<BulkRun> {
        let (record, _) = self.read_bulk(id).await?;
        let action = record.action();
        let plan = if record.by_ids {
            None
        } else {
            let filter = action.narrow(&Filter::parse(&record.filter)?);
            // What tells whether a job moved after the start.
            let times = Columns {
                spec: true,
                meta: true,
                ..Columns::default()
            };
            Some(Plan::new(&filter, Order::Stored)?.reading(times))
        };
        let queues = record.queues.iter();
        let left = queues.map(|queue| Partition::parse(queue));
        let left = left.collect::<Result<_>>()?;
        Ok(BulkRun {
            id: id.to_owned(),
            change: action.change(&record.reason),
            plan,
            left,
            reach: (Instant::now(), Reach::default()),
            missed: 0,
            record,
        })
    }

    /// Where the ids are; those that are nowhere stand under `None`.
    pub(super) async fn place_ids(
        &self,
        all: &[Partition],
        ids: &[JobId],
    ) -> Result<BTreeMap<Option<Partition>, Vec<JobId>>> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut placed = BTreeMap::<_, Vec<_>>::new();
        let mut reach = Reach::default();
        for queue in all {
            let here = ids.iter().filter(|id| queue.may_have(**id));
            let plan = Plan::of_ids(here.copied());
            let look = async {
                let mut walk = Walk::new(self, &plan, vec![queue.clone()], Position::default());
                let mut found = Vec::new();
                while walk.current().is_some() {
                    let passed = walk.step(usize::MAX).await?;
                    found.extend(passed.into_iter().filter_map(|passed| passed.job));
                }
                walk.reached_all()?;
                Ok(found)
            };
            let found = reach.ask(&self.core, queue, Box::pin(look)).await?;
            let found: Vec<_> = found.into_iter().flatten().map(|job| job.id).collect();
            ids.retain(|id| !found.contains(id));
            if !found.is_empty() {
                placed.insert(Some(queue.clone()), found);
            }
        }
        // What a partition that can not be reached may have, it is asked for later.
        for queue in reach.some()? {
            let (here, others): (Vec<_>, _) = ids.into_iter().partition(|id| queue.may_have(*id));
            ids = others;
            if !here.is_empty() {
                placed.insert(Some(queue), here);
            }
        }
        if !ids.is_empty() {
            placed.insert(None, ids);
        }
        Ok(placed)
    }
}

impl BulkRun {
    /// Takes the next step, unless the operation is over.
    pub(crate) async fn step(&mut self, queue: &JobQueue) -> Result<Stepped> {
        let (_, end) = queue.read_bulk(&self.id).await?;
        if end.is_some() {
            return Ok(Stepped::Over);
        }
        let Some(name) = self.left.front().cloned() else {
            let operation = queue.get_bulk(&self.id).await?;
            if !operation.unreachable.is_empty() {
                // What it has done there has to be known for its end.
                return Err(Error::StoreUnavailable);
            }
            queue.end_bulk(&operation, BulkState::Done).await?;
            crate::failpoint!("bulk.ended");
            return Ok(Stepped::Over);
        };
        if self.reach.0.elapsed() >= REST {
            self.reach = (Instant::now(), Reach::default());
        }
        let mut reach = std::mem::take(&mut self.reach.1);
        let stepped = Box::pin(self.step_in(queue, &name));
        let stepped = reach.ask(&queue.core, &name, stepped).await;
        self.reach.1 = reach;
        let Some(stepped) = stepped? else {
            self.missed += 1;
            if self.missed >= self.left.len() {
                return Err(Error::StoreUnavailable);
            }
            self.left.rotate_left(1);
            return Ok(Stepped::Again(Duration::ZERO));
        };
        self.missed = 0;
        match stepped {
            Some(_) => self.left.rotate_left(1),
            None => drop(self.left.pop_front()),
        }
        Ok(Stepped::Again(stepped.unwrap_or_default()))
    }

    /// How long to wait after a step in this partition; nothing when none is left there.
    async fn step_in(&self, queue: &JobQueue, name: &Partition) -> Result<Option<Duration>> {
        let cursor = self.cursor(queue, name).await?;
        if cursor == END {
            return Ok(None);
        }
        let (ids, next_cursor) = match &self.plan {
            Some(plan) => self.meant(queue, plan, name, &cursor).await?,
            None => self.named(name, &cursor)?,
        };
        let step = BulkStep {
            operation: self.id.clone(),
            expected_cursor: cursor,
            next_cursor,
        };
        crate::failpoint!("bulk.found");
        let done = queue
            .change_in(name, &self.change, &ids, Some(&step))
            .await?;
        crate::failpoint!("bulk.changed");
        // Overtaken by another server, whose turn it is to wait.
        let count = if done.is_some() { ids.len() } else { 0 };
        Ok(Some(self.pause(count)))
    }

    async fn cursor(&self, queue: &JobQueue, name: &Partition) -> Result<String> {
        let mut get = ::redis::cmd("HGET");
        get.arg(queue.core.keys(name).bulk())
            .arg(keys::bulk_field(&self.id, "cursor"));
        let cursor: Option<String> = queue.core.store.run(&get).await?;
        Ok(cursor.unwrap_or_default())
    }

    /// The next jobs that the filter means.
    async fn meant(
        &self,
        queue: &JobQueue,
        plan: &Plan,
        name: &Partition,
        cursor: &str,
    ) -> Result<(Vec<JobId>, String)> {
        let start = Position::read(cursor, &self.id).map_err(|_| self.lost())?;
        let mut walk = Walk::new(queue, plan, vec![name.clone()], start);
        let (jobs, next) = walk.page(self.size()).await?;
        walk.reached_all()?;
        let since = StoreTime(self.record.created_ms);
        let ids = jobs.iter().filter(|job| !has_moved(job, since));
        let next = next.map_or_else(|| END.to_owned(), |next| next.write(&self.id));
        Ok((ids.map(|job| job.id).collect(), next))
    }

    /// The next of the ids that were named.
    fn named(&self, name: &Partition, cursor: &str) -> Result<(Vec<JobId>, String)> {
        let all = self
            .record
            .ids
            .get(&name.to_string())
            .map_or(&[][..], Vec::as_slice);
        let from = match cursor {
            "" => 0,
            number => number.parse().map_err(|_| self.lost())?,
        };
        let ids = all.chunks(16).skip(from).take(self.size());
        let next = from + self.size();
        let next = if next * 16 >= all.len() {
            END.to_owned()
        } else {
            next.to_string()
        };
        Ok((ids.filter_map(JobId::from_slice).collect(), next))
    }

    fn lost(&self) -> Error {
        Error::Internal {
            message: format!("the cursor of bulk operation {} can not be read", self.id),
        }
    }

    /// Jobs of one step.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number that is not negative"
    )]
    fn size(&self) -> usize {
        if self.record.rate == 0.0 {
            return MAX_CHANGES;
        }
        ((self.record.rate / STEPS_A_SECOND).ceil() as usize).clamp(1, MAX_CHANGES)
    }

    /// How long so many jobs take at the operation's rate.
    fn pause(&self, jobs: usize) -> Duration {
        if self.record.rate == 0.0 || jobs == 0 {
            return Duration::ZERO;
        }
        // A rate close to zero must not make a pause that no clock can measure.
        Duration::from_secs_f64((jobs as f64 / self.record.rate).min(24.0 * 3_600.0))
    }
}

/// Whether a job was created or moved after an instant, as far as its record tells.
fn has_moved(job: &JobRecord, since: StoreTime) -> bool {
    let is_later = |time: Option<StoreTime>| time.is_some_and(|time| time > since);
    let became_ready = match job.state {
        JobState::Waiting | JobState::Active => job.ready,
        _ => None,
    };
    job.created > since || is_later(job.finished) || is_later(job.started) || is_later(became_ready)
}

impl BulkOperation {
    /// Whether nothing more happens to it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state != BulkState::Running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rate: f64) -> BulkRun {
        let record = Record {
            rate,
            ..Record::default()
        };
        BulkRun {
            id: String::new(),
            change: Change::Retry,
            plan: None,
            left: VecDeque::new(),
            reach: (Instant::now(), Reach::default()),
            missed: 0,
            record,
        }
    }

    #[test]
    fn steps_and_pauses_make_the_rate() {
        for (rate, size, pause_ms) in [
            (0.0, MAX_CHANGES, 0),
            (0.5, 1, 2_000),
            (5.0, 1, 200),
            (200.0, 40, 200),
            (1_000.0, MAX_CHANGES, 100),
        ] {
            let run = run(rate);
            assert_eq!(run.size(), size, "{rate}");
            assert_eq!(run.pause(size).as_millis(), pause_ms, "{rate}");
        }
        assert_eq!(run(5.0).pause(0), Duration::ZERO);
        assert!(run(f64::MIN_POSITIVE).pause(100) <= Duration::from_secs(86_400));
    }
}
