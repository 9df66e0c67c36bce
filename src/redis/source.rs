//! Where a server is: at a fixed address, or where sentinels say the master is.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError,
    RedisResult, Role, ServerErrorKind, TlsMode,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::timeout;

use super::access::Login;
use super::credentials::{Credentials, not_connected};
use super::subscription::Subscription;
use super::url::tcp;
use crate::error::Result;

/// How long all sentinels together have to name a master.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);
/// What sentinels publish when another server has become the master.
const SWITCHED: &str = "+switch-master";
/// After a sentinel could not be listened to.
const NEXT_SENTINEL_AFTER: Duration = Duration::from_secs(1);
/// Connections are given up for a refused write at most so often: a store that
/// is read-only for good is not to be connected to without end.
const DISTRUST_EVERY: Duration = Duration::from_secs(1);

/// Makes connections, and knows when those made before lead elsewhere by now.
pub(crate) struct Source {
    way: Way,
    login: Arc<Login>,
    /// Counts how often the master has changed. A connection of an older epoch
    /// is not used again.
    epoch: watch::Sender<u64>,
    distrusted: Mutex<Option<Instant>>,
}

enum Way {
    Fixed(Box<ConnectionInfo>),
    Sentinels {
        sentinels: Vec<ConnectionInfo>,
        master: String,
        /// How the master is spoken to, wherever it is.
        node: Box<ConnectionInfo>,
    },
}

impl Source {
    /// A server at this place, unless it must not be logged in to there.
    pub(super) fn at(info: ConnectionInfo, login: Arc<Login>) -> Result<Arc<Self>> {
        login.last().server(info.clone())?;
        Ok(Arc::new(Self {
            way: Way::Fixed(Box::new(info)),
            login,
            epoch: watch::Sender::new(0),
            distrusted: Mutex::default(),
        }))
    }

    /// The master that sentinels name. Touches no network before it returns.
    pub(super) fn behind(
        sentinels: Vec<ConnectionInfo>,
        master: String,
        node: ConnectionInfo,
        login: Arc<Login>,
    ) -> Result<Arc<Self>> {
        let credentials = login.last();
        for sentinel in &sentinels {
            credentials.sentinel(sentinel.clone())?;
        }
        credentials.named_later(node.clone())?;
        let followed = (sentinels.clone(), master.clone(), Arc::clone(&login));
        let source = Arc::new(Self {
            way: Way::Sentinels {
                sentinels,
                master,
                node: Box::new(node),
            },
            login,
            epoch: watch::Sender::new(0),
            distrusted: Mutex::default(),
        });
        let (sentinels, master, login) = followed;
        tokio::spawn(follow(Arc::downgrade(&source), sentinels, master, login));
        Ok(source)
    }

    /// The present epoch: to be asked before a connection is made, and again
    /// before it is used.
    pub(crate) fn epoch(&self) -> u64 {
        *self.epoch.borrow()
    }

    pub(super) fn epochs(&self) -> watch::Receiver<u64> {
        self.epoch.subscribe()
    }

    /// A connection to the store; behind sentinels, to a server that says itself
    /// that it is the master.
    pub(crate) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let client = self.client().await?;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(config)
            .await?;
        if matches!(self.way, Way::Sentinels { .. }) {
            let role: Role = ::redis::cmd("ROLE").query_async(&mut connection).await?;
            if !matches!(role, Role::Primary { .. }) {
                let read_only = ErrorKind::Server(ServerErrorKind::ReadOnly);
                return Err((read_only, "the server is no master any more").into());
            }
        }
        Ok(connection)
    }

    pub(super) async fn subscribe(&self) -> RedisResult<PubSub> {
        self.client().await?.get_async_pubsub().await
    }

    async fn client(&self) -> RedisResult<Client> {
        // Boxed, as below.
        let credentials = Box::pin(self.login.present()).await;
        let (ask, master) = match &self.way {
            Way::Fixed(info) => {
                let info = credentials.server(info.as_ref().clone());
                return Client::open(info.map_err(|error| not_connected(&error))?);
            }
            Way::Sentinels {
                sentinels,
                master,
                node,
            } => (ask(sentinels, master, node, &credentials)?, master),
        };
        // Boxed as any future: its type is deep, and would be in that of every call.
        let found: BoxFuture<'_, RedisResult<Client>> =
            Box::pin(async move { ask.build()?.async_get_client().await });
        let silent = || RedisError::from((ErrorKind::Io, "no sentinel names a master"));
        let found = timeout(RESOLVE_TIMEOUT, found).await;
        found.unwrap_or_else(|_| Err(silent())).map_err(|error| {
            tracing::debug!(%error, master, "no master");
            if error.is_io_error() { error } else { silent() }
        })
    }

    /// Looks at the error of a connection of this epoch: one that says that the
    /// server is no master ends the use of all of them.
    pub(crate) fn heed(&self, error: &RedisError, epoch: u64) {
        if !says_demoted(error) {
            return;
        }
        let mut distrusted = self
            .distrusted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if distrusted.is_none_or(|at| at.elapsed() >= DISTRUST_EVERY) {
            *distrusted = Some(Instant::now());
            drop(distrusted);
            self.end(epoch);
        }
    }

    /// Begins a new epoch unless somebody has done so.
    pub(super) fn end(&self, epoch: u64) {
        self.epoch.send_if_modified(|present| {
            let is_news = *present == epoch;
            *present += u64::from(is_news);
            is_news
        });
    }
}

