//! The event streams: one entry per move and script call, a letter and the ids of the jobs.
//!
//! `entry` reads what stands in them, `positions` says how far somebody has
//! come in all of them. A stream keeps about 2,000 entries, so whoever comes
//! later finds a gap, and is told.

mod entry;
mod positions;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ::redis::Cmd;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::queue::reach::{Reach, is_out_of_reach};
use crate::queue::{Core, JobQueue};
use crate::redis::{BLOCK, Exclusive};

use entry::RawEntry;
#[cfg(feature = "testing")]
pub(crate) use entry::read_entry;
pub use entry::{EventBatch, EventEntry, EventId, Happening};
pub use positions::EventPositions;
#[cfg(feature = "testing")]
pub(crate) use positions::read_positions;

/// Entries read at once, each of up to a few hundred jobs.
const MAX_ENTRIES: usize = 100;
/// Scripts keep that many entries of a stream, or a few more. One that has
/// fewer was never cut.
const KEPT: usize = 2_000;
/// How soon streams that can not be waited for are looked at again, at first
/// and when nothing has come for a while.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const LOOK_AT_LAST: Duration = Duration::from_millis(160);
/// Streams that are looked at at once.
const STREAMS_AT_ONCE: usize = 32;
/// How long such a look may take, and for how long a stream is left out that
/// could not be looked at: the others do not wait for a server that is gone.
const LOOK_LIMIT: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_secs(2);

impl JobQueue {
    /// The present ends of the streams of partitions, as far as they can be reached.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn event_positions(&self, parts: Vec<Partition>) -> Result<EventPositions> {
        let (mut ends, mut reach) = (BTreeMap::new(), Reach::default());
        for part in parts {
            let end = self.core.event_end(&part);
            if let Some(end) = reach.ask(&self.core, &part, end).await? {
                ends.insert(part, end);
            }
        }
        let namespace = self.core.config.namespace.clone();
        Ok(EventPositions::new(namespace, ends).without(reach.some()?))
    }

    /// The positions of a token, which any process may have given out.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming `resume_token` for a text that is none, or of another namespace.
    pub fn event_positions_of(&self, token: &str) -> Result<EventPositions> {
        EventPositions::from_token(&self.core.config.namespace, token)
    }

    /// Up to 100 entries of a partition behind a place, without waiting for one.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn events_after(&self, queue: &Partition, after: EventId) -> Result<EventBatch> {
        self.core.events_after(queue, after).await
    }

    /// Prepares to read events; follows nothing yet.
    #[must_use]
    pub fn event_reader(&self) -> EventReader {
        EventReader {
            core: Arc::clone(&self.core),
            connection: None,
            followed: HashMap::new(),
            resting: HashMap::new(),
            next_look: Instant::now(),
            pause: LOOK_AGAIN,
        }
    }
}

impl Core {
    async fn event_end(&self, queue: &Partition) -> Result<EventId> {
        let mut last = ::redis::cmd("XREVRANGE");
        last.arg(self.keys(queue).events())
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1);
        let newest: Vec<RawEntry> = self.store.run(&last).await?;
        newest
            .first()
            .map_or(Ok(EventId::BEGINNING), |(id, _)| id.parse())
    }

    async fn events_after(&self, queue: &Partition, after: EventId) -> Result<EventBatch> {
        let keys = self.keys(queue);
        let from_beginning = after == EventId::BEGINNING;
        // The entry of the place itself is read, too: while it is there, none
        // behind it was cut off.
        let most = MAX_ENTRIES + usize::from(!from_beginning);
        let mut range = ::redis::cmd("XRANGE");
        range
            .arg(keys.events())
            .arg(after.to_string())
            .arg("+")
            .arg("COUNT")
            .arg(most);
        let mut raw: Vec<RawEntry> = self.store.run(&range).await?;
        let more = raw.len() >= most;
        let is_cut = if from_beginning {
            let mut len = ::redis::cmd("XLEN");
            more && self.store.run::<usize>(len.arg(keys.events())).await? >= KEPT
        } else {
            let first = raw.first().map(|(id, _)| id.parse()).transpose()?;
            first != Some(after)
        };
        if !from_beginning && !is_cut {
            raw.remove(0);
        }
        let mut batch = EventBatch::unpack(queue, after, &raw, most)?;
        (batch.gap, batch.more) = (is_cut, more);
        if is_cut && raw.is_empty() {
            // All is forgotten: what comes next is the beginning of a new stream.
            batch.last = EventId::BEGINNING;
        }
        Ok(batch)
    }
}

