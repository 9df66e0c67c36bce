//! Goes through the queues in bounded steps. Where it is can be kept between
//! any two jobs, and nothing of it is kept in the store.

use crate::error::Result;
use crate::job::JobId;
use crate::lua::{self, Call};
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::queue::list::plan::Source;
use crate::queue::list::row::{Found, Row};
use crate::queue::list::token::{Cursor, Place};
use crate::queue::list::{MAX_LOOKED_AT, Plan, Position};
use crate::queue::reach::Reach;
use crate::record::JobRecord;

/// The most jobs of one step.
const MAX_STEP: usize = 200;
/// A scan can not stop at a job with a large payload, so it begins carefully.
const FIRST_SCAN: usize = 16;
/// How many bytes of jobs a step reads inside the store before it stops.
const STEP_BYTES: usize = 512 * 1024;
/// What a step costs at the least, in jobs.
const STEP_COST: usize = 50;

/// A walk through the jobs of some partitions.
pub(crate) struct Walk<'a> {
    queue: &'a JobQueue,
    plan: &'a Plan,
    /// Those that are left; the last is walked now.
    left: Vec<Partition>,
    place: Place,
    scan_size: usize,
    /// Partitions that can not be reached are passed over.
    reach: Reach,
    /// A scan began anew: what it had passed comes again.
    began_anew: bool,
}

/// A job, and where a walk goes on behind it.
pub(crate) struct Passed {
    pub(crate) job: Option<JobRecord>,
    pub(crate) behind: Place,
}

impl<'a> Walk<'a> {
    /// Through these partitions, in their order, from a position on.
    pub(crate) fn new(
        queue: &'a JobQueue,
        plan: &'a Plan,
        mut queues: Vec<Partition>,
        start: Position,
    ) -> Self {
        queues.retain(|part| plan.filter.may_mean_queue(part.queue()));
        let mut place = Place::Start;
        let reach = Reach::going_on(start.queue.is_some());
        if let Some(at) = start.queue {
            queues.retain(|name| *name >= at);
            // A queue that was deleted meanwhile leaves the next one to its start.
            if queues.first() == Some(&at) {
                place = start.place;
            }
        }
        queues.reverse();
        Self {
            queue,
            plan,
            left: queues,
            place,
            scan_size: FIRST_SCAN,
            reach,
            began_anew: false,
        }
    }

    /// The partitions that it has passed over. Fails where no other answered.
    pub(crate) fn unreachable(self) -> Result<Vec<Partition>> {
        self.reach.some()
    }

    /// Fails where it has passed over any.
    pub(crate) fn reached_all(self) -> Result<()> {
        self.reach.all()
    }

    /// Whether it has begun the current partition anew since this was asked last.
    pub(crate) const fn began_anew(&mut self) -> bool {
        std::mem::replace(&mut self.began_anew, false)
    }

    /// Where it is; `None` at the end.
    pub(crate) fn position(&mut self) -> Option<Position> {
        let queue = Some(self.current()?.clone());
        let place = self.place.clone();
        Some(Position { queue, place })
    }

    /// The partition that it goes through; `None` at the end.
    pub(crate) fn current(&mut self) -> Option<&Partition> {
        if self.place == Place::End {
            self.left.pop();
            self.place = Place::Start;
        }
        self.left.last()
    }

    /// Up to `size` jobs that the filter means, and where the next page begins.
    /// Looks at a bounded number of jobs.
    pub(crate) async fn page(&mut self, size: usize) -> Result<(Vec<JobRecord>, Option<Position>)> {
        let (mut jobs, mut looked_at) = (Vec::new(), 0);
        while looked_at < MAX_LOOKED_AT && self.current().is_some() {
            let passed = self.step(size - jobs.len()).await?;
            looked_at += passed.len().max(STEP_COST);
            for Passed { job, behind } in passed {
                jobs.extend(job.filter(|job| self.plan.filter.matches(job)));
                if jobs.len() == size {
                    self.place = behind;
                    return Ok((jobs, self.position()));
                }
            }
        }
        Ok((jobs, self.position()))
    }

