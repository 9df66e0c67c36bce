//! Control a whole queue: pause, drain, purge, delete.

use crate::error::{Error, Result};
use crate::job::{Kind, QueueName, StoreTime};
use crate::keys;
use crate::lua::{self, Call};
use crate::new_job::LATEST;
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::queue::change::check_reason;
use crate::queue::reach::Reach;
use crate::state::JobState;

/// The most jobs that one step of a purge deletes.
const STEP: u64 = 200;

impl JobQueue {
    /// Keeps the jobs of a queue, or of one kind in it, from being claimed.
    /// Pausing again gives the pause another reason and end.
    ///
    /// # Errors
    /// `QUEUE_NOT_FOUND`, `INVALID_FIELD` for a reason over 1 KiB, a time too
    /// far ahead or a 33rd kind, and any fault of the store.
    pub async fn pause(
        &self,
        queue: &QueueName,
        kind: Option<&Kind>,
        reason: &str,
        resume: Option<StoreTime>,
    ) -> Result<()> {
        check_reason(reason)?;
        if resume.is_some_and(|time| time.0 >= LATEST) {
            return Err(Error::invalid("resume_time", "is too far ahead"));
        }
        let resume = resume.map_or(0, |time| time.0);
        match self
            .set_pause(queue, kind, "pause", resume, reason)
            .await?
            .as_str()
        {
            "FULL" => Err(Error::invalid(
                "kind",
                "32 kinds of this queue are paused already",
            )),
            _ => Ok(()),
        }
    }

    /// Ends a pause; that of the queue and its draining, or that of one kind.
    ///
    /// # Errors
    /// `QUEUE_NOT_FOUND`, and any fault of the store.
    pub async fn resume(&self, queue: &QueueName, kind: Option<&Kind>) -> Result<()> {
        self.set_pause(queue, kind, "resume", 0, "").await.map(drop)
    }

    async fn set_pause(
        &self,
        queue: &QueueName,
        kind: Option<&Kind>,
        word: &str,
        resume: u64,
        reason: &str,
    ) -> Result<String> {
        self.check_known(queue).await?;
        let (mut said, mut reach) = (String::new(), Reach::default());
        // The first one first: it is what is shown of the queue.
        for part in self.core.partitions_now(queue).await? {
            let mut call = Call::new(&lua::PAUSE, &self.core.keys(&part));
            call.arg(kind.map_or("", Kind::as_str))
                .arg(word)
                .arg(resume)
                .arg(reason);
            let answer = call.run(&self.core.store);
            let Some(answer) = reach.ask(&self.core, &part, answer).await? else {
                continue;
            };
            said = answer;
            crate::failpoint!("control.done");
            if said == "FULL" {
                break;
            }
            self.core.tell_workers(&part).await;
        }
        reach.all()?;
        Ok(said)
    }

    /// Refuses new jobs with `QUEUE_DRAINING` while those that are there run
    /// to their end. [`JobQueue::resume`] opens the queue again.
    ///
    /// # Errors
    /// `QUEUE_NOT_FOUND`, and any fault of the store.
    pub async fn drain(&self, queue: &QueueName) -> Result<()> {
        self.check_known(queue).await?;
        let mut reach = Reach::default();
        for part in self.core.partitions_now(queue).await? {
            let call = Call::new(&lua::DRAIN, &self.core.keys(&part));
            let drained = call.run::<()>(&self.core.store);
            reach.ask(&self.core, &part, drained).await?;
        }
        reach.all()
    }

    /// Deletes the jobs of some states that are there now, in bounded steps.
    /// Returns how many.
    ///
    /// # Errors
    /// `QUEUE_NOT_FOUND`, `INVALID_FIELD` when no state is given or `Active`
    /// is among them, and any fault of the store.
    pub async fn purge(&self, queue: &QueueName, states: &[JobState]) -> Result<u64> {
        let mut purged = 0;
        let (sizes, reach) = self.purgeable(queue, states).await?;
        for (part, state, size) in sizes {
            // What is added meanwhile is not meant, and must not keep this going.
            let mut left = size;
            while left > 0 {
                let mut call = Call::new(&lua::PURGE, &self.core.keys(&part));
                call.arg(state.as_str()).arg(left.min(STEP));
                let deleted: u64 = call.run_once(&self.core.store).await?;
                crate::failpoint!("purge.stepped");
                purged += deleted;
                if deleted == 0 {
                    break;
                }
                left = left.saturating_sub(deleted);
            }
        }
        reach.all()?;
        Ok(purged)
    }

