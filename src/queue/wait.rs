//! Sleep until a queue may have work. The wake-up never carries a job: a claim
//! sent behind it finds what is there.

use std::future::Future;
use std::time::Duration;

use ::redis::{Cmd, RedisResult, Value};
use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::job::QueueName;
use crate::lua::{self, Call};
use crate::queue::{Claim, Claimed, Core, JobQueue};
use crate::redis::{BLOCK, Exclusive};

/// How long blocks on other servers may take to end.
const SETTLE: Duration = Duration::from_millis(100);

/// How long a blocking read may be on its way to Redis before it is looked for again.
const ON_ITS_WAY: Duration = Duration::from_millis(1);

/// Waits on the wake lists of some queues, on connections of its own: one, or
/// in a cluster one for each slot.
pub struct Waiter {
    queue: JobQueue,
    wakes: Vec<String>,
    /// The wake lists by their slots, once the store is there to tell.
    blocks: Vec<Block>,
}

/// A connection that blocks on the wake lists of one slot.
struct Block {
    wakes: Vec<String>,
    connection: Option<(Exclusive, i64)>,
}

impl JobQueue {
    /// Prepares to wait for work on `queues`.
    #[must_use]
    pub fn waiter(&self, queues: &[QueueName]) -> Waiter {
        let wakes = queues
            .iter()
            .map(|queue| self.core.keys(queue).wake().to_owned())
            .collect();
        Waiter {
            queue: self.clone(),
            wakes,
            blocks: Vec::new(),
        }
    }
}

impl Waiter {
    /// Returns when there may be work, when `at_most` or 2 s have passed, or
    /// when `interrupt` resolves, whichever is first.
    ///
    /// Call it with a free slot only: it takes the wake-up from others.
    ///
    /// # Errors
    /// Any fault of the store; the next call connects anew.
    pub async fn wait(
        &mut self,
        at_most: Duration,
        interrupt: impl Future<Output = ()>,
    ) -> Result<()> {
        self.block(None, at_most, interrupt).await.map(drop)
    }

    /// Waits as [`wait`](Self::wait) does and then claims, however the wait ended.
    /// The claim is sent behind the blocking read, so that a job is claimed
    /// without another round trip; its lease may have begun at any time since
    /// this was called.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait) and of [`JobQueue::claim`].
    pub async fn wait_and_claim(
        &mut self,
        claim: Claim<'_>,
        at_most: Duration,
        interrupt: impl Future<Output = ()>,
    ) -> Result<Claimed> {
        let call = self.queue.claim_call(claim).await?;
        let answer = self.block(Some(&call), at_most, interrupt).await?;
        let store = &self.queue.core.store;
        let reply = answer.and_then(|reply| Ok(::redis::from_redis_value(reply)?));
        let reply = match reply {
            // Redis has lost the script, and so took no job.
            Err(error) if lua::is_lost(&error) => call.run_once(store).await,
            reply => reply.map_err(|error| store.fault(&error)),
        };
        self.queue.claimed(claim.queue, reply?).await
    }

    /// Blocks; returns the answer to `behind`, which is sent along.
    async fn block(
        &mut self,
        behind: Option<&Call>,
        at_most: Duration,
        interrupt: impl Future<Output = ()>,
    ) -> Result<RedisResult<Value>> {
        let core = &self.queue.core;
        if self.blocks.is_empty() {
            let wakes = self.wakes.iter().cloned();
            let groups = core.store.by_slot(wakes, |wake| wake).await?;
            let block = |wakes| Block {
                wakes,
                connection: None,
            };
            self.blocks = groups.into_iter().map(block).collect();
        }
        match &mut self.blocks[..] {
            [] => {
                timeout(at_most.min(BLOCK), interrupt).await.ok();
                Ok(Ok(Value::Nil))
            }
            [only] => only.block(core, behind, at_most, interrupt).await,
            several => Box::pin(block_on_each(core, several, at_most, interrupt)).await,
        }
    }
}

/// Blocks on all; the first that is woken ends the others. One that can not
/// block leaves it to them: in a cluster its server may have gone.
async fn block_on_each(
    core: &Core,
    blocks: &mut [Block],
    at_most: Duration,
    interrupt: impl Future<Output = ()>,
) -> Result<RedisResult<Value>> {
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
            let first = answers.next().unwrap_or(Ok(Ok(Value::Nil)));
            answers.fold(first, Result::or)
        }
        () = over => Ok(Ok(Value::Nil)),
    }
}

impl Block {
    async fn block(
        &mut self,
        core: &Core,
        behind: Option<&Call>,
        at_most: Duration,
        interrupt: impl Future<Output = ()>,
    ) -> Result<RedisResult<Value>> {
        let (connection, client_id) = match &mut self.connection {
            Some(held) if !held.0.is_broken() => held,
            slot => slot.insert(connect(core, &self.wakes[0]).await?),
        };
        let mut block = ::redis::pipe();
        block.cmd("BLPOP").arg(&self.wakes).arg(BLOCK.as_secs_f64());
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
        let woken = answers.next().unwrap_or(Ok(Value::Nil));
        match (woken, answers.next()) {
            // However the block went: what was claimed behind it is this worker's.
            (_, Some(Ok(answer))) => Ok(Ok(answer)),
            (Err(error), _) => Err(core.store.fault(&error)),
            (Ok(_), answer) => Ok(answer.unwrap_or(Ok(Value::Nil))),
        }
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