    /// The next jobs of the current queue, whether the filter means them or
    /// not, at the most 200, and goes behind them. `wanted` is how many the
    /// caller has a use for.
    pub(crate) async fn step(&mut self, wanted: usize) -> Result<Vec<Passed>> {
        let mut reach = std::mem::take(&mut self.reach);
        let queue: &'a JobQueue = self.queue;
        let mut stepped = Ok(Vec::new());
        while let Some(part) = self.current().cloned() {
            let look = Box::pin(self.look(&part, wanted));
            let looked = reach.ask(&queue.core, &part, look).await;
            let (passed, behind) = match looked {
                Ok(None) => {
                    self.place = Place::End;
                    continue;
                }
                Ok(Some(looked)) => looked,
                Err(error) => {
                    stepped = Err(error);
                    break;
                }
            };
            self.place = behind;
            stepped = Ok(passed);
            break;
        }
        self.reach = reach;
        stepped
    }

    async fn look(&mut self, part: &Partition, wanted: usize) -> Result<(Vec<Passed>, Place)> {
        match (&self.plan.source, self.place.clone()) {
            (Source::Ids(ids), place) => self.named(part, ids, place).await,
            (Source::Set { name, down }, place) => self.in_set(part, name, *down, place).await,
            (Source::Scan { active }, place) => self.scanned(part, *active, place, wanted).await,
        }
    }

    async fn named(
        &self,
        queue: &Partition,
        ids: &[JobId],
        place: Place,
    ) -> Result<(Vec<Passed>, Place)> {
        let is_left = |id: &&JobId| match place {
            Place::Behind { id: last, .. } => **id > last,
            _ => true,
        };
        let left = ids.iter().filter(|id| queue.may_have(**id));
        let left: Vec<_> = left.filter(is_left).copied().collect();
        if left.is_empty() {
            return Ok((Vec::new(), Place::End));
        }
        let found = self.read_ids(queue, &left).await?;
        let rows = found.rows(queue.queue(), self.plan.columns);
        let is_end = found.read >= left.len();
        Ok(behind_each(rows, |row| place_behind(row, 0.0), is_end))
    }

    async fn in_set(
        &self,
        queue: &Partition,
        name: &str,
        down: bool,
        place: Place,
    ) -> Result<(Vec<Passed>, Place)> {
        let mut call = self.call(queue, MAX_STEP, "set");
        call.arg(name).arg(if down { "down" } else { "up" });
        match place {
            Place::Behind { score, id } => call.arg(score).arg(id.as_bytes()),
            _ => call.arg("").arg(""),
        };
        let found: Found = call.run(&self.queue.core.store).await?;
        let rows = found.rows(queue.queue(), self.plan.columns);
        let is_end = found.ids < MAX_STEP && found.read >= found.ids;
        Ok(behind_each(
            rows,
            |row| place_behind(row, row.score),
            is_end,
        ))
    }

    async fn scanned(
        &mut self,
        queue: &Partition,
        active: bool,
        place: Place,
        wanted: usize,
    ) -> Result<(Vec<Passed>, Place)> {
        let (cursor, floor, surplus) = match place {
            Place::Scan {
                cursor,
                floor,
                surplus,
            } => (cursor, floor, surplus),
            _ => (Cursor::default(), None, Vec::new()),
        };
        if !surplus.is_empty() {
            return self.surplus(queue, cursor, floor, &surplus).await;
        }
        // Those over what is wanted go into the token: few, please.
        let most = self.scan_size.min(wanted.max(FIRST_SCAN));
        let mut call = self.call(queue, most, "scan");
        call.arg(if active { "active" } else { "all" })
            .arg(cursor.at);
        let found: Found = call.run(&self.queue.core.store).await?;
        if cursor.at != 0 && cursor.run != found.cursor.run {
            // Some come again: better than to miss others.
            self.began_anew = true;
            return Ok((Vec::new(), Place::Start));
        }
        self.pace(&found);
        let mut unread = found.unread();
        unread.retain(|id| floor.is_none_or(|floor| *id > floor));
        let is_whole = cursor.at == 0 && found.cursor.at == 0;
        if !unread.is_empty() {
            unread.sort_unstable();
            if !is_whole {
                return self.surplus(queue, found.cursor, floor, &unread).await;
            }
            // Read by their order, of which the next page needs only the last id.
            let next = &unread[..unread.len().min(MAX_STEP)];
            let part = self.read_ids(queue, next).await?;
            let is_end = part.read >= unread.len();
            let rows = part.rows(queue.queue(), self.plan.columns);
            return Ok(behind_each(rows, floor_at, is_end));
        }
        let mut rows = found.rows(queue.queue(), self.plan.columns);
        rows.retain(|row| floor.is_none_or(|floor| row.id > floor));
        if is_whole {
            rows.sort_unstable_by_key(|row| row.id);
            return Ok(behind_each(rows, floor_at, true));
        }
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        Ok(behind_surplus(rows, &ids, found.cursor, floor))
    }

