//! One stream of events. It hears what the hub reads for all, and reads for
//! itself where it is behind: resumed from a token, or too slow.
//!
//! What asks the store does so for one partition, beside the others: in a cluster
//! one of them may be on a server that does not answer.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jobflow::proto::WatchEventsResponse;
use jobflow::{Error, EventPositions, Filter, JobQueue, Partition, QueueName, Result};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

use crate::event_hub::{PAUSE, Shared, SharedBatch};
use crate::event_work::{Found, Worked, work};

/// The longest silence, well below the 15 s that are promised.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// How soon a queue is looked at again of which a partition could not be reached.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Partitions that are read at once.
const READS_AT_ONCE: usize = 32;
/// Batches of a partition that wait for one before; with more they are read anew.
const MAX_LATER: usize = 32;

pub(crate) struct EventStream {
    shared: Arc<Shared>,
    batches: Receiver<Arc<SharedBatch>>,
    filter: Arc<Filter>,
    /// Behind what was told.
    positions: EventPositions,
    /// Partitions to read for itself.
    behind: BTreeSet<Partition>,
    /// The same, once so much time has passed: they could not be read.
    resting: BTreeMap<Partition, Instant>,
    /// It was too slow to hear everything, and all partitions are to be read.
    has_missed: bool,
    is_resumed: bool,
    /// What is about to be told, of each of these partitions. Tasks, as other streams
    /// wait for the same look-ups, and this one may be slow.
    works: JoinSet<(Partition, Result<Worked>)>,
    busy: HashMap<Partition, Later>,
    /// Where something was told last: it goes on there before anything else.
    next: Option<(Partition, Found, Later)>,
    /// Whether queues are empty of which a partition has drained. That is found out
    /// beside the rest: others of their partitions may be out of reach.
    looks: JoinSet<(QueueName, Result<bool>)>,
    /// The last of these for each queue.
    last_look: HashMap<QueueName, AbortHandle>,
    /// When the last message was sent; none before the first.
    told: Option<Instant>,
    _permit: OwnedSemaphorePermit,
}

/// What there is to tell, if anything.
type Told = Result<Option<WatchEventsResponse>>;

/// What was heard of a partition while something of it was about to be told.
#[derive(Default)]
struct Later {
    heard: VecDeque<Arc<SharedBatch>>,
    /// That was too much, and it is to be read.
    is_behind: bool,
}

impl EventStream {
    pub(crate) async fn open(
        shared: Arc<Shared>,
        permit: OwnedSemaphorePermit,
        batches: Receiver<Arc<SharedBatch>>,
        filter: Filter,
        resume_token: &str,
    ) -> Result<Self> {
        let queue = &shared.queue;
        let (positions, behind) = if resume_token.is_empty() {
            let meant = meant(queue, &filter).await?;
            (queue.event_positions(meant).await?, BTreeSet::new())
        } else {
            let mut positions = queue.event_positions_of(resume_token)?;
            let meant = meant(queue, &filter).await?;
            // Whatever a text names would be read. A partition that has gone is, as it
            // may have had events: that is told as a gap of its queue.
            let queues: BTreeSet<_> = meant.iter().map(Partition::queue).collect();
            positions.retain(|part| queues.contains(part.queue()));
            let named = positions.partitions().cloned();
            let mut behind: BTreeSet<_> = named.chain(meant.iter().cloned()).collect();
            behind.retain(|part| !positions.is_unknown(part));
            (positions, behind)
        };
        Ok(Self {
            shared,
            batches,
            filter: Arc::new(filter),
            positions,
            behind,
            resting: BTreeMap::new(),
            has_missed: false,
            is_resumed: !resume_token.is_empty(),
            works: JoinSet::new(),
            busy: HashMap::new(),
            next: None,
            looks: JoinSet::new(),
            last_look: HashMap::new(),
            told: None,
            _permit: permit,
        })
    }

