//! Sleep until a queue may have work: a wake-up, never the carrier of a job.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ::redis::Cmd;

use crate::error::Result;
use crate::job::QueueName;
use crate::queue::{Core, JobQueue};
use crate::redis::{BLOCK, Exclusive};

/// Waits on the wake lists of some queues, on a connection of its own.
pub struct Waiter {
    core: Arc<Core>,
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
            core: Arc::clone(&self.core),
            wakes,
            connection: None,
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
        let core = Arc::clone(&self.core);
        let (connection, client_id) = match &mut self.connection {
            Some(held) if !held.0.is_broken() => held,
            slot => slot.insert(connect(&core).await?),
        };
        let mut block = ::redis::cmd("BLPOP");
        block.arg(&self.wakes).arg(BLOCK.as_secs_f64());
        let blocked = connection.query::<::redis::Value>(&block);
        tokio::pin!(blocked, interrupt);
        let answered = tokio::select! {
            answered = &mut blocked => answered,
            // Redis ends a block up to 100 ms late; a due job must not wait for that.
            () = tokio::time::sleep(at_most), if at_most < BLOCK => {
                unblock(&core, *client_id).await?;
                blocked.await
            }
            () = &mut interrupt => {
                unblock(&core, *client_id).await?;
                blocked.await
            }
        };
        answered.map(drop).map_err(|error| core.store.fault(&error))
    }
}

async fn connect(core: &Core) -> Result<(Exclusive, i64)> {
    let mut connection = core.store.exclusive().await?;
    let id = connection
        .query(::redis::cmd("CLIENT").arg("ID"))
        .await
        .map_err(|error| core.store.fault(&error))?;
    Ok((connection, id))
}

/// Ends the block from outside, so that no wake-up is given to an answer nobody reads.
async fn unblock(core: &Core, client_id: i64) -> Result<()> {
    let mut unblock = Cmd::new();
    unblock.arg("CLIENT").arg("UNBLOCK").arg(client_id);
    core.store.run(&unblock).await
}
