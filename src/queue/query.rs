//! What happened in a stretch of the past, point by point.
//!
//! A row has the totals as they were when its second, minute or hour began, so
//! what happened in it is the difference to the next row, or to what the totals
//! are now. What workers measured in it stands in the next row, too: until
//! that is written it is gathered under `measures`. Where there is no row
//! nothing was counted.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::error::{Error, Result};
use crate::job::{Kind, QueueName, StoreTime};
use crate::keys::QueueKeys;
use crate::lua::{self, Call};
use crate::measures::Measures;
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::queue::reach::Reach;
use crate::stats::Totals;
use crate::window::MetricsWindow;

/// Rows that a step reads.
const STEP: usize = 250;
/// Queues that are read at once.
const QUEUES_AT_ONCE: usize = 8;
/// Kinds that are named.
const KINDS: usize = 32;

/// Which stretch of the past, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricsQuery {
    /// These queues together.
    pub queues: Vec<QueueName>,
    /// One kind of them; all when there is none.
    pub kind: Option<Kind>,
    /// From when on; an hour before the end when it is not said.
    pub start: Option<StoreTime>,
    /// Until when; now when it is not said, and at the latest.
    pub end: Option<StoreTime>,
    /// How long each step is; when it is not said, as short as it can be for 360.
    pub step: Option<Duration>,
}

/// What happened in a stretch of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsHistory {
    /// The stretch and its steps.
    pub window: MetricsWindow,
    /// From when on anything is known; what is before has no points.
    pub since: Option<StoreTime>,
    /// A point for each step, in order, also where nothing happened.
    pub points: Vec<MetricsPoint>,
    /// The kinds that are told apart in this time, by name, at most 32.
    pub kinds: BTreeSet<Kind>,
    /// Partitions that could not be reached: what happened there is not in it.
    pub unreachable: Vec<Partition>,
}

/// What happened in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsPoint {
    /// When the step begins.
    pub start: StoreTime,
    /// What was counted in it. Of a kind only what its workers told: completed,
    /// failed and errored.
    pub counted: Totals,
    /// How many jobs waited when it ended; 0 of a kind.
    pub waiting: u64,
    /// What workers measured in it; nothing in steps of less than a minute.
    pub measured: Measures,
}

impl MetricsPoint {
    fn empty(start: StoreTime) -> Self {
        Self {
            start,
            counted: Totals::default(),
            waiting: 0,
            measured: Measures::default(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.counted += other.counted;
        self.waiting += other.waiting;
        self.measured += &other.measured;
    }
}

impl MetricsHistory {
    /// All steps as one.
    #[must_use]
    pub fn whole(&self) -> MetricsPoint {
        let mut whole = MetricsPoint::empty(self.window.start());
        for point in &self.points {
            whole.add(point);
            whole.waiting = point.waiting;
        }
        whole
    }
}

impl JobQueue {
    /// What happened in a stretch of the past, by the clock of the store. What is
    /// told depends on what is stored alone, whoever asks.
    ///
    /// # Errors
    /// `QUEUE_NOT_FOUND`; `INVALID_FIELD` for `start_time` when it is not before the
    /// end, is ahead of now, or lies further back than the 31 days that are kept, and
    /// for `step` when it is not of whole seconds, of minutes from a minute on, or of
    /// hours from an hour on, when it is too short for so long ago, or makes more than
    /// 1,000 points; any fault of the store, except where others of the partitions
    /// can be reached.
    pub async fn query_metrics(&self, query: &MetricsQuery) -> Result<MetricsHistory> {
        let now = self.core.now().await?;
        let window = MetricsWindow::new(query.start, query.end, query.step, now)?;
        let (known, kind) = (self.queues().await?, query.kind.as_ref());
        if let Some(missing) = query.queues.iter().find(|queue| !known.contains(queue)) {
            let queue = missing.clone();
            return Err(Error::QueueNotFound { queue });
        }
        let mut parts = Vec::new();
        for queue in &query.queues {
            parts.extend(self.core.partitions_of(queue).await?);
        }
        let read = parts.into_iter().map(|part| async move {
            let keys = self.core.keys(&part);
            let source = self.read_source(&keys, kind, window).await;
            (part, source)
        });
        let mut read = stream::iter(read).buffer_unordered(QUEUES_AT_ONCE);
        let mut sum = Source::new(kind, window);
        let mut reach = Reach::default();
        while let Some((part, source)) = read.next().await {
            let source = reach.take(&self.core, &part, source).await?;
            source.iter().for_each(|source| sum.add(source));
        }
        let mut history = sum.history();
        history.unreachable = reach.some()?;
        Ok(history)
    }

    /// Reads the rows of one set of keys.
    async fn read_source<'a>(
        &self,
        keys: &QueueKeys,
        kind: Option<&'a Kind>,
        window: MetricsWindow,
    ) -> Result<Source<'a>> {
        let (rows_key, letter) = window.resolution().place();
        let mut source = Source::new(kind, window);
        let mut from = window.start();
        loop {
            let is_first = u8::from(source.last.is_none());
            let mut call = Call::new(&lua::QUERY, keys);
            call.arg(rows_key).arg(from.0).arg(STEP);
            call.arg(letter).arg(is_first);
            let (first, rows, now): Step = call.run(&self.core.store).await?;
            if let Some(first) = time_of(&first) {
                source.since.get_or_insert(first);
            }
            for (id, fields) in rows {
                let time = time_of(&id).ok_or_else(|| broken("a row without a time"))?;
                source.take(time, fields.get(1..).unwrap_or_default())?;
                from = StoreTime(time.0 + 1);
            }
            if !now.is_empty() {
                source.take_now(&now)?;
                return Ok(source);
            }
            if from >= window.end() {
                return Ok(source);
            }
        }
    }
}

