//! How queues are spread over partitions, as far as this process knows.
//!
//! The first partition decides. Each has the spread in its config, where a submit
//! that goes by an earlier one is told of it, see `prelude_submit.lua`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::job::QueueName;
use crate::lua::MAX_JOBS;
use crate::partition::{MAX_PARTITIONS, Partition, Spread};
use crate::queue::reach::is_out_of_reach;
use crate::queue::{Core, JobQueue};
use crate::redis::Address;
use crate::stats::Counts;

/// So many jobs that no key binds go to one partition, then as many to the next:
/// a call is for one partition, and small calls cost more.
const RUN: usize = MAX_JOBS;
/// How long new jobs avoid a partition that could not be reached.
const REST: Duration = Duration::from_secs(1);
/// How old may be what is known of a spread where nobody tells of a change.
const KNOWN_FOR: Duration = Duration::from_secs(10);

/// What a queue's partitions are doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionsSnapshot {
    /// How many take new jobs.
    pub count: u8,
    /// Those above that only work off what they have.
    pub surplus: Vec<u8>,
    /// Those that could not be asked: the numbers of the queue lack theirs.
    pub unreachable: Vec<u8>,
    /// The numbers of those that answered, where a queue is asked for alone.
    pub each: Vec<PartitionCounts>,
}

/// How many jobs one partition has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionCounts {
    /// Its number.
    pub number: u8,
    /// By state.
    pub counts: Counts,
}

impl PartitionsSnapshot {
    /// What one partition tells of all.
    pub(crate) fn read(spread: Option<&String>, part: &Partition) -> Self {
        let spread = Spread::read(spread.map_or("", String::as_str)).unwrap_or_default();
        let is_surplus = part.number() >= spread.count;
        Self {
            count: spread.count,
            surplus: is_surplus.then_some(part.number()).into_iter().collect(),
            ..Self::default()
        }
    }

    /// Takes in what a further one tells. The first of those that answer is right
    /// about the count.
    pub(crate) fn add(&mut self, other: Self) {
        self.surplus.extend(other.surplus);
    }
}

/// How the queues are spread, as far as this process knows.
#[derive(Default)]
pub(crate) struct Spreads(Mutex<HashMap<QueueName, Known>>);

struct Known {
    spread: Arc<Spread>,
    read: Option<Instant>,
    /// Jobs that no key bound, so far.
    placed: usize,
    /// Where they go now.
    present: u8,
    /// How often that was another one before.
    turns: usize,
    /// How often it was claimed from.
    claims: usize,
    /// Until when new jobs avoid a partition.
    away: HashMap<u8, Instant>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            spread: Arc::default(),
            read: None,
            // At random: other processes count, too.
            placed: rand::random_range(0..RUN),
            present: 0,
            claims: rand::random_range(0..usize::from(MAX_PARTITIONS)),
            turns: rand::random_range(0..usize::from(MAX_PARTITIONS)),
            away: HashMap::new(),
        }
    }
}

impl Spreads {
    fn all(&self) -> MutexGuard<'_, HashMap<QueueName, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That of a queue; that of one which was never grown, where nothing is known.
    pub(crate) fn of(&self, queue: &QueueName) -> Arc<Spread> {
        static NEVER_GROWN: LazyLock<Arc<Spread>> = LazyLock::new(Arc::default);
        let all = self.all();
        let spread = all.get(queue).map_or(&*NEVER_GROWN, |known| &known.spread);
        Arc::clone(spread)
    }

    /// Takes in what somebody was told, unless a later one is known.
    pub(crate) fn found(&self, queue: &QueueName, spread: Spread) {
        if spread.epoch == 0 {
            return;
        }
        let mut all = self.all();
        let known = all.entry(queue.clone()).or_default();
        if spread.epoch > known.spread.epoch {
            known.spread = Arc::new(spread);
        }
    }

    /// Takes in a spread in the place of a later one that nobody has any more.
    pub(crate) fn replace(&self, queue: &QueueName, spread: Spread) {
        if let Some(known) = self.all().get_mut(queue) {
            known.spread = Arc::new(spread);
        }
    }

    /// Where a new job goes that no key binds: the servers of a cluster take turns,
    /// and the partitions of each of them.
    pub(crate) fn next(&self, queue: &QueueName, server: impl Fn(u8) -> Option<Address>) -> u8 {
        let mut all = self.all();
        let Some(known) = all.get_mut(queue) else {
            return 0;
        };
        let count = known.spread.count;
        known.placed = known.placed.wrapping_add(1);
        let is_good = known.present < count && !known.away.contains_key(&known.present);
        if count == 1 || is_good && !known.placed.is_multiple_of(RUN) {
            return known.present.min(count - 1);
        }
        let now = Instant::now();
        known.away.retain(|_, until| *until > now);
        let mut servers = BTreeMap::<_, Vec<u8>>::new();
        for number in (0..count).filter(|number| !known.away.contains_key(number)) {
            servers.entry(server(number)).or_default().push(number);
        }
        let turn = known.turns;
        known.turns = turn.wrapping_add(1);
        let here = servers
            .values()
            .nth(turn.checked_rem(servers.len()).unwrap_or(0));
        let number = here.and_then(|here| here.get(turn / servers.len() % here.len()));
        // Where none can be reached one is as good as another.
        known.present = number.map_or_else(|| known.present.min(count - 1), |number| *number);
        known.present
    }

