//! Connections to Redis. `node` has those to one server; behind them is a fixed
//! address or what sentinels name (`source`). `cluster` finds the server of a key
//! where there are several.

mod access;
mod ask;
mod cluster;
mod credentials;
mod exclusive;
mod node;
mod slot;
mod source;
mod subscription;
mod topology;
mod url;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{
    Cmd, ConnectionInfo, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
    ServerErrorKind,
};
use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::job::StoreTime;

use self::url::RedisUrl;
use access::Login;
pub use access::RedisAccess;
use cluster::{Cluster, Patience, Slot};
pub(crate) use exclusive::{Exclusive, Flushing};
pub(crate) use node::Node;
use source::Source;
pub(crate) use subscription::Subscription;
pub(crate) use topology::Address;
use topology::Common;

/// Longer than any script may take, shorter than a caller's patience. A call
/// that takes longer has an unknown end, and its socket is closed.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest block of a blocking read.
pub(crate) const BLOCK: Duration = Duration::from_secs(2);

/// The way to Redis of one process.
pub(crate) struct Store {
    /// The servers of the URL: the store itself, or some of a cluster.
    first: Vec<Arc<Node>>,
    found: OnceCell<Found>,
    look: Look,
}

/// How to find out what the URL leads to.
enum Look {
    /// One server, as sentinels watch over one.
    Single,
    /// Whatever the server at this place says of itself.
    Ask(Box<Common>),
    /// A cluster, as the URL says.
    Cluster(Box<Common>),
}

/// What the URL leads to.
enum Found {
    Single,
    Cluster(Arc<Cluster>),
}

/// The cluster of a server, and the slot for which it was chosen.
type Of = (Arc<Cluster>, Slot);

impl Store {
    /// Prepares the connections; touches no network before it returns. A submit
    /// waits for disk or replicas for up to `durable`.
    pub(crate) fn open(url: &str, access: &RedisAccess, durable: Duration) -> Result<Self> {
        let login = Login::read(access)?;
        let common = |info: ConnectionInfo| {
            Box::new(Common {
                info,
                login: Arc::clone(&login),
                durable,
            })
        };
        let node = |info: &ConnectionInfo| {
            let source = Source::at(info.clone(), Arc::clone(&login))?;
            let address = topology::Address::of(info);
            Ok(Node::new(source, address, durable))
        };
        let (first, look) = match RedisUrl::read(url)? {
            RedisUrl::Fixed(info) => (vec![node(&info)?], Look::Ask(common(*info))),
            RedisUrl::Cluster(seeds) => {
                let first = seeds.iter().map(node).collect::<Result<_>>()?;
                let info = seeds.into_iter().next().expect("a URL has a host");
                (first, Look::Cluster(common(info)))
            }
            RedisUrl::Sentinels {
                sentinels,
                master,
                node,
            } => {
                let address = topology::Address::of(&node);
                let source = Source::behind(sentinels, master, *node, Arc::clone(&login))?;
                let node = Node::new(source, address, durable);
                (vec![node], Look::Single)
            }
        };
        Ok(Self {
            first,
            found: OnceCell::new(),
            look,
        })
    }

    /// The cluster, where the store is one. The first call finds out.
    async fn cluster(&self) -> RedisResult<Option<&Arc<Cluster>>> {
        let found = match self.found.get() {
            Some(found) => found,
            // Boxed, as are the calls of a cluster: each call of a single store
            // would carry their size.
            None => Box::pin(self.found.get_or_try_init(|| self.find())).await?,
        };
        Ok(match found {
            Found::Single => None,
            Found::Cluster(cluster) => Some(cluster),
        })
    }

    async fn find(&self) -> RedisResult<Found> {
        let common = match &self.look {
            Look::Single => return Ok(Found::Single),
            Look::Cluster(common) => common,
            Look::Ask(common) => {
                let mut ask = ::redis::cmd("INFO");
                let said: RedisResult<String> = self.first[0].query(ask.arg("cluster")).await;
                match said {
                    Ok(said) if said.contains("cluster_enabled:1") => common,
                    // It was not asked at all; a login that is refused may be right soon.
                    Err(error) if is_unasked(&error) => return Err(error),
                    // One that does not want to tell is used as the server it is.
                    Ok(_) | Err(_) => return Ok(Found::Single),
                }
            }
        };
        let opened = Cluster::open(common, self.first.clone()).await;
        opened.map(Found::Cluster)
    }

