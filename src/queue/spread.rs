//! How the spread of a queue is changed, and how its partitions come to agree on it
//! again: a call may break off half-way, and a fail-over may lose what one was told.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::job::QueueName;
use crate::lua::{self, Call};
use crate::partition::{Partition, Spread, check_count};
use crate::queue::Core;
use crate::queue::partitions::read_text;
use crate::queue::reach::Reach;

/// What stands in a config and is of that partition alone, besides its spread.
const OWN: [&str; 3] = ["next_expiry", "unpark", "second"];
/// How often a change is begun again that another one overtook.
const TRIES: usize = 5;

impl Core {
    /// Spreads a queue over so many partitions. Those that it has no more take no
    /// new jobs, and are worked off. Repeated, it completes what broke off.
    pub(crate) async fn spread_over(&self, queue: &QueueName, count: u8) -> Result<()> {
        check_count(count)?;
        let first = Partition::first(queue.clone());
        let listed = self.agree_all(queue).await?;
        for _ in 0..TRIES {
            let (config, before) = self.read_config(&first).await?;
            let after = if before.count == count && before.live >= listed {
                before.clone()
            } else {
                let now = self.store.now(self.keys(&first).config()).await?;
                before.changed(count, now.0)?.with_live(listed)
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
            self.copy_settings(queue, None).await?;
            parts.iter().for_each(|part| self.bell.ring(part));
            return reach.all();
        }
        Err(overtaken(queue))
    }

    /// Gives all further partitions of a queue, or one of them, what the first has in
    /// its config.
    pub(crate) async fn copy_settings(
        &self,
        queue: &QueueName,
        only: Option<&Partition>,
    ) -> Result<()> {
        let first = Partition::first(queue.clone());
        let (mut config, mut spread) = self.read_config(&first).await?;
        for _ in 0..TRIES {
            let mut reach = Reach::default();
            let parts = spread.partitions(queue);
            let wanted = |part: &&Partition| only.is_none_or(|only| *part == only);
            for part in parts[1..].iter().filter(wanted) {
                let told = self.tell_spread(part, None, &spread, Some(&config));
                reach.ask(self, part, told).await?;
            }
            let (now, spread_now) = self.read_config(&first).await?;
            if now == config {
                return reach.all();
            }
            (config, spread) = (now, spread_now);
        }
        Err(overtaken(queue))
    }

    /// The spread that a partition goes by.
    pub(crate) async fn spread_of(&self, part: &Partition) -> Result<Spread> {
        let keys = self.keys(part);
        let mut get = ::redis::cmd("HGET");
        get.arg(keys.config()).arg("spread");
        let text: Option<String> = self.store.run(&get).await?;
        read_text(part.queue(), &text.unwrap_or_default())
    }

    /// Takes in what a partition tells somebody who goes by another spread.
    pub(crate) async fn told_spread(&self, part: &Partition, text: &str) -> Result<()> {
        let (queue, spread) = (part.queue(), read_text(part.queue(), text)?);
        if spread.epoch > 0 {
            self.spreads.found(queue, spread);
            return Ok(());
        }
        // The queue was deleted, or this partition has lost what it was told.
        if part.number() > 0 {
            self.agree(part).await?;
        }
        self.read_spread(queue).await.map(drop)
    }

    /// Makes a further partition and the first one go by the same spread: who has the
    /// earlier one, or none, is told the later one, which is returned.
    pub(crate) async fn agree(&self, part: &Partition) -> Result<Spread> {
        let queue = part.queue();
        let first = Partition::first(queue.clone());
        let (of_first, own) = (self.spread_of(&first).await?, self.spread_of(part).await?);
        match own.epoch.cmp(&of_first.epoch) {
            Ordering::Equal => {}
            Ordering::Greater => {
                self.tell_spread(&first, Some(&of_first), &own, None)
                    .await?;
                self.say(&first).await?;
            }
            // What missed the spread may have missed the settings.
            Ordering::Less if part.number() < of_first.live => {
                self.copy_settings(queue, Some(part)).await?;
                self.say(part).await?;
            }
            Ordering::Less => {
                self.tell_spread(part, None, &of_first, None).await?;
            }
        }
        let later = if own.epoch > of_first.epoch {
            own
        } else {
            of_first
        };
        self.spreads.found(queue, later.clone());
        Ok(later)
    }

    /// The same for all that are listed: one may know of a spread that no other does,
    /// so nothing is decided without any of them. Returns how many numbers these have.
    async fn agree_all(&self, queue: &QueueName) -> Result<u8> {
        let (mut live, mut reach) = (1, Reach::default());
        let listed = self.known_partitions().await?;
        let of_queue = listed.iter().filter(|part| part.queue() == queue);
        for part in of_queue.filter(|part| part.number() > 0) {
            live = live.max(part.number() + 1);
            reach.ask(self, part, self.agree(part)).await?;
        }
        reach.all()?;
        Ok(live)
    }

    /// The first partition of a queue goes by an earlier spread than the one that is
    /// known here, or by none. It has lost that where others have it, and gets it from
    /// them; otherwise nobody has it any more.
    pub(crate) async fn recover(
        &self,
        queue: &QueueName,
        of_first: Spread,
        known: &Spread,
    ) -> Result<()> {
        let (mut latest, mut reach) = (of_first, Reach::default());
        for part in &known.partitions(queue)[1..] {
            let Some(spread) = reach.ask(self, part, self.agree(part)).await? else {
                continue;
            };
            if spread.epoch >= known.epoch {
                return Ok(());
            }
            latest = spread;
        }
        // One of these may have it.
        reach.all()?;
        self.spreads.replace(queue, latest);
        Ok(())
    }

    async fn read_config(&self, first: &Partition) -> Result<(HashMap<String, String>, Spread)> {
        let mut get = ::redis::cmd("HGETALL");
        get.arg(self.keys(first).config());
        let mut config: HashMap<String, String> = self.store.run(&get).await?;
        let text = config.remove("spread").unwrap_or_default();
        let spread = read_text(first.queue(), &text)?;
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

/// Others change the queue without end.
fn overtaken(queue: &QueueName) -> Error {
    Error::EtagMismatch {
        what: format!("queue {queue}"),
    }
}
