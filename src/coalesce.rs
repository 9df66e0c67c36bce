//! Natural batching: many callers, one script call.
//!
//! A task takes what is waiting in a channel and sends it as one batch; while
//! that is under way the next one gathers. With one caller a batch has one
//! item and nothing is delayed; with many it grows by itself.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::lua::MAX_JOBS;
use crate::redis::Address;

/// Batches under way at once. One is slower than none of this, three gain nothing.
const IN_FLIGHT: usize = 2;

/// The front of a batching task; the task ends when all clones are dropped.
pub(crate) struct Coalescer<I, O> {
    sender: mpsc::Sender<(I, oneshot::Sender<Result<O>>)>,
}

impl<I, O> Clone for Coalescer<I, O> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Coalescer<I, O> {
    /// Starts the task. `send` takes a batch and returns one result per item, in order.
    pub(crate) fn start<F, Fut>(send: F) -> Self
    where
        F: Fn(Vec<I>) -> Fut + Send + 'static,
        Fut: Future<Output = Vec<Result<O>>> + Send + 'static,
    {
        // Full means that two batches are gathered behind the two under way: callers wait.
        let (sender, receiver) = mpsc::channel(IN_FLIGHT * MAX_JOBS);
        tokio::spawn(gather(receiver, send));
        Self { sender }
    }

    /// Sends one item in the next batch and waits for its result.
    pub(crate) async fn call(&self, item: I) -> Result<O> {
        let (reply, result) = oneshot::channel();
        let gone = || Error::ShuttingDown;
        self.sender.send((item, reply)).await.map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}

/// A batching task for each server of a cluster, and one for a single store: a
/// batch takes as long as its slowest call, so one server that does not answer
/// would hold up all others.
pub(crate) struct PerServer<I, O> {
    start: Box<dyn Fn() -> Coalescer<I, O> + Send + Sync>,
    single: Coalescer<I, O>,
    servers: Mutex<HashMap<Address, Coalescer<I, O>>>,
}

impl<I: Send + 'static, O: Send + 'static> PerServer<I, O> {
    /// As [`Coalescer::start`].
    pub(crate) fn start<F, Fut>(send: F) -> Self
    where
        F: Fn(Vec<I>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Vec<Result<O>>> + Send + 'static,
    {
        Self {
            single: Coalescer::start(send.clone()),
            start: Box::new(move || Coalescer::start(send.clone())),
            servers: Mutex::default(),
        }
    }

    /// Sends one item in the next batch to its server, which is `None` in a single store.
    pub(crate) async fn call(&self, server: Option<Address>, item: I) -> Result<O> {
        let Some(server) = server else {
            return self.single.call(item).await;
        };
        let of_server = {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            let known = servers.entry(server).or_insert_with(|| (self.start)());
            known.clone()
        };
        of_server.call(item).await
    }
}

async fn gather<I, O, F, Fut>(
    mut receiver: mpsc::Receiver<(I, oneshot::Sender<Result<O>>)>,
    send: F,
) where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(Vec<I>) -> Fut + Send + 'static,
    Fut: Future<Output = Vec<Result<O>>> + Send + 'static,
{
    let mut in_flight = JoinSet::new();
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, MAX_JOBS).await > 0 {
        let (items, replies): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let results = send(items);
        in_flight.spawn(async move {
            for (reply, result) in replies.into_iter().zip(results.await) {
                // A caller that has gone away does not need its result.
                let _gone = reply.send(result);
            }
        });
        if in_flight.len() >= IN_FLIGHT {
            in_flight.join_next().await;
        }
    }
    in_flight.join_all().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_server_that_does_not_answer_holds_up_nobody_else() {
        let [silent, well] = ["a", "b"].map(|host| {
            let info = ::redis::IntoConnectionInfo::into_connection_info(format!("redis://{host}"));
            Some(Address::of(&info.unwrap()))
        });
        let per_server = Arc::new(PerServer::start(|items: Vec<bool>| async move {
            if items.contains(&false) {
                std::future::pending::<()>().await;
            }
            items.into_iter().map(Ok).collect()
        }));
        for _ in 0..2 * IN_FLIGHT {
            let (per_server, silent) = (per_server.clone(), silent.clone());
            tokio::spawn(async move { per_server.call(silent, false).await });
        }
        tokio::task::yield_now().await;
        for server in [well, None] {
            assert_eq!(per_server.call(server, true).await, Ok(true));
        }
    }

    #[tokio::test]
    async fn each_caller_gets_its_own_result_and_batches_form() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let coalescer = Coalescer::start(move |items: Vec<usize>| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                items.into_iter().map(|n| Ok(n * 2)).collect()
            }
        });
        let callers: Vec<_> = (0..1_000)
            .map(|n| {
                let coalescer = coalescer.clone();
                tokio::spawn(async move { (n, coalescer.call(n).await.unwrap()) })
            })
            .collect();
        for caller in callers {
            let (n, doubled) = caller.await.unwrap();
            assert_eq!(doubled, n * 2);
        }
        assert!(
            calls.load(Ordering::Relaxed) < 1_000,
            "no batch ever held two items"
        );
    }
}
