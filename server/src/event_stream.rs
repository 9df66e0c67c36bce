//! One stream of events. It hears what the hub reads for all, and reads for
//! itself where it is behind: resumed from a token, or too slow.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jobflow::proto::{JobEvent, WatchEventsResponse};
use jobflow::{
    Error, EventPositions, Filter, FilterField, Happening, JobQueue, Partition, QueueName, Result,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

use crate::event_hub::{PAUSE, Shared, SharedBatch};

/// The longest silence, well below the 15 s that are promised.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// How soon a queue is looked at again of which a partition could not be reached.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct EventStream {
    shared: Arc<Shared>,
    batches: Receiver<Arc<SharedBatch>>,
    filter: Filter,
    /// Behind what was told.
    positions: EventPositions,
    /// Partitions to read for itself.
    behind: BTreeSet<Partition>,
    /// The same, once so much time has passed: they could not be read.
    resting: BTreeMap<Partition, Instant>,
    /// It was too slow to hear everything, and all partitions are to be read.
    has_missed: bool,
    /// What was read or heard, and is to be told.
    pending: VecDeque<Arc<SharedBatch>>,
    /// Whether queues are empty of which a partition has drained. That is found out
    /// beside the rest: others of their partitions may be out of reach.
    looks: JoinSet<(QueueName, Result<bool>)>,
    /// The last of these for each queue.
    last_look: HashMap<QueueName, AbortHandle>,
    /// When the last message was sent; none before the first.
    told: Option<Instant>,
    _permit: OwnedSemaphorePermit,
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
            (queue.event_positions().await?, BTreeSet::new())
        } else {
            let positions = queue.event_positions_of(resume_token)?;
            let known = queue.all_partitions().await?.into_iter();
            let behind = known.chain(positions.partitions().cloned()).collect();
            (positions, behind)
        };
        Ok(Self {
            shared,
            batches,
            filter,
            positions,
            behind,
            resting: BTreeMap::new(),
            has_missed: false,
            pending: VecDeque::new(),
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

    async fn step(&mut self) -> Result<Option<WatchEventsResponse>> {
        self.end_rests();
        if let Some(batch) = self.pending.front() {
            let told = self.tell(batch).await;
            let batch = &batch.batch;
            let mut message = match told {
                Ok(message) => message,
                Err(error) => return self.leave(batch.part.clone(), error),
            };
            let place = self.positions.of(&batch.part);
            let mut fresh = batch.entries.iter().filter(|entry| entry.id > place);
            let has_drained = fresh.any(|entry| entry.what == Happening::Drained);
            let part = batch.part.clone();
            self.positions.set(&part, batch.last);
            self.pending.pop_front();
            if has_drained && self.filter.may_mean_queue(part.queue()) {
                self.look_at(part.queue());
            }
            let is_empty = message == WatchEventsResponse::default();
            message.resume_token = self.positions.token();
            return Ok((!is_empty).then_some(message));
        }
        if self.has_missed {
            let known = self.shared.queue.all_partitions().await?;
            let known = known.into_iter();
            let known = known.filter(|part| !self.positions.is_unknown(part));
            self.behind = known.collect();
            self.has_missed = false;
        }
        if let Some(part) = self.behind.first().cloned() {
            let after = self.positions.of(&part);
            let batch = match self.shared.queue.events_after(&part, after).await {
                Ok(batch) => batch,
                Err(error) => return self.leave(part, error),
            };
            if !batch.more {
                self.behind.remove(&part);
            }
            self.pending.extend(SharedBatch::all_of(batch));
            return Ok(None);
        }
        let rested = self.resting.values().min().copied();
        let heard = tokio::select! {
            heard = self.batches.recv() => heard,
            Some(looked) = self.looks.join_next() => {
                // One that has ended otherwise was followed by a later one.
                let Ok((queue, is_empty)) = looked else { return Ok(None) };
                let mut message = self.message();
                message.drained_queues = vec![queue.to_string()];
                return Ok(is_empty?.then_some(message));
            }
            () = until(rested) => return Ok(None),
        };
        match heard {
            Ok(shared) => self.hear(shared),
            Err(RecvError::Lagged(_)) => self.has_missed = true,
            Err(RecvError::Closed) => return Err(Error::ShuttingDown),
        }
        Ok(None)
    }

    /// Takes in what the hub has read.
    fn hear(&mut self, shared: Arc<SharedBatch>) {
        let batch = &shared.batch;
        if self.resting.contains_key(&batch.part) {
            // It is read from where it was left.
            return;
        }
        if self.positions.is_unknown(&batch.part) {
            self.positions.set(&batch.part, batch.after);
        }
        let place = self.positions.of(&batch.part);
        if batch.after > place {
            self.behind.insert(batch.part.clone());
        } else if batch.last > place {
            self.pending.push_back(shared);
        }
    }

    /// Leaves a partition that can not be read now for a while: its server may be
    /// gone, and the others of a cluster are not to wait for that.
    fn leave<T>(&mut self, part: Partition, error: Error) -> Result<Option<T>> {
        if !error.is_transient() {
            return Err(error);
        }
        debug!("can not read events of {part}: {error}");
        self.pending.retain(|shared| shared.batch.part != part);
        self.behind.remove(&part);
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

    /// What a batch has to say to this stream, without the token.
    async fn tell(&self, shared: &SharedBatch) -> Result<WatchEventsResponse> {
        let batch = &shared.batch;
        let queue = batch.part.queue();
        let mut message = WatchEventsResponse::default();
        if !self.filter.may_mean_queue(queue) {
            return Ok(message);
        }
        // A batch may begin before the place of this stream.
        let place = self.positions.of(&batch.part);
        if batch.gap && batch.after >= place {
            message.gap_queue = queue.to_string();
        }
        let fresh = batch.entries.iter().filter(|entry| entry.id > place);
        let mut moves = Vec::new();
        for entry in fresh {
            if let Happening::Moved(state) = entry.what {
                moves.extend(entry.jobs.iter().map(|id| (entry.id, *id, state)));
            }
        }
        let asks_kind = self.filter.fields().any(|field| field == FilterField::Kind);
        if !asks_kind {
            moves.retain(|(_, id, state)| self.filter.matches_move(*id, queue, None, *state));
        }
        if moves.is_empty() {
            return Ok(message);
        }
        let kinds = shared.kinds(&self.shared.queue).await?;
        message.events = moves
            .into_iter()
            .filter_map(|(at, id, state)| {
                let kind = kinds.get(&id);
                self.filter
                    .matches_move(id, queue, kind, state)
                    .then(|| JobEvent::moved(at, queue, id, kind, state))
            })
            .collect();
        Ok(message)
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
