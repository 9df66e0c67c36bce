//! Take away partitions that a queue has no more, once they have no jobs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::keys;
use crate::lua::{self, Call};
use crate::partition::{Partition, Spread};
use crate::queue::partitions::read_text;
use crate::queue::{Core, JobQueue};

/// Counters that are no totals of jobs.
const OWN: [&str; 3] = ["seq", "claims", "fences"];

impl JobQueue {
    /// Drops a partition that takes no new jobs and has none left. Returns
    /// whether it did. Any process may try at any time.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn retire(&self, part: &Partition) -> Result<bool> {
        if part.number() == 0 {
            return Ok(false);
        }
        let queue = part.queue();
        let spread = self.core.agree(part).await?;
        if part.number() < spread.count {
            return Ok(false);
        }
        if self.partition_snapshot(part).await?.counts.all() > 0 {
            self.core.keep_live(part, &spread).await?;
            return Ok(false);
        }
        // Before they are gone; counted twice for a moment. By the spread that it goes by
        // now no job comes here, but for one that is sent again as its answer was lost.
        if !self.core.fold(part, &spread).await? {
            return Ok(false);
        }
        crate::failpoint!("retire.folded");
        let mut retire = Call::new(&lua::RETIRE, &self.core.keys(part));
        retire.arg(spread.write());
        if !retire.run_once::<bool>(&self.core.store).await? {
            return Ok(false);
        }
        crate::failpoint!("retire.dropped");
        let mut remove = ::redis::cmd("SREM");
        remove
            .arg(keys::queues(&self.core.config.namespace))
            .arg(part.to_string());
        self.core.store.run::<()>(&remove).await?;
        self.core.forget_queue(part);
        // The queue may have been spread anew meanwhile, and have listed it before.
        if part.number() < self.core.read_spread(queue).await?.count {
            self.core.say(part).await?;
            return Ok(false);
        }
        self.core.drop_gone(part, &spread).await?;
        tracing::info!(%part, "a partition has gone");
        Ok(true)
    }

    /// Sees to it that a further partition goes by the spread of its queue, and drops
    /// it where that says so. Asks nobody while it says what is known.
    pub(crate) async fn settle(&self, part: &Partition, own: &str) -> Result<()> {
        let own = read_text(part.queue(), own)?;
        let mut spread = self.core.fresh_spread(part.queue()).await?;
        if own.epoch != spread.epoch {
            spread = Arc::new(self.core.agree(part).await?);
        }
        if part.number() >= spread.count {
            self.retire(part).await?;
        }
        Ok(())
    }
}

impl Core {
    /// Adds the totals of a partition to those of the first one, once. Says
    /// whether the queue is still spread like this.
    async fn fold(&self, part: &Partition, spread: &Spread) -> Result<bool> {
        let mut get = ::redis::cmd("HGETALL");
        get.arg(self.keys(part).counters());
        let totals: HashMap<String, u64> = self.store.run(&get).await?;
        if totals.is_empty() {
            return Ok(true);
        }
        let first = Partition::first(part.queue().clone());
        let mut fold = Call::new(&lua::FOLD, &self.keys(&first));
        fold.arg(spread.write());
        fold.arg(format!("from:{}:{}", part.number(), spread.epoch));
        for (name, total) in &totals {
            if !OWN.contains(&name.as_str()) && !name.starts_with("from:") {
                fold.arg(name).arg(*total);
            }
        }
        fold.run(&self.store).await
    }

    /// Says that a partition has jobs where its queue does not know of it any more.
    async fn keep_live(&self, part: &Partition, spread: &Spread) -> Result<()> {
        if part.number() < spread.live {
            return Ok(());
        }
        let first = Partition::first(part.queue().clone());
        let now = self.store.now(self.keys(&first).config()).await?;
        let more = spread.changed(spread.count, now.0)?;
        let more = more.with_live(part.number() + 1);
        if self.tell_spread(&first, Some(spread), &more, None).await? {
            self.agree(part).await?;
            self.bell.ring(part);
        }
        Ok(())
    }

    /// Says that the last ones have gone, as far as they have.
    async fn drop_gone(&self, part: &Partition, spread: &Spread) -> Result<()> {
        let listed = self.known_partitions().await?;
        let left = listed.iter().filter(|other| other.queue() == part.queue());
        let live = left.map(|other| other.number() + 1).max().unwrap_or(1);
        if live.max(spread.count) >= spread.live {
            return Ok(());
        }
        // The list may have lost some.
        for number in live.max(spread.count)..spread.live {
            let part = Partition::new(part.queue().clone(), number);
            let mut has_totals = ::redis::cmd("HEXISTS");
            has_totals.arg(self.keys(&part).counters()).arg("submitted");
            if self.store.run(&has_totals).await? {
                return self.say(&part).await;
            }
        }
        let fewer = spread.without_gone(live);
        let first = Partition::first(part.queue().clone());
        if self.tell_spread(&first, Some(spread), &fewer, None).await? {
            self.spreads.found(part.queue(), fewer.clone());
            for part in &fewer.partitions(part.queue())[1..] {
                self.tell_spread(part, None, &fewer, None).await?;
            }
        }
        Ok(())
    }
}
