//! For tests: a redis-server child process, queues of their own on it, and a
//! proxy that answers with errors.

mod cluster;
mod sentinels;

use std::fmt::Write as _;
use std::future::Future;
use std::net::TcpListener;
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

mod faults;

pub use self::faults::{Fault, FaultyRedis};

use crate::job::Namespace;
use crate::queue::{JobQueue, QueueConfig};

pub use cluster::{MASTERS, TestCluster, key_of, server_of};
pub use sentinels::TestSentinels;

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A redis-server of a test's own, in its own folder. It ends with this value.
#[derive(Debug)]
pub struct TestRedis {
    folder: tempfile::TempDir,
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl TestRedis {
    /// Starts a server without persistence.
    ///
    /// # Panics
    /// When there is no redis-server to start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts a server that writes every command to disk before it answers.
    ///
    /// # Panics
    /// When there is no redis-server to start.
    #[must_use]
    pub fn start_durable() -> Self {
        Self::start_with(&[
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ])
    }

    /// Starts a server that copies this one, and waits until it does.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_replica(&self) -> Self {
        self.start_replica_through(self.port)
    }

    /// The same by way of another port, which leads to this one.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_replica_through(&self, port: u16) -> Self {
        // Else the copy begins five seconds later, in case there are more.
        let soon = self.cli(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
        assert_eq!(soon.trim(), "OK", "the delay can be set");
        let port = port.to_string();
        let replica = Self::start_with(&["--save", "", "--replicaof", "127.0.0.1", &port]);
        // Something to confirm: Redis sends a new replica nothing, `WAIT` included,
        // until that has spoken up by itself.
        let _nobody_listens = self.cli(&["PUBLISH", "hello", ""]);
        let unheard = format!("port={},state=online,offset=0,", replica.port);
        let online = format!("port={},state=online,", replica.port);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.cli(&["INFO", "replication"]);
            if seen.contains(&online) && !seen.contains(&unheard) {
                break;
            }
            assert!(Instant::now() < deadline, "the replica has no link");
            std::thread::yield_now();
        }
        replica
    }

    /// Starts a server with these arguments.
    ///
    /// # Panics
    /// When there is no redis-server to start.
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener
            .local_addr()
            .expect("a bound listener has an address")
            .port();
        drop(listener);
        Self::start_at(port, arguments)
    }

    fn start_at(port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for redis");
        let arguments = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        let mut redis = Self {
            folder,
            port,
            arguments,
            child: None,
        };
        redis.resume();
        redis
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id while it runs.
    ///
    /// # Panics
    /// While it is stopped.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("redis runs").id()
    }

    /// Starts it again after [`TestRedis::stop`] or [`TestRedis::kill`], on the same port and folder.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn resume(&mut self) {
        let mut command = Command::new(redis_server());
        if knows_debug() {
            command.args(["--enable-debug-command", "local"]);
        }
        let child = command
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--daemonize",
                "no",
            ])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (cargo xtask setup)");
        self.child = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while self.cli(&["PING"]).trim() != "PONG" {
            assert!(Instant::now() < deadline, "redis-server did not come up");
            std::thread::yield_now();
        }
    }

    /// Ends it in an orderly way.
    ///
    /// # Panics
    /// While it is stopped.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        let mut child = self.child.take().expect("redis runs");
        child.wait().expect("redis ends");
    }

    /// Kills it with -9.
    ///
    /// # Panics
    /// While it is stopped.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("redis runs");
        child.kill().expect("redis can be killed");
        child.wait().expect("redis ends");
    }

    /// Lets it stand still, without closing a connection.
    ///
    /// # Panics
    /// While it is stopped.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// While it is stopped.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Whether it was started and not ended since.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.child.is_some()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.pid().to_string()])
            .status();
        assert!(sent.expect("kill runs").success(), "redis can be signalled");
    }

    /// What redis-cli prints for a command.
    ///
    /// # Panics
    /// When there is no redis-cli.
    #[must_use]
    pub fn cli(&self, command: &[&str]) -> String {
        redis_cli(self.port, command)
    }
}

fn redis_cli(port: u16, command: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(command)
        .stderr(Stdio::null())
        .output()
        .expect("redis-cli is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The test is over; what matters is that nothing is left behind.
            let _killed = child.kill();
            let _ended = child.wait();
        }
    }
}

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
        assert_sound(&self.queue).await;
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

/// The redis-server of the tests: that of the machine, unless the variable
/// `JOBFLOW_TEST_REDIS` names another program.
#[must_use]
pub fn redis_server() -> String {
    std::env::var("JOBFLOW_TEST_REDIS").unwrap_or_else(|_| "redis-server".to_owned())
}

/// Whether the server takes the option that allows `DEBUG`, which before Redis
/// 7 needed no leave.
fn knows_debug() -> bool {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    *KNOWS.get_or_init(|| {
        let told = Command::new(redis_server()).arg("--version").output();
        let told = told.expect("redis-server is installed (cargo xtask setup)");
        // Redis server v=7.0.15 …
        let told = String::from_utf8_lossy(&told.stdout);
        let major = told.split("v=").nth(1).and_then(|v| v.split('.').next());
        major.is_none_or(|major| major.parse().is_ok_and(|major: u32| major >= 7))
    })
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
                let redis = TestRedis::start();
                guard(&redis);
                redis
            });
            redis.url()
        }
    }
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
        .arg(redis.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh runs");
}
