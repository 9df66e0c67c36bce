//! Connections to Redis: one shared for commands, exclusive ones for blocking
//! reads and for submits that wait, each replaced when it breaks.

mod exclusive;

use std::time::{Duration, Instant};

use ::redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use ::redis::io::tcp::TcpSettings;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError,
    RedisResult, ServerErrorKind,
};
use futures_util::StreamExt;
use futures_util::stream::ReadyChunks;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::job::StoreTime;

use exclusive::Pool;
pub(crate) use exclusive::{Exclusive, Flushing};

/// Longer than any script may take, shorter than a caller's patience. A call
/// that takes longer has an unknown end, and its socket is closed.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// After a failed connect, callers are told at once for this long, so that a
/// crowd of them does not queue up for one connect after another.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// The longest block of a blocking read.
pub(crate) const BLOCK: Duration = Duration::from_secs(2);
/// After so long without a message a subscription asks whether the store still
/// answers: a connection that is cut in between does not end by itself.
const LISTEN_AT_MOST: Duration = Duration::from_secs(5);
/// The most messages that are read at once.
const MAX_MESSAGES: usize = 100;
/// Blocking readers a process can have: waiters and event readers.
const EXCLUSIVE_CONNECTIONS: u32 = 16;
/// Connections on which submits wait for disk or replicas: two for each class
/// of jobs that come one by one, and as many for batches.
const DURABLE_CONNECTIONS: u32 = 8;

/// The way to Redis of one process.
pub(crate) struct Store {
    client: Client,
    shared: Mutex<Shared>,
    exclusive: Pool,
    durable: Pool,
}

/// The connection that all commands share. Redis answers in order, so one
/// carries as much as the server can do.
#[derive(Default)]
struct Shared {
    connection: Option<MultiplexedConnection>,
    /// Tells a caller whose command failed whether the connection it used is
    /// still the present one.
    generation: u64,
    failed: Option<Instant>,
}

impl Store {
    /// Prepares the connections; touches no network.
    /// A submit waits for disk or replicas for up to `durable`.
    pub(crate) fn open(url: &str, durable: Duration) -> Result<Self> {
        let invalid =
            |_: RedisError| Error::invalid("redis", "must be a URL like redis://127.0.0.1:6379/");
        let info = url.into_connection_info().map_err(invalid)?;
        // The redis crate leaves Nagle's algorithm on, which costs 40 ms here and there.
        let client = Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
            .map_err(invalid)?;
        let slack = Duration::from_secs(1);
        let exclusive = Pool::new(&client, EXCLUSIVE_CONNECTIONS, BLOCK + slack);
        let durable = Pool::new(&client, DURABLE_CONNECTIONS, durable + RESPONSE_TIMEOUT);
        Ok(Self {
            client,
            shared: Mutex::default(),
            exclusive,
            durable,
        })
    }