    /// For a while new jobs go elsewhere, where nothing binds them.
    pub(crate) fn avoid(&self, part: &Partition) {
        if let Some(known) = self.all().get_mut(part.queue()) {
            known.away.insert(part.number(), Instant::now() + REST);
        }
    }

    /// Whether it could not be reached a moment ago.
    pub(crate) fn is_avoided(&self, part: &Partition) -> bool {
        let all = self.all();
        let until = all.get(part.queue());
        let until = until.and_then(|known| known.away.get(&part.number()));
        until.is_some_and(|until| *until > Instant::now())
    }

    /// Which turn it is to claim from a queue.
    fn turn(&self, queue: &QueueName) -> usize {
        let mut all = self.all();
        let Some(known) = all.get_mut(queue) else {
            return 0;
        };
        known.claims = known.claims.wrapping_add(1);
        known.claims
    }

    /// A partition is told of: one that nobody knew here makes what is known old.
    pub(crate) fn heard_of(&self, part: &Partition) {
        if let Some(known) = self.all().get_mut(part.queue())
            && part.number() >= known.spread.live
        {
            known.read = None;
        }
    }

    fn was_read(&self, queue: &QueueName) {
        self.all().entry(queue.clone()).or_default().read = Some(Instant::now());
    }

    fn is_fresh(&self, queue: &QueueName) -> bool {
        let all = self.all();
        let read = all.get(queue).and_then(|known| known.read);
        read.is_some_and(|read| read.elapsed() < KNOWN_FOR)
    }
}

impl JobQueue {
    /// The partitions of a queue that may have jobs, in the order in which to
    /// claim from them next. Asks the store now and then.
    ///
    /// # Errors
    /// Any fault of the store, where nothing is known of the queue.
    pub async fn partitions(&self, queue: &QueueName) -> Result<Vec<Partition>> {
        let mut parts = self.core.partitions_of(queue).await?;
        let first = self.core.spreads.turn(queue) % parts.len();
        parts.rotate_left(first);
        Ok(parts)
    }
}

impl Core {
    /// What the store says of the spread of a queue.
    pub(crate) async fn read_spread(&self, queue: &QueueName) -> Result<Arc<Spread>> {
        let told = self.spread_of(&Partition::first(queue.clone())).await?;
        let known = self.spreads.of(queue);
        if told.epoch < known.epoch {
            Box::pin(self.recover(queue, told, &known)).await?;
        } else {
            self.spreads.found(queue, told);
        }
        self.spreads.was_read(queue);
        Ok(self.spreads.of(queue))
    }

    /// The spread of a queue as it was seconds ago. While its first partition can
    /// not be reached, as it was last known, or as the list of queues tells.
    pub(crate) async fn fresh_spread(&self, queue: &QueueName) -> Result<Arc<Spread>> {
        if self.spreads.is_fresh(queue) {
            return Ok(self.spreads.of(queue));
        }
        let read = self.read_spread(queue).await;
        if !read.as_ref().is_err_and(Error::is_transient) {
            return read;
        }
        let known = self.spreads.of(queue);
        if known.epoch > 0 {
            return Ok(known);
        }
        if !self.store.is_cluster().await? {
            return read;
        }
        let listed = self.known_partitions().await?;
        let of_queue = listed.iter().filter(|part| part.queue() == queue);
        let live = of_queue.map(|part| part.number() + 1).max().unwrap_or(1);
        // The first partition knows better, as soon as it answers.
        let spread = Spread {
            live,
            count: live,
            ..Spread::default()
        };
        Ok(Arc::new(spread))
    }

    /// All partitions of a queue that may have jobs.
    pub(crate) async fn partitions_of(&self, queue: &QueueName) -> Result<Vec<Partition>> {
        Ok(self.fresh_spread(queue).await?.partitions(queue))
    }

    /// The same, as the first partition tells now. While it can not be reached
    /// nobody changes them, so they are as they were last known.
    pub(crate) async fn partitions_now(&self, queue: &QueueName) -> Result<Vec<Partition>> {
        let spread = match self.read_spread(queue).await {
            Err(error) if is_out_of_reach(&error) => self.fresh_spread(queue).await?,
            spread => spread?,
        };
        Ok(spread.partitions(queue))
    }
}

/// The spread of a queue, from its text.
pub(crate) fn read_text(queue: &QueueName, text: &str) -> Result<Spread> {
    Spread::read(text).ok_or_else(|| Error::Internal {
        message: format!("the partitions of queue {queue} can not be read"),
    })
}