/// Asks sentinels for the master, which is logged in to as a server like `node`.
fn ask(
    sentinels: &[ConnectionInfo],
    master: &str,
    node: &ConnectionInfo,
    credentials: &Credentials,
) -> RedisResult<SentinelClientBuilder> {
    let place = |sentinel: &ConnectionInfo| {
        let sentinel = credentials.sentinel(sentinel.clone())?;
        Ok(sentinel.addr().clone())
    };
    let places = sentinels.iter().map(place).collect::<Result<Vec<_>>>();
    let places = places.map_err(|error| not_connected(&error))?;
    let node = credentials.named_later(node.clone());
    let node = node.map_err(|error| not_connected(&error))?;
    let login = node.redis_settings();
    let mut ask = SentinelClientBuilder::new(places, master, SentinelServerType::Master)?
        .set_client_to_redis_db(login.db())
        .set_client_to_redis_tcp_settings(tcp())
        .set_client_to_sentinel_tcp_settings(tcp());
    if let Some(user) = login.username() {
        ask = ask.set_client_to_redis_username(user);
    }
    if let Some(password) = login.password() {
        ask = ask.set_client_to_redis_password(password);
    }
    if matches!(node.addr(), ConnectionAddr::TcpTls { .. }) {
        ask = ask.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = &credentials.certificates {
        ask = ask.set_client_to_redis_certificates(certificates.files.clone());
    }
    Ok(ask)
}

/// Whether an error is that of a server which has become a replica. Redis 6
/// wraps those of commands inside a script.
fn says_demoted(error: &RedisError) -> bool {
    let word = error.code().unwrap_or_default();
    matches!(word, "READONLY" | "UNBLOCKED" | "MASTERDOWN")
        || error.detail().unwrap_or_default().contains("-READONLY ")
}

/// Listens to one sentinel after the other for as long as the store is used.
async fn follow(
    source: Weak<Source>,
    sentinels: Vec<ConnectionInfo>,
    master: String,
    login: Arc<Login>,
) {
    let mut was_deaf = false;
    for sentinel in sentinels.iter().cycle() {
        if source.strong_count() == 0 {
            return;
        }
        // As the certificates are now.
        let heard = match login.present().await.sentinel(sentinel.clone()) {
            Ok(sentinel) => listen(&source, sentinel, &master, was_deaf).await,
            Err(error) => Err(not_connected(&error)),
        };
        if let Err(error) = heard {
            tracing::debug!(%error, "a sentinel can not be listened to");
        }
        was_deaf = true;
        tokio::time::sleep(NEXT_SENTINEL_AFTER).await;
    }
}

/// Returns when the sentinel has gone, or nobody uses the store any more.
async fn listen(
    source: &Weak<Source>,
    sentinel: ConnectionInfo,
    master: &str,
    was_deaf: bool,
) -> RedisResult<()> {
    let client = Client::open(sentinel)?;
    let mut messages = Subscription::start(client.get_async_pubsub(), SWITCHED, None).await?;
    if was_deaf {
        // The master may have changed while nobody listened.
        change(source);
    }
    while source.strong_count() > 0 {
        for message in messages.next().await? {
            // Name, old host and port, new host and port.
            let text = String::from_utf8_lossy(&message);
            if text.split(' ').next() == Some(master) {
                tracing::info!(master, "another server is the master now");
                change(source);
            }
        }
    }
    Ok(())
}

fn change(source: &Weak<Source>) {
    if let Some(source) = source.upgrade() {
        source.end(source.epoch());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::access::RedisAccess;
    use crate::redis::url::plain;

    #[test]
    fn an_epoch_ends_once_however_many_find_out() {
        let login = Login::read(&RedisAccess::default()).unwrap();
        let source = Source::at(plain("redis://127.0.0.1/").unwrap(), login).unwrap();
        let read_only = RedisError::from((ErrorKind::Server(ServerErrorKind::ReadOnly), "x"));
        let other = RedisError::from((ErrorKind::Server(ServerErrorKind::TryAgain), "x"));
        source.heed(&other, 0);
        assert_eq!(source.epoch(), 0);
        source.heed(&read_only, 0);
        assert_eq!(source.epoch(), 1);
        source.heed(&read_only, 0);
        // A store that stays read-only is not left again at once.
        source.heed(&read_only, 1);
        assert_eq!(source.epoch(), 1);
    }
}
