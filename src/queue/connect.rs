//! The handle on a namespace of queues.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::LAYOUT_VERSION;
use crate::coalesce::PerServer;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::job::{JobId, QueueName, StoreTime};
use crate::keys::{self, QueueKeys};
use crate::partition::Partition;
use crate::queue::StoreInfo;
use crate::queue::bell::{self, Bell};
use crate::queue::config::QueueConfig;
use crate::queue::finish::{self, PreparedFinish};
use crate::queue::info::Info;
use crate::queue::partitions::Spreads;
use crate::queue::report::{self, PreparedReport};
use crate::queue::submit::{self, Prepared, Submitted};
use crate::redis::{Address, Node, Store};
use crate::state::JobState;

/// How long a queue counts as registered before it is said again: a store
/// that came back empty learns of its queues within this time.
const REGISTER_EVERY: Duration = Duration::from_secs(10);
/// How long that may take, and when it is tried again where it failed.
const SAY_AGAIN_WITHIN: Duration = Duration::from_millis(250);
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long a server of a cluster may take to say whether it can be trusted, and that
/// of the namespace after that: the others are there, and calls may wait for both.
const ANSWER_WITHIN: Duration = Duration::from_millis(750);

/// The queues of one namespace. Cloning is cheap and shares the connections.
///
/// ```no_run
/// use jobflow::{JobQueue, NewJob};
///
/// # async fn example() -> jobflow::Result<()> {
/// let queue = JobQueue::connect("redis://127.0.0.1:6379/").await?;
/// let submitted = queue.submit(NewJob::new("send_email", r#"{"to":"user@example.com"}"#)?).await?;
/// println!("{} is {}", submitted.id, submitted.state);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct JobQueue {
    pub(crate) core: Arc<Core>,
    pub(crate) batches: Arc<Batches>,
}

/// Calls that travel together. The tasks that send them end with the last handle.
pub(crate) struct Batches {
    /// One for each durability: a class that waits must not hold up the others.
    pub(crate) submits: [PerServer<Prepared, Submitted>; Durability::ALL.len()],
    pub(crate) finishes: PerServer<PreparedFinish, JobState>,
    pub(crate) reports: PerServer<PreparedReport, ()>,
}

/// What every verb needs; apart from [`JobQueue`] so that its batching tasks
/// can hold it without keeping themselves alive.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) config: QueueConfig,
    /// This process has just started a bulk operation.
    pub(crate) bulk_started: Notify,
    /// How the queues are spread, as far as this process knows.
    pub(crate) spreads: Spreads,
    pub(crate) bell: Bell,
    queues: Mutex<HashMap<Partition, Registration>>,
}

struct Registration {
    keys: Arc<QueueKeys>,
    said: Option<Instant>,
    /// The durability of the queue as a submit last found it.
    durability: Option<Durability>,
}

impl JobQueue {
    /// Prepares a handle. Touches no network, so it succeeds while the store is
    /// down; calls then answer `STORE_UNAVAILABLE` until it is up.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a URL that is none, or a number out of its range.
    pub fn open(config: QueueConfig) -> Result<Self> {
        config.check()?;
        let store = Store::open(
            &config.redis_url,
            &config.redis_access,
            config.durability_timeout,
        )?;
        let (bell, rings) = bell::new();
        let core = Arc::new(Core {
            store,
            config,
            bulk_started: Notify::new(),
            spreads: Spreads::default(),
            bell,
            queues: Mutex::default(),
        });
        tokio::spawn(bell::ring_for_ever(Arc::downgrade(&core), rings));
        let [for_finishes, for_reports] = [(); 2].map(|()| Arc::clone(&core));
        let submits = Durability::ALL.map(|_| {
            let core = Arc::clone(&core);
            PerServer::start(move |jobs| submit::send(Arc::clone(&core), jobs))
        });
        let batches = Arc::new(Batches {
            submits,
            finishes: PerServer::start(move |ends| finish::send(Arc::clone(&for_finishes), ends)),
            reports: PerServer::start(move |said| report::send(Arc::clone(&for_reports), said)),
        });
        Ok(Self { core, batches })
    }

    /// Connects to the namespace `default` and checks the store.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` when it does not answer, `STORE_UNSAFE` when it may
    /// throw jobs away.
    pub async fn connect(url: &str) -> Result<Self> {
        let queue = Self::open(QueueConfig {
            redis_url: url.to_owned(),
            ..QueueConfig::default()
        })?;
        queue.check_store().await?;
        Ok(queue)
    }