    /// The server of a key; the slot matters in a cluster only.
    async fn node_of(&self, key: &str) -> RedisResult<(Arc<Node>, Option<Of>)> {
        let Some(cluster) = self.cluster().await? else {
            return Ok((Arc::clone(&self.first[0]), None));
        };
        let slot = Slot::of(key.as_bytes());
        let node = cluster.owner(slot)?;
        Ok((node, Some((Arc::clone(cluster), slot))))
    }

    /// All servers that hold a part of the store.
    pub(crate) async fn nodes(&self) -> Result<Vec<Arc<Node>>> {
        match self.cluster().await {
            Ok(Some(cluster)) => Ok(cluster.nodes()),
            Ok(None) => Ok(self.first.clone()),
            Err(error) => Err(self.fault(&error)),
        }
    }

    /// These keys by the slots that they share: one command can name the keys of
    /// one group. Without a cluster that is all of them.
    pub(crate) async fn by_slot<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> &str,
    ) -> Result<Vec<Vec<T>>> {
        let clustered = self.cluster().await.map_err(|error| self.fault(&error))?;
        let mut groups = BTreeMap::<_, Vec<T>>::new();
        for item in items {
            let slot = clustered.map(|_| Slot::of(key(&item).as_bytes()));
            groups.entry(slot).or_default().push(item);
        }
        Ok(groups.into_values().collect())
    }

    /// Items by the servers that have their keys now. One group where that is
    /// not known: whoever sends to it is told.
    pub(crate) async fn by_server<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> &str,
    ) -> Vec<Vec<T>> {
        let cluster = self.cluster().await.ok().flatten();
        let mut groups = BTreeMap::<_, Vec<T>>::new();
        for item in items {
            let server = cluster.and_then(|cluster| {
                let owner = cluster.owner(Slot::of(key(&item).as_bytes())).ok()?;
                Some(owner.address().clone())
            });
            groups.entry(server).or_default().push(item);
        }
        groups.into_values().collect()
    }

    /// The server that has a key, where several are known to share the store.
    pub(crate) fn server_of(&self, key: impl FnOnce() -> String) -> Option<Address> {
        let Some(Found::Cluster(cluster)) = self.found.get() else {
            return None;
        };
        let owner = cluster.owner(Slot::of(key().as_bytes())).ok()?;
        Some(owner.address().clone())
    }

    /// Whether keys are in slots of several servers.
    pub(crate) async fn is_cluster(&self) -> Result<bool> {
        let cluster = self.cluster().await.map_err(|error| self.fault(&error))?;
        Ok(cluster.is_some())
    }

    /// Sends a command that may be sent twice. A connection that broke while
    /// nobody used it is found out by the next command, which is not to blame.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        match self.query_once(command).await {
            Err(error) if error.is_connection_dropped() => self.query_once(command).await,
            reply => reply,
        }
    }

    /// Sends one command on the shared connection of the server that has its key.
    pub(crate) async fn query_once<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        match self.cluster().await? {
            None => self.first[0].query(command).await,
            Some(cluster) => Box::pin(cluster.query(command)).await,
        }
    }

    /// Sends one command and tells what went wrong as a caller may see it.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        self.query(command)
            .await
            .map_err(|error| self.fault(&error))
    }

    /// Sends one command to this server.
    pub(crate) async fn run_at<T: FromRedisValue>(&self, node: &Node, command: &Cmd) -> Result<T> {
        let reply = match node.query(command).await {
            Err(error) if error.is_connection_dropped() => node.query(command).await,
            reply => reply,
        };
        reply.map_err(|error| self.fault(&error))
    }

    /// Sends commands on keys of one slot together, outside a script.
    pub(crate) async fn run_pipeline(&self, pipeline: &Pipeline) -> Result<()> {
        let sent = async {
            match self.cluster().await? {
                None => self.first[0].pipeline(pipeline).await,
                Some(cluster) => Box::pin(cluster.pipeline(pipeline)).await,
            }
        };
        sent.await.map_err(|error| self.fault(&error))
    }

    /// The only clock that decides anything about what is stored under this key.
    pub(crate) async fn now(&self, key: &str) -> Result<StoreTime> {
        let told = match self.time(key).await {
            Err(error) if error.is_connection_dropped() => self.time(key).await,
            told => told,
        };
        let (seconds, micros) = told.map_err(|error| self.fault(&error))?;
        Ok(StoreTime(seconds * 1_000 + micros / 1_000))
    }

    async fn time(&self, key: &str) -> RedisResult<(u64, u64)> {
        let time = ::redis::cmd("TIME");
        match self.cluster().await? {
            None => self.first[0].query(&time).await,
            Some(cluster) => {
                let slot = Slot::of(key.as_bytes());
                Box::pin(cluster.query_at(slot, &time)).await
            }
        }
    }

    /// A connection that one caller owns, for blocking reads of keys in the slot of this one.
    pub(crate) async fn exclusive(&self, key: &str) -> Result<Exclusive> {
        let connected = async {
            let (node, of) = self.node_of(key).await?;
            let held = heeded(Box::pin(node.exclusive()), &node, of.as_ref()).await?;
            Ok(Exclusive::new(held, node, of))
        };
        connected.await.map_err(|error| self.fault(&error))
    }

    /// A connection that one submit owns while it waits for disk or replicas of
    /// the server that has this key.
    pub(crate) async fn durable(&self, key: &str) -> Result<Exclusive> {
        let connected = async {
            let (node, of) = self.node_of(key).await?;
            let held = heeded(Box::pin(node.durable()), &node, of.as_ref()).await?;
            Ok(Exclusive::new(held, node, of))
        };
        connected.await.map_err(|error| self.fault(&error))
    }

    /// A connection that hears what is published on one channel. A cluster
    /// carries what is published to all of its servers.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<Subscription> {
        let subscribed = async {
            let (node, of) = self.node_of(channel).await?;
            heeded(Box::pin(node.subscribe(channel)), &node, of.as_ref()).await
        };
        subscribed.await.map_err(|error| self.fault(&error))
    }

    /// What an error of Redis means to a caller. The words of Redis stay in the log.
    #[expect(clippy::unused_self, reason = "reads as a property of this store")]
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
        let is_moving = matches!(
            error.kind(),
            ErrorKind::Server(
                ServerErrorKind::Moved
                    | ServerErrorKind::Ask
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
            )
        );
        if matches!(fault, Error::StoreUnavailable) && !error.is_io_error() && !is_moving {
            tracing::warn!(%error, "unexpected answer from redis");
        }
        fault
    }
}

