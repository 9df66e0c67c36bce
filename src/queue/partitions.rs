//! How queues are spread over partitions: what this process knows of it, and how
//! it is changed.
//!
//! The first partition decides. Each has the spread in its config, where a submit
//! that goes by an earlier one is told of it, see `prelude_submit.lua`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::job::QueueName;
use crate::lua::{self, Call, MAX_JOBS};
use crate::partition::{MAX_PARTITIONS, Partition, Spread, check_count};
use crate::queue::reach::{Reach, is_out_of_reach};
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
/// What stands in a config and is of that partition alone, besides its spread.
const OWN: [&str; 3] = ["next_expiry", "unpark", "second"];
/// How often a change is begun again that another one overtook.
const TRIES: usize = 5;

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
        let all = self.all();
        all.get(queue)
            .map(|known| Arc::clone(&known.spread))
            .unwrap_or_default()
    }

    /// Takes in what somebody was told, unless a later one is known.
    pub(crate) fn found(&self, queue: &QueueName, spread: Spread) {
        let mut all = self.all();
        if spread.epoch == 0 {
            // It was deleted, or never grown.
            if let Some(known) = all.get_mut(queue) {
                known.spread = Arc::default();
            }
            return;
        }
        let known = all.entry(queue.clone()).or_default();
        if spread.epoch > known.spread.epoch {
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
        let keys = self.keys(&Partition::first(queue.clone()));
        let mut get = ::redis::cmd("HGET");
        get.arg(keys.config()).arg("spread");
        let text: Option<String> = self.store.run(&get).await?;
        self.found_spread(queue, &text.unwrap_or_default())?;
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

    /// Takes in the text of a spread, unless a later one is known.
    pub(crate) fn found_spread(&self, queue: &QueueName, text: &str) -> Result<()> {
        let spread = Spread::read(text).ok_or_else(|| odd(queue))?;
        self.spreads.found(queue, spread);
        Ok(())
    }

    /// Spreads a queue over so many partitions. Those that it has no more take no
    /// new jobs, and are worked off. Repeated, it completes what broke off.
    pub(crate) async fn spread_over(&self, queue: &QueueName, count: u8) -> Result<()> {
        check_count(count)?;
        let first = Partition::first(queue.clone());
        for _ in 0..TRIES {
            let (config, before) = self.read_config(&first).await?;
            let after = if before.count == count {
                before.clone()
            } else {
                let now = self.store.now(self.keys(&first).config()).await?;
                before.changed(count, now.0)?
            };
            for part in &after.partitions(queue)[1..] {
                self.say(part).await?;
            }
            crate::failpoint!("spread.listed");
            // The new ones come first: nobody knows of them until the first
            // partition does, which all others follow.
            let parts = after.partitions(queue);
            let (old, new) = parts.split_at(usize::from(before.live));
            for part in new {
                self.tell_spread(part, None, &after, Some(&config)).await?;
            }
            crate::failpoint!("spread.begun");
            if !self
                .tell_spread(&first, Some(&before), &after, None)
                .await?
            {
                continue;
            }
            self.spreads.found(queue, after.clone());
            crate::failpoint!("spread.decided");
            // Whoever dropped one of them meanwhile took it off the list.
            for part in &after.partitions(queue)[1..] {
                self.say(part).await?;
            }
            let mut reach = Reach::default();
            for part in &old[1..] {
                let told = self.tell_spread(part, None, &after, None);
                reach.ask(self, part, told).await?;
            }
            self.copy_settings(queue).await?;
            parts.iter().for_each(|part| self.bell.ring(part));
            return reach.all();
        }
        Err(Error::EtagMismatch {
            what: format!("queue {queue}"),
        })
    }

    /// Gives all further partitions of a queue what the first has in its config.
    pub(crate) async fn copy_settings(&self, queue: &QueueName) -> Result<()> {
        let first = Partition::first(queue.clone());
        let (mut config, mut spread) = self.read_config(&first).await?;
        for _ in 0..TRIES {
            let mut reach = Reach::default();
            for part in &spread.partitions(queue)[1..] {
                let told = self.tell_spread(part, None, &spread, Some(&config));
                reach.ask(self, part, told).await?;
            }
            let (now, spread_now) = self.read_config(&first).await?;
            if now == config {
                return reach.all();
            }
            (config, spread) = (now, spread_now);
        }
        Ok(())
    }

    async fn read_config(&self, first: &Partition) -> Result<(HashMap<String, String>, Spread)> {
        let mut get = ::redis::cmd("HGETALL");
        get.arg(self.keys(first).config());
        let mut config: HashMap<String, String> = self.store.run(&get).await?;
        let text = config.remove("spread").unwrap_or_default();
        let spread = Spread::read(&text).ok_or_else(|| odd(first.queue()))?;
        config.retain(|name, _| !OWN.contains(&name.as_str()));
        Ok((config, spread))
    }

    /// Writes a spread, and the config of the first partition where given, to a
    /// partition that has the one which is expected.
    pub(crate) async fn tell_spread(
        &self,
        part: &Partition,
        expected: Option<&Spread>,
        spread: &Spread,
        config: Option<&HashMap<String, String>>,
    ) -> Result<bool> {
        let mut call = Call::new(&lua::SPREAD, &self.keys(part));
        match expected {
            Some(expected) => call.arg(expected.write()),
            None => call.arg("*"),
        };
        call.arg(spread.write());
        call.arg(if config.is_some() { "copy" } else { "" });
        for (name, value) in config.into_iter().flatten() {
            call.arg(name).arg(value);
        }
        call.run(&self.store).await
    }
}

fn odd(queue: &QueueName) -> Error {
    Error::Internal {
        message: format!("the partitions of queue {queue} can not be read"),
    }
}