    /// How many jobs a purge would delete now.
    ///
    /// # Errors
    /// As for [`JobQueue::purge`].
    pub async fn count_purge(&self, queue: &QueueName, states: &[JobState]) -> Result<u64> {
        let (sizes, reach) = self.purgeable(queue, states).await?;
        reach.all()?;
        Ok(sizes.into_iter().map(|(_, _, size)| size).sum())
    }

    /// Each of the states once for each partition in reach, and how many jobs are in it.
    async fn purgeable(
        &self,
        queue: &QueueName,
        states: &[JobState],
    ) -> Result<(Vec<(Partition, JobState, u64)>, Reach)> {
        if states.is_empty() || states.contains(&JobState::Active) {
            return Err(Error::invalid("states", "must be given, and not be active"));
        }
        self.check_known(queue).await?;
        let (mut purgeable, mut reach) = (Vec::new(), Reach::default());
        for part in self.core.partitions_now(queue).await? {
            let snapshot = self.partition_snapshot(&part);
            let Some(snapshot) = reach.ask(&self.core, &part, snapshot).await? else {
                continue;
            };
            let sizes = snapshot.counts;
            let once = JobState::ALL
                .into_iter()
                .filter(|state| states.contains(state));
            purgeable.extend(once.map(|state| (part.clone(), state, sizes.of(state))));
        }
        Ok((purgeable, reach))
    }

    /// Deletes a queue that has no jobs, with its settings and totals. The
    /// next submit or worker makes it anew.
    ///
    /// # Errors
    /// `QUEUE_NOT_FOUND`, `QUEUE_NOT_EMPTY`, and any fault of the store.
    pub async fn delete_queue(&self, queue: &QueueName) -> Result<()> {
        self.check_known(queue).await?;
        let parts = self.core.partitions_now(queue).await?;
        if parts.len() > 1 {
            // Emptiness of one is no reason to delete it while others have jobs.
            let whole = self.queue(queue).await?;
            if !whole.partitions.unreachable.is_empty() {
                return Err(Error::StoreUnavailable);
            }
            let jobs = whole.counts.all();
            if jobs > 0 {
                let queue = queue.clone();
                return Err(Error::QueueNotEmpty { queue, jobs });
            }
        }
        // The first one last: until then it tells of the others.
        let most = self.core.spreads.of(queue).most();
        for number in (0..most).rev() {
            let part = Partition::new(queue.clone(), number);
            self.delete_partition(&part).await?;
        }
        // Forgets it, unless somebody used it meanwhile.
        self.core.read_spread(queue).await.map(drop)
    }

    async fn delete_partition(&self, part: &Partition) -> Result<()> {
        let call = Call::new(&lua::DELETE_QUEUE, &self.core.keys(part));
        let jobs: u64 = call.run(&self.core.store).await?;
        if jobs > 0 {
            // Those that are deleted already come back.
            let count = self.core.spreads.of(part.queue()).count;
            self.core.spread_over(part.queue(), count).await?;
            let queue = part.queue().clone();
            return Err(Error::QueueNotEmpty { queue, jobs });
        }
        crate::failpoint!("queue.emptied");
        let namespace = &self.core.config.namespace;
        if part.number() == 0 {
            let mut forget = ::redis::cmd("DEL");
            let forget = forget.arg(keys::bell(namespace, part.queue()));
            self.core.store.run::<()>(forget).await?;
        }
        let mut remove = ::redis::cmd("SREM");
        remove.arg(keys::queues(namespace)).arg(part.to_string());
        self.core.forget_queue(part);
        self.core.store.run::<()>(&remove).await?;
        crate::failpoint!("queue.unlisted");
        if self.partition_snapshot(part).await?.totals.submitted > 0 {
            // A job came in meanwhile and has made it anew.
            self.core.keys(part);
            self.core.say(part).await?;
        }
        Ok(())
    }

    /// # Errors
    /// `QUEUE_NOT_FOUND` unless somebody has submitted to the queue or worked on it.
    pub(crate) async fn check_known(&self, queue: &QueueName) -> Result<()> {
        let set = keys::queues(&self.core.config.namespace);
        let mut ask = ::redis::cmd("SISMEMBER");
        ask.arg(set).arg(queue.as_str());
        if self.core.store.run::<bool>(&ask).await? {
            return Ok(());
        }
        Err(Error::QueueNotFound {
            queue: queue.clone(),
        })
    }
}
