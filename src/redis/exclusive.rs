//! Connections that one caller owns at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Value};
use bb8_redis::bb8::{self, ManageConnection as _};
use tokio::time::timeout;

use super::cluster::{Cluster, Patience, Slot};
use super::node::{Node, within};
use super::source::Source;

/// At most so many connections of one purpose.
pub(super) struct Pool(bb8::Pool<Manager>);

impl Pool {
    /// Whoever asks waits for an answer for up to `response`.
    pub(super) fn new(source: Arc<Source>, size: u32, response: Duration) -> Self {
        let manager = Manager { source, response };
        let pool = bb8::Pool::builder()
            .max_size(size)
            .retry_connection(false)
            .test_on_check_out(false)
            .build_unchecked(manager);
        Self(pool)
    }

    /// One that is idle or new, or that somebody gives back within `patience`.
    pub(super) async fn get(&self, patience: Duration) -> RedisResult<Held> {
        let none = || RedisError::from((ErrorKind::Io, "no connection became free"));
        match timeout(patience, self.0.get_owned()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(bb8::RunError::User(error))) => Err(error),
            Ok(Err(bb8::RunError::TimedOut)) | Err(_) => Err(none()),
        }
    }
}

pub(super) type Held = bb8::PooledConnection<'static, Manager>;

/// A connection of one's own; it is closed, not reused, once it has failed.
pub(crate) struct Exclusive {
    held: Held,
    node: Arc<Node>,
    /// Where it is to one node of a cluster: which slot that node served then.
    of: Option<(Arc<Cluster>, Slot)>,
}

impl Exclusive {
    pub(super) fn new(held: Held, node: Arc<Node>, of: Option<(Arc<Cluster>, Slot)>) -> Self {
        Self { held, node, of }
    }

    /// Sends one command. When the returned future is dropped before its end,
    /// the answer is still under way: the connection counts as broken.
    pub(crate) async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        self.held.broken = true;
        let reply = command.query_async(&mut self.held.connection);
        let reply = match &self.of {
            None => reply.await,
            Some((cluster, _)) => {
                cluster
                    .unless_gone(&self.node, Patience::Short, reply)
                    .await
            }
        };
        self.held.broken = matches!(&reply, Err(error) if self.heed(error));
        reply
    }

    /// Sends commands one behind the other; each has an answer of its own.
    pub(crate) async fn query_each(
        &mut self,
        mut commands: Pipeline,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        self.held.broken = true;
        commands.ignore_errors();
        let replies = commands.query_async(&mut self.held.connection);
        let replies: RedisResult<Vec<RedisResult<Value>>> = match &self.of {
            None => replies.await,
            Some((cluster, _)) => {
                cluster
                    .unless_gone(&self.node, Patience::Long, replies)
                    .await
            }
        };
        self.held.broken = match &replies {
            Ok(replies) => {
                let mut errors = replies.iter().filter_map(|reply| reply.as_ref().err());
                errors.any(|error| self.heed(error))
            }
            Err(error) => self.heed(error),
        };
        replies
    }

    /// Whether nothing more is to be had here after such an error.
    fn heed(&self, error: &RedisError) -> bool {
        if error.is_timeout() {
            self.node.falls_silent();
        }
        let is_elsewhere = match &self.of {
            Some((cluster, _)) => cluster.heed(error, &self.node),
            None => false,
        };
        self.held.heed(error) || is_elsewhere
    }

    /// It has failed, or leads to a server that is no longer the one to ask.
    pub(crate) fn is_broken(&self) -> bool {
        self.held.is_broken()
    }

    /// The server that it leads to.
    pub(crate) fn node(&self) -> Arc<Node> {
        Arc::clone(&self.node)
    }

    /// Replaces it by a new one, also where others are idle: what broke this
    /// one has probably broken them.
    pub(crate) async fn renew(&mut self) -> RedisResult<()> {
        if let Some((cluster, slot)) = &self.of {
            let owner = cluster.owner(*slot)?;
            if !Arc::ptr_eq(&owner, &self.node) {
                (self.held, self.node) = (owner.durable().await?, owner);
                return Ok(());
            }
        }
        *self.held = self.held.manager.connect().await?;
        Ok(())
    }

    /// How its store flushes, as it was found not longer ago than this.
    pub(crate) fn flushing(&self, at_most: Duration) -> Option<Flushing> {
        let (found, flushing) = self.held.flushing?;
        (found.elapsed() < at_most).then_some(flushing)
    }

    pub(crate) fn found_flushing(&mut self, flushing: Flushing) {
        self.held.flushing = Some((Instant::now(), flushing));
    }
}

/// How a store brings what is written to its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushing {
    /// Before each answer.
    Always,
    /// By itself; `WAITAOF` tells when it has.
    Told,
}

pub(crate) struct Connection {
    manager: Manager,
    connection: MultiplexedConnection,
    broken: bool,
    /// Of the source, when it was made.
    epoch: u64,
    flushing: Option<(Instant, Flushing)>,
}

impl Connection {
    /// Whether nothing more can come after such an error.
    fn heed(&self, error: &RedisError) -> bool {
        self.manager.source.heed(error, self.epoch);
        error.is_io_error()
    }

    fn is_broken(&self) -> bool {
        self.broken || self.epoch != self.manager.source.epoch()
    }
}

#[derive(Clone)]
pub(crate) struct Manager {
    source: Arc<Source>,
    response: Duration,
}

impl bb8::ManageConnection for Manager {
    type Connection = Connection;
    type Error = RedisError;

    async fn connect(&self) -> RedisResult<Connection> {
        // The default of 500 ms would cut every blocking read short.
        let epoch = self.source.epoch();
        let connection = self.source.connect(&within(self.response)).await?;
        Ok(Connection {
            manager: self.clone(),
            connection,
            broken: false,
            epoch,
            flushing: None,
        })
    }

    async fn is_valid(&self, held: &mut Connection) -> RedisResult<()> {
        ::redis::cmd("PING").query_async(&mut held.connection).await
    }

    fn has_broken(&self, held: &mut Connection) -> bool {
        held.is_broken()
    }
}
