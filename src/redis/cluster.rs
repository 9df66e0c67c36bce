//! A Redis Cluster: which server owns which slot, and where to go when one moves.
//!
//! `topology` reads who owns what. A command goes to the owner of its key; an
//! answer that proves that nothing was done, such as `MOVED`, is followed for a
//! while. An answer that leaves it open is for the caller to judge: only that
//! knows whether its command may be sent twice.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerError, ServerErrorKind,
};

use super::ask::ask_each;
use super::node::Node;
pub(crate) use super::slot::Slot;
use super::topology::{Address, Common, Topology};

/// How long a command follows a slot that moves, or waits for a cluster that
/// finds its feet again, before its caller hears of it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Redirections that are followed at once; later ones after a pause.
const AT_ONCE: u32 = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// A server that has not answered for so long may have been replaced.
const SILENT: Duration = Duration::from_millis(500);
/// The owners are asked for at most so often.
const REFRESH_EVERY: Duration = Duration::from_millis(50);

/// The servers of a cluster.
pub(crate) struct Cluster {
    topology: RwLock<Arc<Topology>>,
    /// The servers of the URL: they are asked where no owner answers.
    seeds: Vec<Arc<Node>>,
    refreshing: AtomicBool,
}

/// What an error says about where to go.
enum Course {
    /// To the present owner, at once.
    Again,
    /// To this server for once, which is about to own the slot.
    Ask(Address),
    /// To the owner, after a pause.
    Later,
    /// Nowhere: the command may have been done, or is at fault itself.
    Stay,
}

/// How soon an answer should be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Short,
    /// The command blocks.
    Long,
}

/// What goes to the owner of a slot.
#[derive(Clone, Copy)]
enum Sent<'a> {
    Command(&'a Cmd),
    Together(&'a Pipeline),
}

impl Sent<'_> {
    /// `asking` when the server is about to own the slot.
    async fn send<T: FromRedisValue>(self, node: &Node, asking: bool) -> RedisResult<T> {
        match self {
            Self::Command(command) if asking => {
                let mut both = ::redis::pipe();
                both.cmd("ASKING").ignore().add_command(command.clone());
                let (reply,): (T,) = node.pipeline(&both).await?;
                Ok(reply)
            }
            Self::Command(command) => node.query(command).await,
            // `asking` counts for one command: several wait until the slot has arrived.
            Self::Together(commands) => node.pipeline(commands).await,
        }
    }
}

impl Cluster {
    /// Asks the servers of a URL who owns what.
    pub(super) async fn open(common: &Common, seeds: Vec<Arc<Node>>) -> RedisResult<Arc<Self>> {
        let ranges = ask_each(&seeds).await?;
        let found = Topology::new(common.clone()).renewed(ranges, Instant::now())?;
        Ok(Arc::new(Self {
            topology: RwLock::new(Arc::new(found)),
            seeds,
            refreshing: AtomicBool::new(false),
        }))
    }

