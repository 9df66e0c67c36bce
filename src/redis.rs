//! Connections to Redis: one shared for commands, exclusive ones for blocking
//! reads and for submits that wait, each replaced when it breaks.

mod exclusive;
mod source;
mod subscription;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind,
};
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::job::StoreTime;

use exclusive::Pool;
pub(crate) use exclusive::{Exclusive, Flushing};
use source::Source;
pub(crate) use subscription::Subscription;

/// Longer than any script may take, shorter than a caller's patience. A call
/// that takes longer has an unknown end, and its socket is closed.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// After a failed connect, callers are told at once for this long, so that a
/// crowd of them does not queue up for one connect after another.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// The longest block of a blocking read.
pub(crate) const BLOCK: Duration = Duration::from_secs(2);
/// Blocking readers a process can have: waiters and event readers.
const EXCLUSIVE_CONNECTIONS: u32 = 16;
/// Connections on which submits wait for disk or replicas: two for each class
/// of jobs that come one by one, and as many for batches.
const DURABLE_CONNECTIONS: u32 = 8;

/// The way to Redis of one process.
pub(crate) struct Store {
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

impl Store {
    /// Prepares the connections; touches no network before it returns. A submit
    /// waits for disk or replicas for up to `durable`.
    pub(crate) fn open(url: &str, durable: Duration) -> Result<Self> {
        let source = Source::open(url)?;
        let slack = Duration::from_secs(1);
        let pool = |size, response| Pool::new(Arc::clone(&source), size, response);
        Ok(Self {
            shared: Mutex::default(),
            exclusive: pool(EXCLUSIVE_CONNECTIONS, BLOCK + slack),
            durable: pool(DURABLE_CONNECTIONS, durable + RESPONSE_TIMEOUT),
            source,
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
        let (mut connection, made) = self.connection().await?;
        let reply = command.query_async(&mut connection).await;
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
        let (mut connection, made) = self
            .connection()
            .await
            .map_err(|error| self.fault(&error))?;
        let reply = pipeline.query_async(&mut connection).await;
        if let Err(error) = &reply {
            self.heed(error, made).await;
        }
        reply.map_err(|error| self.fault(&error))
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
        let epochs = Some(self.source.epochs());
        let connected = self.source.subscribe();
        let subscribed = Subscription::start(connected, channel, epochs).await;
        subscribed.map_err(|error| self.fault(&error))
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

/// Answers within `response`.
fn within(response: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(response))
}