    /// Those that an earlier step found.
    async fn surplus(
        &self,
        queue: &Partition,
        cursor: Cursor,
        floor: Option<JobId>,
        surplus: &[JobId],
    ) -> Result<(Vec<Passed>, Place)> {
        let next = &surplus[..surplus.len().min(MAX_STEP)];
        let found = self.read_ids(queue, next).await?;
        let rows = found.rows(queue.queue(), self.plan.columns);
        Ok(behind_surplus(rows, surplus, cursor, floor))
    }

    async fn read_ids(&self, queue: &Partition, ids: &[JobId]) -> Result<Found> {
        let mut call = self.call(queue, ids.len(), "ids");
        for id in ids {
            call.arg(id.as_bytes());
        }
        call.run(&self.queue.core.store).await
    }

    fn call(&self, queue: &Partition, most: usize, how: &str) -> Call {
        let mut call = Call::new(&lua::LIST, &self.queue.core.keys(queue));
        call.arg(self.plan.columns.letters())
            .arg(most)
            .arg(STEP_BYTES)
            .arg(how);
        call
    }

    /// More in the next scan while jobs are small, fewer when they are large.
    fn pace(&mut self, found: &Found) {
        let each = found.bytes / found.read.max(1);
        let fit = STEP_BYTES / each.max(1);
        self.scan_size = fit.clamp(1, MAX_STEP).min(2 * self.scan_size);
    }
}

/// Jobs that come in the order of ids: all up to this one have been listed.
const fn floor_at(row: &Row) -> Place {
    Place::Scan {
        cursor: Cursor { at: 0, run: 0 },
        floor: Some(row.id),
        surplus: Vec::new(),
    }
}

const fn place_behind(row: &Row, score: f64) -> Place {
    Place::Behind { score, id: row.id }
}

/// Rows with the place behind each; the walk is behind the last, or at the end.
fn behind_each(
    rows: Vec<Row>,
    place: impl Fn(&Row) -> Place,
    is_end: bool,
) -> (Vec<Passed>, Place) {
    let mut passed: Vec<_> = rows
        .into_iter()
        .map(|row| Passed {
            behind: place(&row),
            job: row.job,
        })
        .collect();
    let last = passed.last_mut().filter(|_| is_end);
    if let Some(last) = last {
        last.behind = Place::End;
    }
    let behind = passed.last().map_or(Place::End, |last| last.behind.clone());
    (passed, behind)
}

/// Rows of a scan with the place behind each: where the scan goes on, once the
/// ids that it found are all read.
fn behind_surplus(
    rows: Vec<Row>,
    ids: &[JobId],
    cursor: Cursor,
    floor: Option<JobId>,
) -> (Vec<Passed>, Place) {
    let place = |left: &[JobId]| match (cursor.at, left) {
        (0, []) => Place::End,
        _ => Place::Scan {
            cursor,
            floor,
            surplus: left.to_vec(),
        },
    };
    let behind = place(&ids[rows.len()..]);
    let passed = rows.into_iter().enumerate().map(|(at, row)| Passed {
        behind: place(&ids[at + 1..]),
        job: row.job,
    });
    (passed.collect(), behind)
}