/// Reads the events of some partitions as they come: in a single store with a
/// blocking read on a connection of its own. In a cluster that would take one
/// for each slot, so the streams are looked at again and again.
pub struct EventReader {
    core: Arc<Core>,
    connection: Option<Exclusive>,
    /// The last entry seen, by queue.
    followed: HashMap<Partition, EventId>,
    /// Until when these are left out.
    resting: HashMap<Partition, Instant>,
    /// When streams that can not be waited for are looked at again, however many
    /// calls that takes, and how long after that once more.
    next_look: Instant,
    pause: Duration,
}

/// The new entries of some streams.
type Streams = Option<Vec<(String, Vec<RawEntry>)>>;

impl EventReader {
    /// Follows a partition from the present end of its stream on, which it returns.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn follow(&mut self, queue: Partition) -> Result<EventId> {
        if let Some(place) = self.followed.get(&queue) {
            return Ok(*place);
        }
        let end = self.core.event_end(&queue).await?;
        self.begin(queue, end);
        Ok(end)
    }

    /// The same for several at once. Leaves out those of a cluster that can not be
    /// reached, for the next call.
    ///
    /// # Errors
    /// Any fault of the store, where nothing is followed.
    pub async fn follow_all(&mut self, parts: Vec<Partition>) -> Result<Vec<(Partition, EventId)>> {
        let is_cluster = self.core.store.is_cluster().await?;
        let limit = if is_cluster {
            LOOK_LIMIT
        } else {
            Duration::MAX
        };
        self.end_rests();
        let (mut ends, mut failed) = (Vec::new(), None);
        let asked = parts
            .into_iter()
            .filter(|part| !self.resting.contains_key(part))
            .map(|part| {
                let core = Arc::clone(&self.core);
                async move {
                    let end = timeout(limit, core.event_end(&part)).await;
                    (part, end.unwrap_or(Err(Error::StoreUnavailable)))
                }
            });
        let asked: Vec<_> = asked.collect();
        let mut asked = stream::iter(asked).buffer_unordered(STREAMS_AT_ONCE);
        while let Some((part, end)) = asked.next().await {
            match end {
                Ok(end) => {
                    self.begin(part.clone(), end);
                    ends.push((part, end));
                }
                Err(error) if is_cluster && is_out_of_reach(&error) => {
                    self.rest(part, &error);
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match failed {
            Some(error) if self.followed.is_empty() => Err(error),
            _ => Ok(ends),
        }
    }

    /// Follows a partition from here on. Somebody waits who may not have to for long.
    fn begin(&mut self, part: Partition, end: EventId) {
        self.followed.insert(part, end);
        (self.next_look, self.pause) = (Instant::now(), LOOK_AGAIN);
    }

    fn rest(&mut self, part: Partition, error: &Error) {
        tracing::debug!(%part, %error, "its events are left out for now");
        self.resting.insert(part, Instant::now() + REST);
    }

    fn end_rests(&mut self) {
        let now = Instant::now();
        self.resting.retain(|_, rested| *rested > now);
    }

    /// Stops following a partition.
    pub fn unfollow(&mut self, queue: &Partition) {
        self.followed.remove(queue);
    }

    /// The next events; none when `at_most` (2 s at the longest) has passed.
    /// May be dropped at any time without losing one.
    ///
    /// # Errors
    /// Any fault of the store; the next call connects anew and goes on where
    /// this one was.
    pub async fn next(&mut self, at_most: Duration) -> Result<Vec<EventBatch>> {
        if self.followed.is_empty() {
            tokio::time::sleep(at_most).await;
            return Ok(Vec::new());
        }
        let at_most = at_most.min(BLOCK);
        let queues: Vec<_> = self.followed.keys().cloned().collect();
        let streams: HashMap<_, _> = queues
            .iter()
            .map(|queue| (self.core.keys(queue).events().to_owned(), queue))
            .collect();
        let found = if self.core.store.is_cluster().await? {
            Box::pin(self.look(&queues, at_most)).await?
        } else {
            self.block(&queues, at_most).await?
        };
        let mut batches = Vec::new();
        for (stream, raw) in found {
            if let Some(queue) = streams.get(&stream) {
                batches.push(self.batch(queue, &raw).await?);
            }
        }
        // Only now: a caller that leaves before gets all of them the next time.
        for batch in &batches {
            self.followed.insert(batch.part.clone(), batch.last);
        }
        Ok(batches)
    }

    /// Waits for new entries of all streams, which share a server and a slot.
    async fn block(
        &mut self,
        queues: &[Partition],
        at_most: Duration,
    ) -> Result<Vec<(String, Vec<RawEntry>)>> {
        let mut read = ::redis::cmd("XREAD");
        // Zero would block for ever.
        read.arg("COUNT").arg(MAX_ENTRIES);
        read.arg("BLOCK")
            .arg(at_most.as_millis().max(1).to_string());
        self.name_streams(&mut read, queues);
        let connection = match &mut self.connection {
            Some(held) if !held.is_broken() => held,
            slot => {
                let any = self.core.keys(&queues[0]);
                slot.insert(self.core.store.exclusive(any.events()).await?)
            }
        };
        let reply: Streams = connection
            .query(&read)
            .await
            .map_err(|error| self.core.store.fault(&error))?;
        Ok(reply.unwrap_or_default())
    }

    /// Looks at each stream until one has a new entry. Fails when none can be
    /// looked at.
    async fn look(
        &mut self,
        queues: &[Partition],
        at_most: Duration,
    ) -> Result<Vec<(String, Vec<RawEntry>)>> {
        let until = Instant::now() + at_most;
        loop {
            sleep_until(until.min(self.next_look)).await;
            if self.next_look > until {
                return Ok(Vec::new());
            }
            self.end_rests();
            let reads: Vec<_> = queues
                .iter()
                .filter(|queue| !self.resting.contains_key(queue))
                .map(|queue| {
                    let mut read = ::redis::cmd("XREAD");
                    read.arg("COUNT").arg(MAX_ENTRIES);
                    self.name_streams(&mut read, std::slice::from_ref(queue));
                    (queue.clone(), read)
                })
                .collect();
            let core = Arc::clone(&self.core);
            let looks = reads.into_iter().map(move |(queue, read)| {
                let core = Arc::clone(&core);
                async move {
                    let looked = timeout(LOOK_LIMIT, core.store.run::<Streams>(&read)).await;
                    (queue, looked.unwrap_or(Err(Error::StoreUnavailable)))
                }
            });
            let mut found = Vec::new();
            let mut looked = stream::iter(looks).buffer_unordered(STREAMS_AT_ONCE);
            let mut failed = None;
            while let Some((queue, streams)) = looked.next().await {
                match streams {
                    Ok(streams) => found.extend(streams.unwrap_or_default()),
                    Err(error) if is_out_of_reach(&error) => {
                        self.rest(queue, &error);
                        failed = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if let Some(error) = failed
                && queues.iter().all(|queue| self.resting.contains_key(queue))
            {
                return Err(error);
            }
            if !found.is_empty() {
                self.pause = LOOK_AGAIN;
                return Ok(found);
            }
            self.next_look = Instant::now() + self.pause;
            self.pause = (2 * self.pause).min(LOOK_AT_LAST);
        }
    }

    fn name_streams(&self, read: &mut Cmd, queues: &[Partition]) {
        read.arg("STREAMS");
        for queue in queues {
            read.arg(self.core.keys(queue).events());
        }
        for queue in queues {
            read.arg(self.followed[queue].to_string());
        }
    }

    async fn batch(&self, queue: &Partition, raw: &[RawEntry]) -> Result<EventBatch> {
        let after = self.followed[queue];
        if raw.len() >= MAX_ENTRIES {
            // This far behind, entries may have been cut off before they were
            // read, which the blocking read does not tell.
            return self.core.events_after(queue, after).await;
        }
        EventBatch::unpack(queue, after, raw, MAX_ENTRIES)
    }
}
