//! A redis-server child process.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use super::{PATIENCE, TestAuthority};

/// A redis-server of a test's own, in its own folder. It ends with this value.
#[derive(Debug)]
pub struct TestRedis {
    folder: tempfile::TempDir,
    port: u16,
    tls_port: Option<u16>,
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
        Self::start_at(free_port(), arguments)
    }

    /// Starts a server that also speaks TLS, with whoever shows a certificate of
    /// this authority.
    ///
    /// # Panics
    /// When there is no redis-server to start.
    #[must_use]
    pub fn start_tls(authority: &TestAuthority, arguments: &[&str]) -> Self {
        Self::start_tls_at(free_port(), authority, arguments)
    }

    pub(super) fn start_tls_at(
        tls_port: u16,
        authority: &TestAuthority,
        arguments: &[&str],
    ) -> Self {
        let tls = authority.redis_arguments(tls_port);
        let tls = tls.iter().map(String::as_str);
        let arguments: Vec<_> = tls.chain(arguments.iter().copied()).collect();
        let mut redis = Self::start_at(free_port(), &arguments);
        redis.tls_port = Some(tls_port);
        redis
    }

    pub(super) fn start_at(port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for redis");
        let arguments = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        let mut redis = Self {
            folder,
            port,
            tls_port: None,
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

    /// Where it listens, by TLS where it speaks that.
    #[must_use]
    pub fn safe_url(&self) -> String {
        match self.tls_port {
            Some(port) => format!("rediss://127.0.0.1:{port}/"),
            None => self.url(),
        }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its port for TLS, if it speaks that.
    #[must_use]
    pub const fn tls_port(&self) -> Option<u16> {
        self.tls_port
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

    /// Where its files are.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
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

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr();
    address.expect("a bound listener has an address").port()
}

pub(super) fn redis_cli(port: u16, command: &[&str]) -> String {
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