/// Whether a command has failed because there was no connection for it.
fn is_unasked(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Io | ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig
    )
}

/// For tests: reads a URL, and what `MOVED` says.
#[cfg(feature = "testing")]
pub(crate) fn read_url(text: &str) {
    if let Ok(RedisUrl::Fixed(info)) = RedisUrl::read(text) {
        let own = Address::of(&info);
        let _none = Address::parse(text, &own);
    }
}

/// For tests: reads what a server of a cluster answers to `CLUSTER SLOTS`.
#[cfg(feature = "testing")]
pub(crate) fn read_answer(bytes: &[u8]) {
    if let Ok(answer) = ::redis::parse_redis_value(bytes) {
        let info = url::plain("redis://127.0.0.1/").expect("a URL");
        let _none = topology::read_slots(answer, &Address::of(&info));
    }
}

/// Connects, and tells the cluster of a server that can not be connected to.
async fn heeded<T>(
    connecting: impl Future<Output = RedisResult<T>>,
    node: &Arc<Node>,
    of: Option<&Of>,
) -> RedisResult<T> {
    let Some((cluster, _)) = of else {
        return connecting.await;
    };
    let connected = cluster.unless_gone(node, Patience::Short, connecting).await;
    if let Err(error) = &connected {
        cluster.heed(error, node);
    }
    connected
}
