//! A queue in several partitions: what names one, and which job goes to which.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::{Error, Result};
use crate::fingerprint::fnv1a;
use crate::job::{JobId, QueueName};

/// The most partitions of a queue.
pub const MAX_PARTITIONS: u8 = 64;
/// How many earlier numbers of partitions a queue remembers, to find keys that
/// were bound under them.
const MAX_EARLIER: usize = 8;

/// One of the parts that a queue lies in: to the scripts each is a queue of its
/// own, with its own keys, which share a slot of a cluster. A queue that was
/// never grown is its partition 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    queue: QueueName,
    number: u8,
}

impl Partition {
    /// The first one, which every queue has, and which knows of the others.
    #[must_use]
    pub const fn first(queue: QueueName) -> Self {
        Self { queue, number: 0 }
    }

    pub(crate) const fn new(queue: QueueName, number: u8) -> Self {
        Self { queue, number }
    }

    /// The one that has a job of this id, if the queue has the job.
    #[must_use]
    pub fn of(queue: &QueueName, id: JobId) -> Self {
        Self::new(queue.clone(), id.partition())
    }

    /// The queue.
    #[must_use]
    pub const fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// Which of its partitions, from 0.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Whether a job of this id can be here. Another queue may share the hash,
    /// so this narrows the search; it does not end it.
    #[must_use]
    pub fn may_have(&self, id: JobId) -> bool {
        id.may_belong_to(&self.queue) && id.partition() == self.number
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let Some((queue, number)) = text.split_once('/') else {
            return QueueName::new(text).map(Self::first);
        };
        let (queue, parsed) = (QueueName::new(queue)?, number.parse().unwrap_or(0));
        if parsed == 0 || parsed >= MAX_PARTITIONS || number != parsed.to_string() {
            return Err(Error::invalid("queue", "has no partition of this number"));
        }
        Ok(Self::new(queue, parsed))
    }
}

/// The name of the queue, and behind a slash the number of any but the first.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => self.queue.fmt(f),
            number => write!(f, "{}/{number}", self.queue),
        }
    }
}

/// How a queue is spread over partitions, as each of them has it in its config:
/// `epoch:count:live:earlier,earlier`. Absent for a queue that was never grown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spread {
    /// Grows with every change; a later one counts more.
    pub(crate) epoch: u64,
    /// How many partitions take new jobs.
    pub(crate) count: u8,
    /// Above that are those that only work off what they have, up to this one.
    pub(crate) live: u8,
    /// Earlier counts: a key may be bound where these put it.
    pub(crate) earlier: Vec<u8>,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            epoch: 0,
            count: 1,
            live: 1,
            earlier: Vec::new(),
        }
    }
}

impl Spread {
    /// Reads the text; the default for an empty one, nothing for one that is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let mut parts = text.split(':');
        let epoch = parts.next()?.parse().ok()?;
        let mut number = || parts.next()?.parse().ok().filter(|n| is_count(*n));
        let (count, live) = (number()?, number()?);
        let earlier = parts.next()?;
        let numbers = earlier.split(',').filter(|number| !number.is_empty());
        let earlier: Option<Vec<u8>> = numbers.map(|number| number.parse().ok()).collect();
        let earlier = earlier?;
        let is_known = live >= count && earlier.iter().all(|n| is_count(*n));
        (is_known && parts.next().is_none()).then_some(Self {
            epoch,
            count,
            live,
            earlier,
        })
    }

    /// The text; empty for the default.
    pub(crate) fn write(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        let earlier: Vec<_> = self.earlier.iter().map(ToString::to_string).collect();
        let Self {
            epoch, count, live, ..
        } = self;
        format!("{epoch}:{count}:{live}:{}", earlier.join(","))
    }

    /// What a submit says that goes by this.
    pub(crate) fn epoch_text(&self) -> String {
        match self.epoch {
            0 => String::new(),
            epoch => epoch.to_string(),
        }
    }

    /// The next one, with another number of partitions, at an instant by the
    /// clock of the store: a queue that was deleted and begins anew must not
    /// begin with an epoch that it has had.
    pub(crate) fn changed(&self, count: u8, now_ms: u64) -> Result<Self> {
        let mut earlier = self.earlier.clone();
        earlier.retain(|before| *before != count && *before != self.count);
        if self.count != count {
            earlier.push(self.count);
        }
        if earlier.len() > MAX_EARLIER {
            let message = "can only be one that the queue has had: jobs may hold keys under 8 \
                           earlier numbers";
            return Err(Error::invalid("settings.partitions", message));
        }
        Ok(Self {
            epoch: now_ms.max(self.epoch + 1),
            count,
            live: self.live.max(count),
            earlier,
        })
    }

    /// The same with as many as still have jobs.
    pub(crate) fn without_gone(&self, live: u8) -> Self {
        Self {
            epoch: self.epoch + 1,
            live: live.max(self.count),
            ..self.clone()
        }
    }

    /// The same with so many that may have jobs, at the least.
    pub(crate) fn with_live(mut self, live: u8) -> Self {
        self.live = self.live.max(live);
        self
    }

    /// How many it ever had.
    pub(crate) fn most(&self) -> u8 {
        let most = self.earlier.iter().copied().max();
        most.unwrap_or(1).max(self.live)
    }

    /// All that may have jobs.
    pub(crate) fn partitions(&self, queue: &QueueName) -> Vec<Partition> {
        let numbers = 0..self.live;
        numbers.map(|n| Partition::new(queue.clone(), n)).collect()
    }

    /// Where a key is bound, by its idempotency entry.
    pub(crate) fn home(&self, entry: &str) -> u8 {
        home(entry, self.count)
    }

    /// Where it may have been bound before.
    pub(crate) fn earlier_homes(&self, entry: &str) -> BTreeSet<u8> {
        let homes = self.earlier.iter().map(|count| home(entry, *count));
        let home = self.home(entry);
        homes.filter(|earlier| *earlier != home).collect()
    }
}