/// Time of the first row, rows, now.
type Step = (String, Vec<(String, Vec<Bytes>)>, Vec<Bytes>);

/// The points of one set of keys, or the sum of several.
struct Source<'a> {
    kind: Option<&'a Kind>,
    window: MetricsWindow,
    since: Option<StoreTime>,
    points: Vec<MetricsPoint>,
    kinds: BTreeSet<Kind>,
    /// The row before, and its totals.
    last: Option<(StoreTime, Row)>,
    /// Of how many points it is known how many jobs waited when they ended.
    ended: usize,
}

impl<'a> Source<'a> {
    fn new(kind: Option<&'a Kind>, window: MetricsWindow) -> Self {
        let points = (0..window.points()).map(|point| MetricsPoint::empty(window.start_of(point)));
        Self {
            kind,
            window,
            since: None,
            points: points.collect(),
            kinds: BTreeSet::new(),
            last: None,
            ended: 0,
        }
    }

    /// Takes in a row: what it has is about the time since the row before.
    fn take(&mut self, time: StoreTime, fields: &[Bytes]) -> Result<()> {
        let row = Row::read(fields.first())?;
        self.close(&row, fields.get(1..).unwrap_or_default(), "k");
        self.end_points_until(time, &row);
        self.last = Some((time, row));
        Ok(())
    }

    /// Takes in what there is behind the last row.
    fn take_now(&mut self, now: &[Bytes]) -> Result<()> {
        let row = Row::read(now.first())?;
        self.close(&row, now.get(1..).unwrap_or_default(), "");
        self.end_points_until(StoreTime(u64::MAX), &row);
        Ok(())
    }

    /// Adds what happened between the last row and this one.
    fn close(&mut self, row: &Row, measures: &[Bytes], prefix: &str) {
        let Some((began, before)) = &self.last else {
            return;
        };
        let point = self.window.point_at(*began);
        let Some(point) = point.and_then(|point| self.points.get_mut(point)) else {
            return;
        };
        for name in measures.chunks_exact(2).map(|pair| &pair[0]) {
            let name = name.strip_prefix(prefix.as_bytes()).unwrap_or_default();
            name_kind(&mut self.kinds, name);
        }
        let name = self.kind.map_or("", Kind::as_str);
        let own = measures
            .chunks_exact(2)
            .find(|pair| pair[0].strip_prefix(prefix.as_bytes()) == Some(name.as_bytes()));
        // One that can not be read tells nothing.
        let measured = own.and_then(|pair| Measures::unpack(&pair[1]));
        match (self.kind, &measured) {
            (None, _) => point.counted += row.since(before),
            (Some(_), Some(measured)) => {
                point.counted += Totals {
                    completed: measured.completed,
                    failed: measured.failed,
                    errored: measured.errored,
                    ..Totals::default()
                };
            }
            (Some(_), None) => {}
        }
        if let Some(measured) = measured {
            point.measured += &measured;
        }
    }

    /// Nothing moved between the last row and this one, so as many jobs waited
    /// all the time as when this one was written.
    fn end_points_until(&mut self, time: StoreTime, row: &Row) {
        while let Some(point) = self.points.get_mut(self.ended)
            && self.window.start_of(self.ended + 1) <= time
        {
            if self.kind.is_none() {
                point.waiting = row.waiting;
            }
            self.ended += 1;
        }
    }

    fn add(&mut self, other: &Source<'_>) {
        for (point, more) in self.points.iter_mut().zip(&other.points) {
            point.add(more);
        }
        for kind in &other.kinds {
            name_kind(&mut self.kinds, kind.as_str().as_bytes());
        }
        self.since = match (self.since, other.since) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Without the points before anything was known.
    fn history(mut self) -> MetricsHistory {
        let window = self.window;
        let known = self
            .since
            .and_then(|since| window.point_at(since.max(window.start())));
        let unknown = known.unwrap_or(self.points.len());
        self.points.drain(..unknown);
        MetricsHistory {
            window,
            since: self.since,
            points: self.points,
            kinds: self.kinds,
            unreachable: Vec::new(),
        }
    }
}

/// All kinds together have an empty name, and are none.
fn name_kind(kinds: &mut BTreeSet<Kind>, name: &[u8]) {
    let kind = std::str::from_utf8(name)
        .ok()
        .and_then(|name| Kind::new(name).ok());
    kinds.extend(kind.filter(|_| kinds.len() < KINDS));
}

/// The totals of a row, and how many jobs waited.
struct Row {
    totals: Totals,
    waiting: u64,
}

impl Row {
    fn read(packed: Option<&Bytes>) -> Result<Self> {
        let text = packed.and_then(|packed| std::str::from_utf8(packed).ok());
        let numbers = text.map(|text| text.split(' ').map(str::parse).collect());
        let Some(Ok(numbers)) = numbers else {
            return Err(broken("a row without totals"));
        };
        let numbers: Vec<u64> = numbers;
        let [
            submitted,
            completed,
            failed,
            cancelled,
            errored,
            lease_expired,
            lease_lost,
            unhandled,
            released,
            snoozed,
            waiting,
        ] = numbers[..]
        else {
            return Err(broken("a row with other totals"));
        };
        Ok(Self {
            totals: Totals {
                submitted,
                completed,
                failed,
                cancelled,
                errored,
                lease_expired,
                lease_lost,
                unhandled,
                released,
                snoozed,
            },
            waiting,
        })
    }

    fn since(&self, before: &Self) -> Totals {
        self.totals.since(before.totals)
    }
}

fn time_of(id: &str) -> Option<StoreTime> {
    id.split_once('-')?.0.parse().ok().map(StoreTime)
}

fn broken(what: &str) -> Error {
    Error::Internal {
        message: format!("query answered with {what}"),
    }
}
