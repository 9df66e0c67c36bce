//! One server: a connection that all commands share, and own ones for blocking
//! reads and for submits that wait, each replaced when it breaks.
//!
//! A server can take what is sent to it and answer nothing. Each call finds that
//! out by waiting in vain, so the first one tells the others: until the server
//! answers again, which a task of its own looks after, calls to it fail at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Value,
};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout_at};

use super::exclusive::{Held, Pool};
use super::source::Source;
use super::subscription::Subscription;
use super::topology::Address;
use super::{BLOCK, CONNECT_TIMEOUT, RESPONSE_TIMEOUT};

/// After a failed connect, callers are told at once for this long, so that a
/// crowd of them does not queue up for one connect after another.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// When a server has fallen silent callers wait for one more connect, as it may have
/// been for a moment; from then on they are told at once.
const DOUBT: Duration = CONNECT_TIMEOUT;
/// Between two looks whether it answers again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
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
    /// Since when it answers nothing, as far as is known.
    silent: watch::Sender<Option<Instant>>,
    /// Somebody asks whether it does.
    is_asked: AtomicBool,
    this: Weak<Self>,
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

/// A connection, with its generation and epoch.
type Made = (MultiplexedConnection, (u64, u64));

impl Shared {
    /// The connection, if there is one that was made in this epoch.
    fn present(&mut self, epoch: u64) -> Option<Made> {
        if self.epoch != epoch {
            self.connection = None;
        }
        let connection = self.connection.clone()?;
        Some((connection, (self.generation, epoch)))
    }

    fn made(&mut self, connection: MultiplexedConnection, epoch: u64) -> Made {
        self.generation += 1;
        self.epoch = epoch;
        self.failed = None;
        self.connection = Some(connection.clone());
        (connection, (self.generation, epoch))
    }
}

impl Node {
    /// Prepares the connections; touches no network. A submit waits for disk or
    /// replicas for up to `durable`.
    pub(super) fn new(source: Arc<Source>, address: Address, durable: Duration) -> Arc<Self> {
        let slack = Duration::from_secs(1);
        let pool = |size, response| Pool::new(Arc::clone(&source), size, response);
        let exclusive = pool(EXCLUSIVE_CONNECTIONS, BLOCK + slack);
        let durable = pool(DURABLE_CONNECTIONS, durable + RESPONSE_TIMEOUT);
        Arc::new_cyclic(|this| Self {
            shared: Mutex::default(),
            exclusive,
            durable,
            silent: watch::Sender::new(None),
            is_asked: AtomicBool::new(false),
            this: Weak::clone(this),
            source,
            address,
        })
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
                if error.is_timeout() {
                    self.falls_silent();
                }
            }
        }
    }

    /// The shared connection.
    async fn connection(&self) -> RedisResult<Made> {
        let mut shared = self.shared.lock().await;
        let mut epoch = self.source.epoch();
        if let Some(present) = shared.present(epoch) {
            return Ok(present);
        }
        if self.is_silent() {
            drop(shared);
            self.answers().await?;
            shared = self.shared.lock().await;
            epoch = self.source.epoch();
            if let Some(present) = shared.present(epoch) {
                return Ok(present);
            }
        }
        if shared.failed.is_some_and(|at| at.elapsed() < CONNECT_PAUSE) {
            return Err(RedisError::from((ErrorKind::Io, "not connected")));
        }
        match self.source.connect(&within(RESPONSE_TIMEOUT)).await {
            Ok(connection) => Ok(shared.made(connection, epoch)),
            Err(error) => {
                // The first of a row: what callers hear does not say why.
                if shared.failed.replace(Instant::now()).is_none() {
                    tracing::warn!(node = %self.address, %error, "can not connect to redis");
                }
                if error.is_timeout() {
                    self.falls_silent();
                }
                Err(error)
            }
        }
    }

    fn is_silent(&self) -> bool {
        self.silent.borrow().is_some()
    }

    /// Fails where the server is known to be silent, and has been for a moment.
    async fn answers(&self) -> RedisResult<()> {
        let Some(since) = *self.silent.borrow() else {
            return Ok(());
        };
        let mut silent = self.silent.subscribe();
        let answers = silent.wait_for(Option::is_none);
        match timeout_at((since + DOUBT).into(), answers).await {
            Ok(_) => Ok(()),
            Err(_) => Err(RedisError::from((ErrorKind::Io, "the server is silent"))),
        }
    }

    /// An answer did not come in time: looks after the server until one does.
    pub(super) fn falls_silent(&self) {
        let is_news = self.silent.send_if_modified(|since| {
            let is_news = since.is_none();
            since.get_or_insert_with(Instant::now);
            is_news
        });
        if is_news {
            tracing::warn!(node = %self.address, "redis does not answer");
            tokio::spawn(look_after(Weak::clone(&self.this)));
        }
    }

    /// Whether it answers again, or refuses to. Makes the connection anew.
    async fn looks_well(&self) -> bool {
        let (epoch, mut epochs) = (self.source.epoch(), self.source.epochs());
        let config = within(RESPONSE_TIMEOUT);
        let connected = tokio::select! {
            connected = self.source.connect(&config) => connected,
            // It is another server now, or has no part in the store any more.
            _ = epochs.changed() => return false,
        };
        let is_well = match connected {
            Ok(connection) => {
                self.shared.lock().await.made(connection, epoch);
                tracing::info!(node = %self.address, "redis answers again");
                true
            }
            Err(error) => !error.is_timeout(),
        };
        if is_well {
            self.silent.send_replace(None);
        }
        is_well
    }

    /// Asks whether it answers at all, for callers that may not wait long enough to
    /// find out.
    pub(super) fn ask_after(&self) {
        if self.is_silent() || self.is_asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Weak::clone(&self.this);
        tokio::spawn(async move {
            if let Some(node) = this.upgrade() {
                // What the answer means is taken in where all answers are.
                let _heeded: RedisResult<Value> = node.query(&::redis::cmd("PING")).await;
                node.is_asked.store(false, Ordering::Release);
            }
        });
    }

    /// A connection that one caller owns, for blocking reads.
    pub(super) async fn exclusive(&self) -> RedisResult<Held> {
        self.answers().await?;
        self.exclusive.get(CONNECT_TIMEOUT).await
    }

    /// A connection that one submit owns while it waits for disk or replicas.
    pub(super) async fn durable(&self) -> RedisResult<Held> {
        self.answers().await?;
        // Others may wait on all of them.
        self.durable.get(2 * RESPONSE_TIMEOUT).await
    }

    /// A connection that hears what is published on one channel.
    pub(super) async fn subscribe(&self, channel: &str) -> RedisResult<Subscription> {
        self.answers().await?;
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

/// Looks after a server that has fallen silent while somebody may need it.
async fn look_after(node: Weak<Node>) {
    while let Some(node) = node.upgrade() {
        // Where another connection told of it this one may still be there.
        node.shared.lock().await.connection = None;
        if node.looks_well().await {
            return;
        }
        drop(node);
        sleep(LOOK_AGAIN).await;
    }
}

/// Answers within `response`.
pub(super) fn within(response: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(response))
}
