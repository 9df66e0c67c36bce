//! Sleep until a queue may have work. The wake-up never carries a job: a claim
//! sent behind it finds what is there. At the first partition of a queue it is
//! told of work in the others, too, see `bell`.

use std::future::Future;
use std::time::Duration;

use ::redis::{Cmd, RedisResult, Value};
use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::job::QueueName;
use crate::keys;
use crate::lua::{self, Call};
use crate::partition::Partition;
use crate::queue::{Claim, Claimed, Core, JobQueue};
use crate::redis::{BLOCK, Exclusive};

/// How long blocks on other servers may take to end.
const SETTLE: Duration = Duration::from_millis(100);

/// How long a blocking read may be on its way to Redis before it is looked for again.
const ON_ITS_WAY: Duration = Duration::from_millis(1);

/// Where there may be work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Woken {
    /// Nobody told of any.
    Nowhere,
    /// In these.
    In(Vec<Partition>),
    /// What was told may have been lost: anywhere.
    Anywhere,
}

impl Woken {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Anywhere, _) | (_, Self::Anywhere) => Self::Anywhere,
            (Self::In(mut some), Self::In(more)) => {
                some.extend(more);
                Self::In(some)
            }
            (Self::Nowhere, other) | (other, Self::Nowhere) => other,
        }
    }
}

/// Waits on the wake lists of some queues, on connections of its own: one, or
/// in a cluster one for each slot.
pub struct Waiter {
    queue: JobQueue,
    wakes: Vec<(String, Wake)>,
    /// The wake lists by their slots, once the store is there to tell.
    blocks: Vec<Block>,
}

/// What a wake list tells of.
#[derive(Debug, Clone)]
enum Wake {
    First(QueueName),
    /// The numbers in it are those of partitions, mostly further ones.
    Further(QueueName),
}

impl Wake {
    fn read(&self, told: &[u8]) -> Option<Partition> {
        match self {
            Self::First(queue) => Some(Partition::first(queue.clone())),
            Self::Further(queue) => {
                let number = std::str::from_utf8(told).ok()?.parse().ok()?;
                Some(Partition::new(queue.clone(), number))
            }
        }
    }
}

/// A connection that blocks on the wake lists of one slot.
struct Block {
    wakes: Vec<(String, Wake)>,
    connection: Option<(Exclusive, i64)>,
}

impl JobQueue {
    /// Prepares to wait for work on `queues`.
    #[must_use]
    pub fn waiter(&self, queues: &[QueueName]) -> Waiter {
        let namespace = &self.core.config.namespace;
        let wakes = queues.iter().flat_map(|queue| {
            let first = self.core.keys(&Partition::first(queue.clone()));
            let bell = keys::bell(namespace, queue);
            [
                (first.wake().to_owned(), Wake::First(queue.clone())),
                (bell, Wake::Further(queue.clone())),
            ]
        });
        Waiter {
            queue: self.clone(),
            wakes: wakes.collect(),
            blocks: Vec::new(),
        }
    }
}

