//! Tells waiting workers which partitions of a queue may have work.
//!
//! A worker waits at the first partition of its queue: a wait for each would take
//! a connection for each. What wakes there comes from the scripts, as for any
//! queue; for the others a number is put into one list beside it. That is no part
//! of the script that stores a job, which may be on another server: a number that
//! gets lost costs the job the time until some worker looks by itself.
//!
//! A wake-up goes to one worker. One that does not come to what it was told of
//! puts the number back, that of the first partition, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::job::QueueName;
use crate::keys;
use crate::lua::{self, Call};
use crate::partition::Partition;
use crate::queue::{Core, JobQueue};

/// What is told at once at the most.
const MANY: usize = 1_024;
/// Between two times of telling: what comes up meanwhile is told together.
const PAUSE: Duration = Duration::from_millis(1);
/// How long telling may take: others wait for it.
const LIMIT: Duration = Duration::from_millis(500);

/// Where it is said that a partition may have work.
pub(crate) struct Bell(mpsc::Sender<Partition>);

pub(crate) fn new() -> (Bell, mpsc::Receiver<Partition>) {
    let (sender, receiver) = mpsc::channel(MANY);
    (Bell(sender), receiver)
}

impl Bell {
    /// Soon tells a waiting worker. Does nothing for a first partition, whose
    /// scripts do so themselves.
    pub(crate) fn ring(&self, part: &Partition) {
        if part.number() > 0 {
            self.put(part);
        }
    }

    fn put(&self, part: &Partition) {
        if self.0.try_send(part.clone()).is_err() {
            tracing::debug!(%part, "too much to tell; workers look by themselves");
        }
    }
}

/// Tells what is said, until the queue is dropped.
pub(crate) async fn ring_for_ever(core: Weak<Core>, mut rings: mpsc::Receiver<Partition>) {
    let mut said = Vec::new();
    while rings.recv_many(&mut said, MANY).await > 0 {
        let Some(core) = core.upgrade() else { return };
        let numbers = by_queue(&said);
        said.clear();
        join_all(
            numbers
                .iter()
                .map(|(queue, numbers)| tell(&core, queue, numbers)),
        )
        .await;
        drop(core);
        sleep(PAUSE).await;
    }
}

fn by_queue(parts: &[Partition]) -> BTreeMap<QueueName, BTreeSet<u8>> {
    let mut numbers = BTreeMap::<_, BTreeSet<u8>>::new();
    for part in parts {
        let of_queue = numbers.entry(part.queue().clone()).or_default();
        of_queue.insert(part.number());
    }
    numbers
}

impl JobQueue {
    /// Tells other workers of work that this one was told of and does not come to:
    /// each wake-up goes to one of them. Where they can not be told they look by
    /// themselves.
    pub async fn pass_on(&self, parts: &[Partition]) {
        self.core.tell_now(parts).await;
    }
}

impl Core {
    /// Tells a waiting worker, and returns then: whoever stores jobs may end with that
    /// call, and what is to be told soon would go with it. Does nothing for a first
    /// partition, whose scripts do so themselves.
    pub(crate) async fn tell_workers(&self, part: &Partition) {
        if part.number() > 0 {
            self.tell_now(std::slice::from_ref(part)).await;
        }
    }

    /// Where the bell could not be reached a second ago it is told soon.
    async fn tell_now(&self, parts: &[Partition]) {
        let told = by_queue(parts).into_iter().map(async |(queue, numbers)| {
            let first = Partition::first(queue.clone());
            if self.spreads.is_avoided(&first) {
                let parts = numbers.into_iter();
                parts.for_each(|number| self.bell.put(&Partition::new(queue.clone(), number)));
            } else if !tell(self, &queue, &numbers).await {
                self.spreads.avoid(&first);
            }
        });
        join_all(told).await;
    }
}

/// Says whether they are told.
async fn tell(core: &Core, queue: &QueueName, numbers: &BTreeSet<u8>) -> bool {
    let bell = [keys::bell(&core.config.namespace, queue)];
    let mut call = Call::with_keys(&lua::RING, &bell);
    for number in numbers {
        call.arg(number.to_string());
    }
    let told = timeout(LIMIT, call.run::<()>(&core.store)).await;
    let is_told = matches!(told, Ok(Ok(())));
    if !is_told {
        tracing::debug!(%queue, "workers are not told of work; they look by themselves");
    }
    is_told
}
