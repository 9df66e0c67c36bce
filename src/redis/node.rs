//! One server: a connection that all commands share, and own ones for blocking
//! reads and for submits that wait, each replaced when it breaks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
};
use tokio::sync::{Mutex, watch};

use super::exclusive::{Held, Pool};
use super::source::Source;
use super::subscription::Subscription;
use super::topology::Address;
use super::{BLOCK, CONNECT_TIMEOUT, RESPONSE_TIMEOUT};

/// After a failed connect, callers are told at once for this long, so that a
/// crowd of them does not queue up for one connect after another.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Blocking readers a process can have: waiters and event readers.
const EXCLUSIVE_CONNECTIONS: u32 = 16;
/// Connections on which submits wait for disk or replicas: two for each class
/// of jobs that come one by one, and as many for batches.
const DURABLE_CONNECTIONS: u32 = 8;

/// The connections to one server.
pub(crate) struct Node {
    address: Address,
    source: Arc<Source>,
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
    /// Of the source, when the connection was made.
    epoch: u64,
    failed: Option<Instant>,
}

impl Node {
    /// Prepares the connections; touches no network. A submit waits for disk or
    /// replicas for up to `durable`.
    pub(super) fn new(source: Arc<Source>, address: Address, durable: Duration) -> Self {
        let slack = Duration::from_secs(1);
        let pool = |size, response| Pool::new(Arc::clone(&source), size, response);
        Self {
            shared: Mutex::default(),
            exclusive: pool(EXCLUSIVE_CONNECTIONS, BLOCK + slack),
            durable: pool(DURABLE_CONNECTIONS, durable + RESPONSE_TIMEOUT),
            source,
            address,
        }
    }

    /// Where it listens, as its cluster says.
    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    /// Sends one command on the shared connection.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let (mut connection, made) = self.connection().await?;
        let reply = command.query_async(&mut connection).await;
        if let Err(error) = &reply {
            self.heed(error, made).await;
        }
        reply
    }

    /// Sends commands together.
    pub(crate) async fn pipeline<T: FromRedisValue>(&self, commands: &Pipeline) -> RedisResult<T> {
        let (mut connection, made) = self.connection().await?;
        let reply = commands.query_async(&mut connection).await;
        if let Err(error) = &reply {
            self.heed(error, made).await;
        }
        reply
    }

    /// Gives up a shared connection that led to such an error.
    async fn heed(&self, error: &RedisError, (generation, epoch): (u64, u64)) {
        self.source.heed(error, epoch);
        if error.is_io_error() {
            // Also after a timeout: what was sent may still be answered, to nobody.
            let mut shared = self.shared.lock().await;
            if shared.generation == generation {
                shared.connection = None;
            }
        }
    }

    /// The shared connection, with its generation and epoch.
    async fn connection(&self) -> RedisResult<(MultiplexedConnection, (u64, u64))> {
        let mut shared = self.shared.lock().await;
        let epoch = self.source.epoch();
        if shared.epoch != epoch {
            shared.connection = None;
        }
        if let Some(connection) = &shared.connection {
            return Ok((connection.clone(), (shared.generation, epoch)));
        }
        if shared.failed.is_some_and(|at| at.elapsed() < CONNECT_PAUSE) {
            return Err(RedisError::from((ErrorKind::Io, "not connected")));
        }
        match self.source.connect(&within(RESPONSE_TIMEOUT)).await {
            Ok(connection) => {
                shared.generation += 1;
                shared.epoch = epoch;
                shared.failed = None;
                shared.connection = Some(connection.clone());
                Ok((connection, (shared.generation, epoch)))
            }
            Err(error) => {
                // The first of a row: what callers hear does not say why.
                if shared.failed.replace(Instant::now()).is_none() {
                    tracing::warn!(node = %self.address, %error, "can not connect to redis");
                }
                Err(error)
            }
        }
    }

    /// A connection that one caller owns, for blocking reads.
    pub(super) async fn exclusive(&self) -> RedisResult<Held> {
        self.exclusive.get(CONNECT_TIMEOUT).await
    }

    /// A connection that one submit owns while it waits for disk or replicas.
    pub(super) async fn durable(&self) -> RedisResult<Held> {
        // Others may wait on all of them.
        self.durable.get(2 * RESPONSE_TIMEOUT).await
    }

    /// A connection that hears what is published on one channel.
    pub(super) async fn subscribe(&self, channel: &str) -> RedisResult<Subscription> {
        let epochs = Some(self.source.epochs());
        Subscription::start(self.source.subscribe(), channel, epochs).await
    }

    /// Changes when the connections are of no use any more.
    pub(super) fn epochs(&self) -> watch::Receiver<u64> {
        self.source.epochs()
    }

    /// Ends the use of all connections: the server has no part in the store any more.
    pub(super) fn leave(&self) {
        self.source.end(self.source.epoch());
    }
}

/// Answers within `response`.
pub(super) fn within(response: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(response))
}