    /// The next message: the first at once, then what happens, and at least a
    /// heartbeat.
    ///
    /// # Errors
    /// `SHUTTING_DOWN` when the server stops.
    pub(crate) async fn next(&mut self) -> Result<WatchEventsResponse> {
        let Some(told) = self.told else {
            self.told = Some(Instant::now());
            return Ok(self.message());
        };
        let (shared, heartbeat) = (Arc::clone(&self.shared), told + LONGEST_SILENCE);
        let message = tokio::select! {
            message = self.happening() => message?,
            () = sleep_until(heartbeat) => self.message(),
            () = shared.stopping.cancelled() => return Err(Error::ShuttingDown),
        };
        self.told = Some(Instant::now());
        Ok(message)
    }

    /// The next message that tells something. Keeps its place when dropped.
    async fn happening(&mut self) -> Result<WatchEventsResponse> {
        loop {
            match self.step().await {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) if error.is_transient() => {
                    debug!("can not read events: {error}");
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn step(&mut self) -> Told {
        self.end_rests();
        if let Some((part, left, later)) = self.next.take() {
            return self.follow(part, left, later);
        }
        if self.has_missed {
            let meant = meant(&self.shared.queue, &self.filter).await?;
            let missed = meant.into_iter().filter(|part| {
                // Those that rest are read after that.
                !self.positions.is_unknown(part) && !self.resting.contains_key(part)
            });
            // What is behind already may have gone from the list.
            self.behind.extend(missed);
            self.has_missed = false;
            for (part, later) in &mut self.busy {
                later.is_behind |= self.behind.remove(part);
            }
        }
        if self.busy.len() < READS_AT_ONCE
            && let Some(part) = self.behind.pop_first()
        {
            return self.begin(part, Found::default(), Later::default());
        }
        let rested = self.resting.values().min().copied();
        tokio::select! {
            Some(worked) = self.works.join_next() => {
                let (part, worked) = worked.map_err(|error| Error::Internal {
                    message: format!("a look at events broke off: {error}"),
                })?;
                self.take(part, worked)
            }
            heard = self.batches.recv() => match heard {
                Ok(batch) => self.hear(batch),
                Err(RecvError::Lagged(_)) => {
                    self.has_missed = true;
                    Ok(None)
                }
                Err(RecvError::Closed) => Err(Error::ShuttingDown),
            },
            Some(looked) = self.looks.join_next() => {
                // One that has ended otherwise was followed by a later one.
                let Ok((queue, is_empty)) = looked else { return Ok(None) };
                let mut message = self.message();
                message.drained_queues = vec![queue.to_string()];
                Ok(is_empty?.then_some(message))
            }
            () = until(rested) => Ok(None),
        }
    }

    /// Takes in what the hub has read.
    fn hear(&mut self, shared: Arc<SharedBatch>) -> Told {
        let batch = &shared.batch;
        if !self.filter.may_mean_queue(batch.part.queue()) {
            return Ok(None);
        }
        if self.resting.contains_key(&batch.part) || self.behind.contains(&batch.part) {
            // It is read from where it was left.
            return Ok(None);
        }
        if let Some(later) = self.busy.get_mut(&batch.part) {
            later.is_behind |= later.heard.len() >= MAX_LATER;
            if !later.is_behind {
                later.heard.push_back(shared);
            }
            return Ok(None);
        }
        if self.positions.is_unknown(&batch.part) {
            self.positions.set(&batch.part, batch.after);
            if self.is_resumed {
                // What happened there between the two streams nobody knows.
                self.behind.insert(batch.part.clone());
                let mut message = self.message();
                message.gap_queue = batch.part.queue().to_string();
                return Ok(Some(message));
            }
        }
        let (part, mut later) = (batch.part.clone(), Later::default());
        later.heard.push_back(shared);
        self.go_on(part, later)
    }

    /// Goes on with what was heard of a partition.
    fn go_on(&mut self, part: Partition, mut later: Later) -> Told {
        let place = self.positions.of(&part);
        later.heard.retain(|shared| shared.batch.last > place);
        match later.heard.pop_front() {
            None => Ok(None),
            Some(shared) if shared.batch.after > place => {
                self.behind.insert(part);
                Ok(None)
            }
            Some(shared) => {
                let found = Found {
                    batches: VecDeque::from([shared]),
                    more: false,
                };
                self.begin(part, found, later)
            }
        }
    }

    /// Begins to tell of a partition what was found there, or else what is read now.
    fn begin(&mut self, part: Partition, found: Found, later: Later) -> Told {
        let place = self.positions.of(&part);
        let (shared, filter) = (Arc::clone(&self.shared), Arc::clone(&self.filter));
        self.busy.insert(part.clone(), later);
        let mut work = Box::pin(async move {
            let worked = work(&shared, &filter, &part, place, found).await;
            (part, worked)
        });
        // Most of what was heard needs nothing that is not known.
        if let Some((part, worked)) = work.as_mut().now_or_never() {
            return self.take(part, worked);
        }
        self.works.spawn(work);
        Ok(None)
    }

    /// Takes in what is told of a partition, and what is to be done there next.
    fn take(&mut self, part: Partition, worked: Result<Worked>) -> Told {
        let later = self.busy.remove(&part).unwrap_or_default();
        let Worked {
            mut message,
            last,
            has_drained,
            left,
        } = match worked {
            Ok(worked) => worked,
            Err(error) => return self.leave(part, error),
        };
        self.positions.set(&part, last);
        if has_drained {
            self.look_at(part.queue());
        }
        self.next = Some((part, left, later));
        if message == WatchEventsResponse::default() {
            return Ok(None);
        }
        message.resume_token = self.positions.token();
        Ok(Some(message))
    }

    /// Goes on in a partition of which something was told.
    fn follow(&mut self, part: Partition, left: Found, later: Later) -> Told {
        if !left.batches.is_empty() {
            return self.begin(part, left, later);
        }
        if left.more || later.is_behind {
            self.behind.insert(part);
            return Ok(None);
        }
        self.go_on(part, later)
    }

    /// Leaves a partition that can not be read now for a while.
    fn leave(&mut self, part: Partition, error: Error) -> Told {
        if !error.is_transient() {
            return Err(error);
        }
        debug!("can not read events of {part}: {error}");
        self.resting.insert(part, Instant::now() + PAUSE);
        Ok(None)
    }

    fn end_rests(&mut self) {
        let now = Instant::now();
        let (behind, resting) = (&mut self.behind, &mut self.resting);
        resting.retain(|part, until| {
            let rests = *until > now;
            if !rests {
                behind.insert(part.clone());
            }
            rests
        });
    }

    /// Looks whether a partition that has drained was the last one of its queue.
    fn look_at(&mut self, name: &QueueName) {
        let (queue, name) = (self.shared.queue.clone(), name.clone());
        let looked_at = name.clone();
        let look = self.looks.spawn(async move {
            loop {
                match is_empty(&queue, &looked_at).await {
                    Err(error) if error.is_transient() => {
                        debug!("can not tell whether queue {looked_at} is empty: {error}");
                        sleep(LOOK_AGAIN).await;
                    }
                    known => return (looked_at, known),
                }
            }
        });
        if let Some(earlier) = self.last_look.insert(name, look) {
            earlier.abort();
        }
    }

    /// A message that tells nothing but where the stream is.
    fn message(&self) -> WatchEventsResponse {
        WatchEventsResponse {
            resume_token: self.positions.token(),
            ..WatchEventsResponse::default()
        }
    }
}

/// The partitions of the queues that a filter may mean. A stream knows of no others:
/// its token would tell their names to a caller who may not see them.
async fn meant(queue: &JobQueue, filter: &Filter) -> Result<Vec<Partition>> {
    let mut parts = queue.all_partitions().await?;
    parts.retain(|part| filter.may_mean_queue(part.queue()));
    Ok(parts)
}

/// Whether a queue of which a partition has drained has no jobs left.
async fn is_empty(queue: &JobQueue, name: &QueueName) -> Result<bool> {
    if queue.partitions(name).await?.len() == 1 {
        return Ok(true);
    }
    match queue.queue(name).await {
        // Whether those that can not be reached have jobs is known later.
        Ok(whole) if !whole.partitions.unreachable.is_empty() => Err(Error::StoreUnavailable),
        Ok(whole) => Ok(whole.counts.unfinished() == 0),
        Err(Error::QueueNotFound { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