    /// Sends a command that may be sent twice. A connection that broke while
    /// nobody used it is found out by the next command, which is not to blame.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        match self.query_once(command).await {
            Err(error) if error.is_connection_dropped() => self.query_once(command).await,
            reply => reply,
        }
    }

    /// Sends one command on the shared connection.
    pub(crate) async fn query_once<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let (mut connection, generation) = self.connection().await?;
        let reply = command.query_async(&mut connection).await;
        if let Err(error) = &reply
            && error.is_io_error()
        {
            // Also after a timeout: what was sent may still be answered, to nobody.
            let mut shared = self.shared.lock().await;
            if shared.generation == generation {
                shared.connection = None;
            }
        }
        reply
    }

    async fn connection(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let mut shared = self.shared.lock().await;
        if let Some(connection) = &shared.connection {
            return Ok((connection.clone(), shared.generation));
        }
        if shared.failed.is_some_and(|at| at.elapsed() < CONNECT_PAUSE) {
            return Err(RedisError::from((ErrorKind::Io, "not connected")));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        match self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
        {
            Ok(connection) => {
                shared.generation += 1;
                shared.failed = None;
                shared.connection = Some(connection.clone());
                Ok((connection, shared.generation))
            }
            Err(error) => {
                shared.failed = Some(Instant::now());
                Err(error)
            }
        }
    }

    /// Sends one command and tells what went wrong as a caller may see it.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        self.query(command)
            .await
            .map_err(|error| self.fault(&error))
    }

    /// Sends commands together, outside a script.
    pub(crate) async fn run_pipeline(&self, pipeline: &::redis::Pipeline) -> Result<()> {
        let (mut connection, _) = self
            .connection()
            .await
            .map_err(|error| self.fault(&error))?;
        pipeline
            .query_async(&mut connection)
            .await
            .map_err(|error| self.fault(&error))
    }

    /// The only clock that decides anything.
    pub(crate) async fn now(&self) -> Result<StoreTime> {
        let (seconds, micros): (u64, u64) = self.run(&::redis::cmd("TIME")).await?;
        Ok(StoreTime(seconds * 1_000 + micros / 1_000))
    }

    /// A connection that one caller owns, for blocking reads.
    pub(crate) async fn exclusive(&self) -> Result<Exclusive> {
        let connection = self.exclusive.get(CONNECT_TIMEOUT).await;
        connection.map_err(|error| self.fault(&error))
    }

    /// A connection that one submit owns while it waits for disk or replicas.
    pub(crate) async fn durable(&self) -> Result<Exclusive> {
        // Others may wait on all of them.
        let connection = self.durable.get(2 * RESPONSE_TIMEOUT).await;
        connection.map_err(|error| self.fault(&error))
    }

    /// A connection that hears what is published on one channel.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<Subscription> {
        let subscribed = async {
            let (mut sink, messages) = self.client.get_async_pubsub().await?.split();
            sink.subscribe(channel).await?;
            Ok(Subscription {
                sink,
                messages: messages.ready_chunks(MAX_MESSAGES),
            })
        };
        match timeout(CONNECT_TIMEOUT, subscribed).await {
            Ok(subscribed) => subscribed.map_err(|error| self.fault(&error)),
            Err(_) => Err(Error::StoreUnavailable),
        }
    }

    /// What an error of Redis means to a caller. The words of Redis stay in the log.
    #[expect(
        clippy::unused_self,
        reason = "reads as a property of this store, and Cluster will need it"
    )]
    pub(crate) fn fault(&self, error: &RedisError) -> Error {
        let text = error.detail().unwrap_or_default();
        let fault = match (error.kind(), error.code().unwrap_or_default()) {
            (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => Error::StoreLoading,
            (ErrorKind::Server(ServerErrorKind::ReadOnly), _) | (_, "MISCONF" | "NOREPLICAS") => {
                Error::StoreReadOnly
            }
            (_, "OOM") => Error::StoreOutOfMemory,
            // Redis 6 wraps the errors of commands inside a script.
            _ if text.contains("-OOM ") => Error::StoreOutOfMemory,
            _ if text.contains("-READONLY ") || text.contains("-MISCONF ") => Error::StoreReadOnly,
            _ => Error::StoreUnavailable,
        };
        tracing::debug!(%error, %fault, "redis refused a command");
        if matches!(fault, Error::StoreUnavailable) && !error.is_io_error() {
            tracing::warn!(%error, "unexpected answer from redis");
        }
        fault
    }
}

/// Hears what is published on a channel.
pub(crate) struct Subscription {
    sink: PubSubSink,
    messages: ReadyChunks<PubSubStream>,
}

impl Subscription {
    /// The next messages; none when there were none for a while and the store
    /// still answers. May be dropped at any time without losing a message.
    pub(crate) async fn next(&mut self) -> RedisResult<Vec<Vec<u8>>> {
        let broken = |what| RedisError::from((ErrorKind::Io, what));
        match timeout(LISTEN_AT_MOST, self.messages.next()).await {
            Ok(Some(messages)) => Ok(messages
                .iter()
                .map(|message| message.get_payload_bytes().to_vec())
                .collect()),
            Ok(None) => Err(broken("the subscription has ended")),
            Err(_) => match timeout(RESPONSE_TIMEOUT, self.sink.ping::<::redis::Value>()).await {
                Ok(pong) => pong.map(|_| Vec::new()),
                Err(_) => Err(broken("the subscription does not answer")),
            },
        }
    }
}
