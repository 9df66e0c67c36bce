//! Goes on without the partitions that can not be reached: in a cluster one
//! server may be gone while the others are well.

use std::collections::BTreeSet;
use std::future::Future;

use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::queue::Core;
use crate::redis::Address;

/// What a call that asks several partitions finds out about which it can reach.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    unreachable: Vec<Partition>,
    /// Their servers, which are not asked again: that could take seconds each time.
    servers: BTreeSet<Address>,
    has_answer: bool,
}

impl Reach {
    /// That of a call which goes on where another one ended.
    pub(crate) fn going_on(has_answer: bool) -> Self {
        Self {
            has_answer,
            ..Self::default()
        }
    }

    /// What a partition answers; nothing where it can not be reached.
    pub(crate) async fn ask<T>(
        &mut self,
        core: &Core,
        part: &Partition,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        let server = core.store.server_of(|| core.keys(part).config().to_owned());
        if server.as_ref().is_some_and(|at| self.servers.contains(at)) {
            self.unreachable.push(part.clone());
            return Ok(None);
        }
        let answer = answer.await;
        self.take(core, part, answer).await
    }

    /// The same for an answer that is there already.
    pub(crate) async fn take<T>(
        &mut self,
        core: &Core,
        part: &Partition,
        answer: Result<T>,
    ) -> Result<Option<T>> {
        match answer {
            Ok(answer) => {
                self.has_answer = true;
                Ok(Some(answer))
            }
            Err(error) if is_out_of_reach(&error) && core.store.is_cluster().await? => {
                tracing::debug!(%part, %error, "going on without a partition");
                let server = core.store.server_of(|| core.keys(part).config().to_owned());
                self.servers.extend(server);
                self.unreachable.push(part.clone());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Those that could not be reached, by name. Fails where no other answered.
    pub(crate) fn some(mut self) -> Result<Vec<Partition>> {
        if !self.has_answer && !self.unreachable.is_empty() {
            return Err(Error::StoreUnavailable);
        }
        self.unreachable.sort_unstable();
        self.unreachable.dedup();
        Ok(self.unreachable)
    }

    /// Fails unless all answered: the others have done their part, and a repeat
    /// completes it.
    pub(crate) fn all(self) -> Result<()> {
        match self.unreachable.is_empty() {
            true => Ok(()),
            false => Err(Error::StoreUnavailable),
        }
    }
}

/// Whether an error says that a server is gone, or not yet there again.
pub(crate) const fn is_out_of_reach(error: &Error) -> bool {
    matches!(
        error,
        Error::StoreUnavailable | Error::StoreLoading | Error::StoreReadOnly
    )
}