    /// How this handle was set up.
    #[must_use]
    pub fn config(&self) -> &QueueConfig {
        &self.core.config
    }

    /// Asks the store whether it can be trusted with jobs.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` when it does not answer, `STORE_UNSAFE` when its
    /// eviction policy could delete jobs and the configuration does not allow that,
    /// or when the namespace is of another layout.
    pub async fn check_store(&self) -> Result<StoreInfo> {
        self.check_store_with(&["GET"]).await
    }

    /// The same, and whether it takes writes, by one that changes nothing: a
    /// replica, or a store whose disk is full, answers everything but that.
    ///
    /// # Errors
    /// As [`check_store`](Self::check_store), and `STORE_READ_ONLY` or
    /// `STORE_UNAVAILABLE` where the store refuses to write.
    pub async fn check_writable_store(&self) -> Result<StoreInfo> {
        self.check_store_with(&["GETEX", "PERSIST"]).await
    }

    /// Reads the mark of the layout with a command and its option.
    async fn check_store_with(&self, read: &[&str]) -> Result<StoreInfo> {
        let nodes = self.core.store.nodes().await?;
        let is_cluster = nodes.len() > 1;
        let limit = if is_cluster {
            ANSWER_WITHIN
        } else {
            Duration::MAX
        };
        let asked = nodes.iter().map(|node| timeout(limit, self.ask(node)));
        let mut found = Err(Error::StoreUnavailable);
        for answer in join_all(asked).await {
            found = match (found, answer.unwrap_or(Err(Error::StoreUnavailable))) {
                (_, Err(error @ Error::StoreUnsafe { .. })) => return Err(error),
                (Ok(others), Ok(info)) => Ok(others.and(&info)),
                // The rest of a cluster works without this server.
                (Ok(info), Err(_)) | (Err(_), Ok(info)) => Ok(info),
                (Err(_), Err(error)) => Err(error),
            };
        }
        let found = found?;
        let marked = timeout(limit, self.core.check_layout(read)).await;
        match marked.unwrap_or(Err(Error::StoreUnavailable)) {
            // As above: the server with the mark is not the only one.
            Err(error) if !(is_cluster && error.is_transient()) => Err(error),
            _ => Ok(found),
        }
    }

    /// What a server of the store says of itself.
    async fn ask(&self, node: &Node) -> Result<StoreInfo> {
        let asked = Instant::now();
        // `INFO` tells the policy even where `CONFIG` is not allowed.
        let info = Info::read(&self.core, node).await?;
        let policy = info.text("maxmemory_policy");
        if !policy.is_empty() && policy != "noeviction" && !self.core.config.allow_eviction {
            let policy = policy.to_owned();
            return Err(Error::StoreUnsafe { policy });
        }
        Ok(StoreInfo::read(&info, asked.elapsed()))
    }

    /// The queues that were ever submitted to or worked on, by name.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn queues(&self) -> Result<Vec<QueueName>> {
        let mut all = self.core.known_partitions().await?;
        all.dedup_by(|a, b| a.queue() == b.queue());
        Ok(all.iter().map(|part| part.queue().clone()).collect())
    }

    /// All partitions of all queues, by queue and number.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn all_partitions(&self) -> Result<Vec<Partition>> {
        self.core.known_partitions().await
    }
}