/// Checks a number of partitions.
pub(crate) fn check_count(count: u8) -> Result<()> {
    if is_count(count) {
        return Ok(());
    }
    let message = format!("must be 1 to {MAX_PARTITIONS}");
    Err(Error::invalid("settings.partitions", message))
}

const fn is_count(count: u8) -> bool {
    count >= 1 && count <= MAX_PARTITIONS
}

/// Each key has its own order of all partitions, and the first of those that
/// there are is its home: with one more partition each gets its share, and no key
/// moves but to the new one.
fn home(entry: &str, count: u8) -> u8 {
    let key = fnv1a(entry.bytes());
    let mut numbers = 0..count;
    let first = numbers.next().unwrap_or(0);
    let place = |number: &u8| mixed(key ^ mixed(u64::from(*number) + 1));
    numbers.fold(first, |best, number| {
        if place(&number) > place(&best) {
            number
        } else {
            best
        }
    })
}

/// The last step of SplitMix64.
const fn mixed(mut key: u64) -> u64 {
    key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_reads_back_and_other_texts_are_refused() {
        let mail = QueueName::new("mail").unwrap();
        for number in [0, 1, 9, 63] {
            let part = Partition::new(mail.clone(), number);
            assert_eq!(Partition::parse(&part.to_string()), Ok(part));
        }
        for odd in [
            "mail/0", "mail/01", "mail/64", "mail/", "mail/x", "/1", "mail/1/2", "mail/-1", "",
        ] {
            assert!(Partition::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_job_is_in_the_partition_that_its_id_names() {
        let mail = QueueName::new("mail").unwrap();
        let third = Partition::new(mail.clone(), 3);
        let id = JobId::generate_in(&third);
        assert!(third.may_have(id) && id.may_belong_to(&mail));
        assert!(!Partition::first(mail.clone()).may_have(id));
        assert_eq!(Partition::of(&mail, id), third);
    }

    #[test]
    fn a_spread_reads_back() {
        let first = Spread::default();
        let grown = first.changed(16, 1_000).unwrap();
        let less = grown.changed(4, 900).unwrap();
        assert_eq!((less.epoch, less.count, less.live), (1_001, 4, 16));
        assert_eq!(less.earlier, [1, 16]);
        let again = less.changed(16, 5_000).unwrap();
        assert_eq!((again.live, again.earlier.clone()), (16, vec![1, 4]));
        let gone = less.without_gone(3);
        assert_eq!((gone.live, gone.most()), (4, 16));
        for spread in [first, grown, less, again, gone] {
            assert_eq!(Spread::read(&spread.write()), Some(spread));
        }
        for odd in ["1", "1:0:1:", "1:2:1:", "x:1:1:", "1:65:65:", "1:1:1:a"] {
            assert_eq!(Spread::read(odd), None, "{odd}");
        }
    }

    #[test]
    fn keys_are_spread_evenly_and_few_move() {
        let spread = |count| Spread::default().changed(count, 1).unwrap();
        let (few, more) = (spread(15), spread(16));
        let mut shares = [0_u32; 16];
        let mut moved = 0;
        for n in 0..16_000 {
            let key = format!("k:order-{n}");
            let (before, after) = (few.home(&key), more.home(&key));
            shares[usize::from(after)] += 1;
            if before != after {
                assert_eq!(after, 15, "{key}");
                moved += 1;
            }
        }
        assert!(
            shares.iter().all(|share| (800..1_200).contains(share)),
            "{shares:?}"
        );
        assert_eq!(moved, shares[15]);
    }

    #[test]
    fn a_key_is_looked_for_where_earlier_counts_put_it() {
        let grown = Spread::default().changed(16, 1).unwrap();
        for n in 0..100 {
            let key = format!("k:{n}");
            let earlier = grown.earlier_homes(&key);
            let at_first: BTreeSet<_> = (grown.home(&key) != 0).then_some(0).into_iter().collect();
            assert_eq!(earlier, at_first);
        }
    }
}