    fn topology(&self) -> Arc<Topology> {
        let topology = self.topology.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&topology)
    }

    /// The server that owns a slot.
    pub(crate) fn owner(self: &Arc<Self>, slot: Slot) -> RedisResult<Arc<Node>> {
        self.topology().owner(slot).ok_or_else(|| {
            self.refresh_soon();
            let down = ErrorKind::Server(ServerErrorKind::ClusterDown);
            RedisError::from((down, "nobody serves the slot"))
        })
    }

    /// All servers that own slots.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        self.topology().nodes()
    }

    /// Sends a command to the owner of its key, or one without keys to any server.
    pub(super) async fn query<T: FromRedisValue>(
        self: &Arc<Self>,
        command: &Cmd,
    ) -> RedisResult<T> {
        self.follow(Slot::of_command(command), Sent::Command(command))
            .await
    }

    /// Sends a command without keys to the owner of a slot.
    pub(super) async fn query_at<T: FromRedisValue>(
        self: &Arc<Self>,
        slot: Slot,
        command: &Cmd,
    ) -> RedisResult<T> {
        self.follow(Some(slot), Sent::Command(command)).await
    }

    /// Sends commands on keys of one slot together.
    pub(super) async fn pipeline<T: FromRedisValue>(
        self: &Arc<Self>,
        commands: &Pipeline,
    ) -> RedisResult<T> {
        let slot = commands.cmd_iter().next().and_then(Slot::of_command);
        self.follow(slot, Sent::Together(commands)).await
    }

    async fn follow<T: FromRedisValue>(
        self: &Arc<Self>,
        slot: Option<Slot>,
        what: Sent<'_>,
    ) -> RedisResult<T> {
        let deadline = Instant::now() + PATIENCE;
        let (mut asked, mut turns) = (None, 0);
        loop {
            let sent = match self.next_node(slot, asked.as_ref()) {
                Ok(node) => {
                    let sent = what.send(&node, asked.is_some());
                    let sent = self.unless_gone(&node, Patience::Short, sent).await;
                    sent.map_err(|error| (error, Some(node)))
                }
                Err(error) => Err((error, None)),
            };
            let (error, node) = match sent {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            turns += 1;
            asked = None;
            let pause = match self.course(&error, node.as_ref()) {
                Course::Stay => return Err(error),
                _ if Instant::now() >= deadline => return Err(error),
                Course::Later => PAUSE,
                Course::Ask(address) => {
                    asked = Some(address);
                    pause_before(turns)
                }
                Course::Again => pause_before(turns),
            };
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Waits for an answer of a server while that is a part of the cluster; asks
    /// now and then whether it still is, and whether the server answers at all,
    /// where an answer should be there by now.
    pub(super) async fn unless_gone<T>(
        self: &Arc<Self>,
        node: &Node,
        soon: Patience,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> RedisResult<T> {
        let mut epochs = node.epochs();
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                _ = epochs.changed() => {
                    let gone = "the server has no part in the cluster any more";
                    return Err(RedisError::from((ErrorKind::Io, gone)));
                }
                () = tokio::time::sleep(SILENT), if soon == Patience::Short => {
                    node.ask_after();
                    self.refresh_soon();
                }
            }
        }
    }

    fn next_node(
        self: &Arc<Self>,
        slot: Option<Slot>,
        asked: Option<&Address>,
    ) -> RedisResult<Arc<Node>> {
        if let Some(address) = asked {
            return self.node_at(address);
        }
        match slot {
            Some(slot) => self.owner(slot),
            None => self.any(),
        }
    }

    /// Some server: each in its turn, so that one which is silent is not asked for ever.
    fn any(&self) -> RedisResult<Arc<Node>> {
        let nodes = self.nodes();
        let at = rand::random_range(0..nodes.len().max(1));
        let nobody = || RedisError::from((ErrorKind::Io, "the cluster has no servers"));
        nodes.into_iter().nth(at).ok_or_else(nobody)
    }

    fn node_at(&self, address: &Address) -> RedisResult<Arc<Node>> {
        let mut topology = self
            .topology
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let (found, node) = topology.with(address)?;
        *topology = Arc::new(found);
        Ok(node)
    }

    /// Looks at the error of a connection to this server. Returns whether the
    /// slot that it was used for is elsewhere now.
    pub(super) fn heed(self: &Arc<Self>, error: &RedisError, node: &Arc<Node>) -> bool {
        matches!(
            self.course(error, Some(node)),
            Course::Again | Course::Ask(_) | Course::Later
        )
    }

    fn course(self: &Arc<Self>, error: &RedisError, node: Option<&Arc<Node>>) -> Course {
        if error.is_io_error() {
            // The server may be dead: then somebody else is about to own its slots.
            self.refresh_soon();
            return Course::Stay;
        }
        let Some((kind, detail)) = told(error) else {
            return Course::Stay;
        };
        let redirect = || {
            let mut words = detail.as_deref()?.split_ascii_whitespace();
            let slot = words.next()?.parse().ok()?;
            let address = Address::parse(words.next()?, node?.address())?;
            Some((Slot(slot), address))
        };
        match kind {
            ServerErrorKind::Moved => {
                self.refresh_soon();
                match redirect() {
                    Some((slot, address)) if self.moved(slot, &address).is_ok() => Course::Again,
                    _ => Course::Later,
                }
            }
            ServerErrorKind::Ask => {
                redirect().map_or(Course::Later, |(_, address)| Course::Ask(address))
            }
            ServerErrorKind::TryAgain => Course::Later,
            ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly => {
                self.refresh_soon();
                Course::Later
            }
            _ => Course::Stay,
        }
    }

    /// Takes in that a slot has another owner, until all owners are asked for.
    fn moved(&self, slot: Slot, address: &Address) -> RedisResult<()> {
        let mut topology = self
            .topology
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let (mut found, owner) = topology.with(address)?;
        found.set_owner(slot, owner);
        *topology = Arc::new(found);
        Ok(())
    }

    /// Asks for the owners of all slots, unless somebody does so already.
    pub(super) fn refresh_soon(self: &Arc<Self>) {
        if self.refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = cluster.refresh().await {
                tracing::debug!(%error, "nobody says who owns the slots");
            }
            tokio::time::sleep(REFRESH_EVERY).await;
            cluster.refreshing.store(false, Ordering::Release);
        });
    }

    async fn refresh(&self) -> RedisResult<()> {
        let mut asked = self.nodes();
        // A dead server must not be asked first time after time.
        let first = rand::random_range(0..asked.len().max(1));
        asked.rotate_left(first);
        let ranges = match ask_each(&asked).await {
            Ok(ranges) => ranges,
            Err(_) => ask_each(&self.seeds).await?,
        };
        let mut topology = self
            .topology
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Of what is known by now: servers may have been named since it was asked.
        let found = topology.renewed(ranges, Instant::now())?;
        let gone = topology.nodes_without(&found);
        *topology = Arc::new(found);
        drop(topology);
        for node in gone {
            tracing::info!(node = %node.address(), "a server of the cluster owns no slots any more");
            node.leave();
        }
        Ok(())
    }
}

/// Before a redirection is followed.
const fn pause_before(turn: u32) -> Duration {
    if turn <= AT_ONCE {
        Duration::ZERO
    } else {
        PAUSE
    }
}

/// What a server said: also where it said it of one command of several.
fn told(error: &RedisError) -> Option<(ServerErrorKind, Option<String>)> {
    let Some(all) = error.clone().into_server_errors() else {
        let ErrorKind::Server(kind) = error.kind() else {
            return None;
        };
        return Some((kind, error.detail().map(ToOwned::to_owned)));
    };
    all.iter().find_map(|(_, error): &(usize, ServerError)| {
        let kind = error
            .kind()
            .filter(|kind| *kind != ServerErrorKind::ExecAbort)?;
        Some((kind, error.details().map(ToOwned::to_owned)))
    })
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