impl Core {
    /// The keys of a partition.
    pub(crate) fn keys(&self, part: &Partition) -> Arc<QueueKeys> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registration) = queues.get(part) {
            return Arc::clone(&registration.keys);
        }
        let keys = Arc::new(QueueKeys::new(&self.config.namespace, part));
        queues.insert(
            part.clone(),
            Registration {
                keys: Arc::clone(&keys),
                said: None,
                durability: None,
            },
        );
        keys
    }

    /// The server of a partition, where several are known to share the store.
    pub(crate) fn server_of(&self, queue: &QueueName, id: JobId) -> Option<Address> {
        self.store
            .server_of(|| self.keys(&Partition::of(queue, id)).config().to_owned())
    }

    /// Compares the mark of the namespace with the layout of this version, or makes one.
    async fn check_layout(&self, read: &[&str]) -> Result<()> {
        let key = keys::layout(&self.config.namespace);
        let mut get = ::redis::cmd(read[0]);
        get.arg(&key).arg(&read[1..]);
        let mut mark: Option<String> = self.store.run(&get).await?;
        if mark.is_none() {
            let mut set = ::redis::cmd("SET");
            set.arg(&key).arg(LAYOUT_VERSION).arg("NX");
            // A store that is full or read-only is marked by a later check.
            let _unmarked: Result<Option<String>> = self.store.run(&set).await;
            // Of several that began at once, the first has marked it.
            mark = self.store.run(&get).await?;
        }
        // What is no number is the mark of no version that there is.
        let found = mark.map(|mark| mark.parse().unwrap_or(0));
        match found {
            Some(found) if found != u32::from(LAYOUT_VERSION) => Err(Error::LayoutMismatch {
                found,
                own: LAYOUT_VERSION,
            }),
            _ => Ok(()),
        }
    }

    /// Makes a queue known before its first job is stored, so that none is
    /// ever in a queue nobody looks at. Whoever adds partitions makes them known;
    /// they are said again with the first one.
    pub(crate) async fn register(&self, queue: &Partition) -> Result<Arc<QueueKeys>> {
        let keys = self.keys(queue);
        if queue.number() > 0 {
            return Ok(keys);
        }
        let said = {
            let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.get(queue).and_then(|registration| registration.said)
        };
        let Some(said) = said else {
            return match self.say(queue).await {
                // A full store refuses this even for a queue it knows. Claims must go
                // on, or it would never drain; a submit is refused by its script.
                Ok(()) | Err(Error::StoreOutOfMemory) => Ok(keys),
                Err(error) => Err(error),
            };
        };
        if said.elapsed() >= REGISTER_EVERY {
            // In a cluster the list may be on a server that has gone, and the
            // queue on one that has not: it is known, and goes on.
            let again = timeout(SAY_AGAIN_WITHIN, self.say(queue)).await;
            if !matches!(again, Ok(Ok(()))) {
                let soon = REGISTER_EVERY.saturating_sub(SAY_AGAIN_AFTER);
                self.said(queue, Instant::now().checked_sub(soon).unwrap_or(said));
            }
        }
        Ok(keys)
    }

    /// Says that there is such a partition; of a first one, that there are all that
    /// are known of its queue.
    pub(crate) async fn say(&self, queue: &Partition) -> Result<()> {
        let set = keys::queues(&self.config.namespace);
        let mut add = ::redis::cmd("SADD");
        add.arg(set).arg(queue.to_string());
        if queue.number() == 0 {
            let parts = self.spreads.of(queue.queue()).partitions(queue.queue());
            parts[1..].iter().for_each(|part| {
                add.arg(part.to_string());
            });
        }
        self.store.run::<()>(&add).await?;
        crate::failpoint!("register.listed");
        self.said(queue, Instant::now());
        Ok(())
    }

    fn said(&self, queue: &Partition, at: Instant) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registration) = queues.get_mut(queue) {
            registration.said = Some(at);
        }
    }

    /// The durability of a partition as a submit last found it. The script of a
    /// submit refuses one that goes by an older one.
    pub(crate) fn durability_of(&self, queue: &Partition) -> Option<Durability> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.get(queue)?.durability
    }

    pub(crate) fn found_durability(&self, queue: &Partition, found: Option<Durability>) {
        self.keys(queue);
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registration) = queues.get_mut(queue) {
            registration.durability = found;
        }
    }

    /// The next submit or claim says again that there is such a queue.
    pub(crate) fn forget_queue(&self, queue: &Partition) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.remove(queue);
    }

    /// The time by the clock of what belongs to no queue. In a cluster each
    /// server has a clock: times of a queue are not to be compared with it.
    pub(crate) async fn now(&self) -> Result<StoreTime> {
        let key = keys::queues(&self.config.namespace);
        self.store.now(&key).await
    }

    pub(crate) async fn known_partitions(&self) -> Result<Vec<Partition>> {
        let set = keys::queues(&self.config.namespace);
        let names: Vec<String> = self.store.run(::redis::cmd("SMEMBERS").arg(set)).await?;
        // A name that is none can only be somebody else's; it is no queue of ours.
        let mut queues: Vec<_> = names
            .into_iter()
            .filter_map(|name| Partition::parse(&name).ok())
            .collect();
        queues.sort_unstable();
        Ok(queues)
    }
}

impl fmt::Debug for JobQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue")
            .field("namespace", &self.core.config.namespace)
            .finish_non_exhaustive()
    }
}
