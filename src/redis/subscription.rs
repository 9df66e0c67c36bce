//! What is published on a channel.

use std::future::Future;
use std::time::Duration;

use ::redis::aio::{PubSub, PubSubSink, PubSubStream};
use ::redis::{ErrorKind, RedisError, RedisResult};
use futures_util::StreamExt;
use futures_util::stream::ReadyChunks;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{CONNECT_TIMEOUT, RESPONSE_TIMEOUT};

/// After so long without a message a subscription asks whether the store still
/// answers: a connection that is cut in between does not end by itself.
const LISTEN_AT_MOST: Duration = Duration::from_secs(5);
/// The most messages that are read at once.
const MAX_MESSAGES: usize = 100;

/// Hears what is published on a channel.
pub(crate) struct Subscription {
    sink: PubSubSink,
    messages: ReadyChunks<PubSubStream>,
    /// Changes when the store is another one: then nothing comes any more.
    epochs: Option<watch::Receiver<u64>>,
}

impl Subscription {
    pub(super) async fn start(
        connected: impl Future<Output = RedisResult<PubSub>>,
        channel: &str,
        epochs: Option<watch::Receiver<u64>>,
    ) -> RedisResult<Self> {
        let subscribed = async {
            let (mut sink, messages) = connected.await?.split();
            sink.subscribe(channel).await?;
            Ok(Self {
                sink,
                messages: messages.ready_chunks(MAX_MESSAGES),
                epochs,
            })
        };
        let subscribed = timeout(CONNECT_TIMEOUT, subscribed).await;
        subscribed.unwrap_or_else(|_| Err(broken("the store does not answer")))
    }

    /// The next messages; none when there were none for a while and the store
    /// still answers. May be dropped at any time without losing a message.
    pub(crate) async fn next(&mut self) -> RedisResult<Vec<Vec<u8>>> {
        let Self {
            sink,
            messages,
            epochs,
        } = self;
        let moved = async {
            match epochs {
                // An error means that the store is not used any more.
                Some(epochs) => drop(epochs.changed().await),
                None => std::future::pending::<()>().await,
            }
        };
        let heard = tokio::select! {
            heard = timeout(LISTEN_AT_MOST, messages.next()) => heard,
            () = moved => return Err(broken("the subscription is to a server of before")),
        };
        match heard {
            Ok(Some(messages)) => Ok(messages
                .iter()
                .map(|message| message.get_payload_bytes().to_vec())
                .collect()),
            Ok(None) => Err(broken("the subscription has ended")),
            Err(_) => match timeout(RESPONSE_TIMEOUT, sink.ping::<::redis::Value>()).await {
                Ok(pong) => pong.map(|_| Vec::new()),
                Err(_) => Err(broken("the subscription does not answer")),
            },
        }
    }
}

fn broken(what: &'static str) -> RedisError {
    RedisError::from((ErrorKind::Io, what))
}
