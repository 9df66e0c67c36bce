//! For tests: a redis-server child process, queues of their own on it, and a
//! proxy that answers with errors.

mod cluster;
mod faults;
pub mod fuzz;
mod lost;
mod redis;
mod sentinels;
mod tls;
mod users;

use std::fmt::Write as _;
use std::future::Future;
use std::ops::Deref;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::job::{Namespace, QueueName};
use crate::keys;
use crate::queue::{JobQueue, QueueConfig};
use crate::redis::RedisAccess;

pub use cluster::{MASTERS, TestCluster, id_in, key_of, key_of_part, server_of, start_tls_cluster};
pub use faults::{Fault, FaultyRedis};
pub use lost::LostMaster;
pub use redis::{TestRedis, redis_server};
pub use sentinels::TestSentinels;
pub use tls::TestAuthority;
pub use users::TestUsers;

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A namespace of a test's own, on one server that all tests of a process share.
#[derive(Debug)]
pub struct TestQueue {
    queue: JobQueue,
}

impl TestQueue {
    /// A fresh namespace.
    ///
    /// # Panics
    /// When the shared server can not be started.
    #[must_use]
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A fresh namespace with other rules.
    ///
    /// # Panics
    /// When the shared server can not be started.
    #[must_use]
    pub fn with(change: impl FnOnce(&mut QueueConfig)) -> Self {
        let mut config = QueueConfig {
            redis_url: shared_redis(),
            namespace: fresh_namespace(),
            ..QueueConfig::default()
        };
        if let Some(user) = test_user() {
            config.redis_access = users().access(user);
        }
        change(&mut config);
        Self {
            queue: JobQueue::open(config).expect("a valid configuration"),
        }
    }

    /// Ends the test: the whole state must make sense.
    ///
    /// # Panics
    /// With the problems that the audit found.
    pub async fn close(self) {
        // With all rights: a user of Redis may not look at everything.
        let judge = JobQueue::open(QueueConfig {
            redis_access: RedisAccess::default(),
            ..self.queue.config().clone()
        });
        assert_sound(&judge.expect("a valid configuration")).await;
    }
}

impl Default for TestQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for TestQueue {
    type Target = JobQueue;
    fn deref(&self) -> &JobQueue {
        &self.queue
    }
}

/// The key of a part of a queue; what all its keys begin with, for no part.
#[must_use]
pub fn queue_key(namespace: &Namespace, queue: &QueueName, part: &str) -> String {
    keys::of_queue(namespace, queue, part)
}

/// The key of a part of a namespace that belongs to no queue.
#[must_use]
pub fn namespace_key(namespace: &Namespace, part: &str) -> String {
    keys::of_namespace(namespace, part)
}

/// A namespace nobody else uses.
///
/// # Panics
/// Never: the spelling is fixed.
#[must_use]
pub fn fresh_namespace() -> Namespace {
    Namespace::new(format!("t-{}", uuid::Uuid::now_v7().simple())).expect("well spelled")
}

/// Fails with what an audit finds.
///
/// # Panics
/// With the problems that the audit found.
pub async fn assert_sound(queue: &JobQueue) {
    let report = queue.audit().await.expect("the audit can read the store");
    let problems = report
        .problems
        .iter()
        .fold(String::new(), |mut all, problem| {
            let _infallible = writeln!(all, "  {problem}");
            all
        });
    assert!(
        report.problems.is_empty(),
        "audit of {} jobs:\n{problems}",
        report.jobs
    );
}

/// Asks again and again until the answer is there.
///
/// # Panics
/// After [`PATIENCE`], naming what was waited for.
pub async fn wait_for<T, F, Fut>(what: &str, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One store for all tests of this process: a server, or a cluster where the
/// variable `JOBFLOW_TEST_STORE` says `cluster`.
fn shared_redis() -> String {
    static SHARED: OnceLock<TestRedis> = OnceLock::new();
    match std::env::var("JOBFLOW_TEST_STORE").as_deref() {
        Ok("cluster") => TestCluster::shared().servers()[0].url(),
        Ok(other) => panic!("JOBFLOW_TEST_STORE={other} is no store of tests"),
        Err(_) => {
            let redis = SHARED.get_or_init(|| {
                let redis = match test_user() {
                    None => TestRedis::start(),
                    Some(_) => users().start(&["--save", "", "--appendonly", "no"]),
                };
                guard(&redis);
                redis
            });
            redis.url()
        }
    }
}

/// The user of `packaging/redis/users.acl` as whom the tests use the store, where
/// the variable `JOBFLOW_TEST_USER` names one.
fn test_user() -> Option<&'static str> {
    static USER: OnceLock<Option<String>> = OnceLock::new();
    let user = USER.get_or_init(|| std::env::var("JOBFLOW_TEST_USER").ok());
    user.as_deref()
}

fn users() -> &'static TestUsers {
    static USERS: OnceLock<TestUsers> = OnceLock::new();
    USERS.get_or_init(TestUsers::packaged)
}

/// Statics are never dropped, so a shell ends a shared server when this
/// process has gone.
#[expect(
    clippy::zombie_processes,
    reason = "the shell outlives this process by design"
)]
fn guard(redis: &TestRedis) {
    let (pid, me) = (redis.pid(), std::process::id());
    let guard =
        format!("while kill -0 {me} 2>/dev/null; do sleep 1; done; kill -9 {pid}; rm -rf \"$0\"");
    Command::new("sh")
        .args(["-c", &guard])
        .arg(redis.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh runs");
}