impl Waiter {
    /// Returns when there may be work, when `at_most` or 2 s have passed, or
    /// when `interrupt` resolves, whichever is first. Tells where it may be.
    ///
    /// Call it with a free slot only: it takes the wake-up from others. Who does not
    /// come to what it tells passes it on, see [`JobQueue::pass_on`].
    ///
    /// # Errors
    /// Any fault of the store; the next call connects anew.
    pub async fn wait(
        &mut self,
        at_most: Duration,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Woken> {
        Ok(self.block(None, at_most, interrupt).await?.0)
    }

    /// Waits as [`wait`](Self::wait) does and then claims, however the wait ended.
    /// The claim is sent behind the blocking read, so that a job is claimed
    /// without another round trip; its lease may have begun at any time since
    /// this was called. Of a queue in several partitions it claims from the first
    /// one, and tells of others that may have work.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait) and of [`JobQueue::claim`].
    pub async fn wait_and_claim(
        &mut self,
        claim: Claim<'_>,
        at_most: Duration,
        interrupt: impl Future<Output = ()>,
    ) -> Result<(Woken, Claimed)> {
        let first = Partition::first(claim.queue.clone());
        let call = self.queue.claim_call(claim, &first).await?;
        let (woken, answer) = self.block(Some(&call), at_most, interrupt).await?;
        let store = &self.queue.core.store;
        let reply = answer.and_then(|reply| Ok(::redis::from_redis_value(reply)?));
        let reply = match reply {
            // Redis has lost the script, and so took no job.
            Err(error) if lua::is_lost(&error) => call.run_once(store).await,
            reply => reply.map_err(|error| store.fault(&error)),
        };
        let claimed = self.queue.claimed(&first, reply?).await?;
        Ok((woken, claimed))
    }

    /// Blocks; returns the answer to `behind`, which is sent along.
    async fn block(
        &mut self,
        behind: Option<&Call>,
        at_most: Duration,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Answer> {
        let core = &self.queue.core;
        if self.blocks.is_empty() {
            let wakes = self.wakes.iter().cloned();
            let groups = core.store.by_slot(wakes, |(wake, _)| wake).await?;
            let block = |wakes| Block {
                wakes,
                connection: None,
            };
            self.blocks = groups.into_iter().map(block).collect();
        }
        match &mut self.blocks[..] {
            [] => {
                timeout(at_most.min(BLOCK), interrupt).await.ok();
                Ok((Woken::Nowhere, Ok(Value::Nil)))
            }
            [only] => only.block(core, behind, at_most, interrupt).await,
            several => Box::pin(block_on_each(core, several, at_most, interrupt)).await,
        }
    }
}

/// Where there may be work, and what was answered to what was sent along.
type Answer = (Woken, RedisResult<Value>);

/// Blocks on all; the first that is woken ends the others. One that can not
/// block leaves it to them: in a cluster its server may have gone.
async fn block_on_each(
    core: &Core,
    blocks: &mut [Block],
    at_most: Duration,
    interrupt: impl Future<Output = ()>,
) -> Result<Answer> {
    let woken = CancellationToken::new();
    let blocked = join_all(blocks.iter_mut().map(async |block| {
        let answer = block.block(core, None, at_most, woken.cancelled()).await;
        if answer.is_ok() {
            woken.cancel();
        }
        answer
    }));
    let over = async {
        tokio::select! {
            () = interrupt => woken.cancel(),
            () = woken.cancelled() => {}
        }
        // What does not end now is on a server that does not answer.
        tokio::time::sleep(SETTLE).await;
    };
    tokio::select! {
        answers = blocked => {
            let mut answers = answers.into_iter();
            let nothing = || Ok((Woken::Nowhere, Ok(Value::Nil)));
            let first = answers.next().unwrap_or_else(nothing);
            answers.fold(first, |all, next| match (all, next) {
                (Ok((all, _)), Ok((next, answer))) => Ok((all.and(next), answer)),
                (Ok(_), Err(_)) | (Err(_), Ok(_)) => Ok((Woken::Anywhere, Ok(Value::Nil))),
                (Err(error), Err(_)) => Err(error),
            })
        }
        () = over => Ok((Woken::Anywhere, Ok(Value::Nil))),
    }
}

impl Block {
    async fn block(
        &mut self,
        core: &Core,
        behind: Option<&Call>,
        at_most: Duration,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Answer> {
        let (connection, client_id) = match &mut self.connection {
            Some(held) if !held.0.is_broken() => held,
            slot => slot.insert(connect(core, &self.wakes[0].0).await?),
        };
        let mut block = ::redis::pipe();
        let lists: Vec<_> = self.wakes.iter().map(|(list, _)| list).collect();
        block.cmd("BLPOP").arg(lists).arg(BLOCK.as_secs_f64());
        if let Some(call) = behind {
            block.add_command(call.command().clone());
        }
        let node = connection.node();
        // Ends the block from outside, so that no wake-up is given to an answer nobody reads.
        let unblock = async || {
            let mut unblock = Cmd::new();
            unblock.arg("CLIENT").arg("UNBLOCK").arg(*client_id);
            core.store.run_at::<u8>(&node, &unblock).await
        };
        let blocked = connection.query_each(block);
        tokio::pin!(blocked);
        let over = async {
            tokio::select! {
                // Redis ends a block up to 100 ms late; a due job must not wait for that.
                () = tokio::time::sleep(at_most), if at_most < BLOCK => {}
                () = interrupt => {}
            }
        };
        let answered = tokio::select! {
            answered = &mut blocked => answered,
            () = over => loop {
                // Another connection may be faster: then there is nothing to end yet.
                let ended = unblock().await? > 0;
                let patience = if ended { BLOCK } else { ON_ITS_WAY };
                if let Ok(answered) = timeout(patience, &mut blocked).await {
                    break answered;
                }
            },
        };
        let mut answers = answered
            .map_err(|error| core.store.fault(&error))?
            .into_iter();
        let popped = answers.next().unwrap_or(Ok(Value::Nil));
        match (popped, answers.next()) {
            // However the block went: what was claimed behind it is this worker's.
            (Err(_), Some(Ok(answer))) => Ok((Woken::Anywhere, Ok(answer))),
            (Err(error), _) => Err(core.store.fault(&error)),
            (Ok(popped), answer) => {
                let woken = woken(&self.wakes, popped);
                if let Woken::In(parts) = &woken {
                    parts.iter().for_each(|part| core.spreads.heard_of(part));
                }
                Ok((woken, answer.unwrap_or(Ok(Value::Nil))))
            }
        }
    }
}

/// Where there may be work, by a list and what was taken from it.
fn woken(wakes: &[(String, Wake)], popped: Value) -> Woken {
    match ::redis::from_redis_value::<Option<(String, Vec<u8>)>>(popped) {
        Ok(None) => Woken::Nowhere,
        Ok(Some((list, told))) => {
            let wake = wakes.iter().find(|(name, _)| *name == list);
            let part = wake.and_then(|(_, wake)| wake.read(&told));
            part.map_or(Woken::Anywhere, |part| Woken::In(vec![part]))
        }
        Err(_) => Woken::Anywhere,
    }
}

async fn connect(core: &Core, wake: &str) -> Result<(Exclusive, i64)> {
    let mut connection = core.store.exclusive(wake).await?;
    let id = connection
        .query(::redis::cmd("CLIENT").arg("ID"))
        .await
        .map_err(|error| core.store.fault(&error))?;
    Ok((connection, id))
}
