//! Sentinels of a test's own, over a master and its replicas.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{PATIENCE, TestRedis};

/// As many as it takes for two to agree while one is away.
const SENTINELS: usize = 3;
/// What the sentinels call the master.
const MASTER: &str = "jobs";

/// Three sentinels. They end with this value.
#[derive(Debug)]
pub struct TestSentinels {
    folder: tempfile::TempDir,
    ports: Vec<u16>,
    children: Vec<Child>,
}

impl TestSentinels {
    /// Starts sentinels that take a silent master for dead after half a second,
    /// and waits until all know its replicas and each other.
    ///
    /// # Panics
    /// When they do not come up.
    #[must_use]
    pub fn start(master: &TestRedis, replicas: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder for sentinels");
        let mut sentinels = Self {
            folder,
            ports: Vec::new(),
            children: Vec::new(),
        };
        for _ in 0..SENTINELS {
            sentinels.start_one(master.port());
        }
        let deadline = Instant::now() + PATIENCE;
        let known = [
            format!("num-slaves\n{replicas}\n"),
            format!("num-other-sentinels\n{}\n", SENTINELS - 1),
        ];
        while !(0..SENTINELS).all(|at| {
            let seen = sentinels.ask(at, &["SENTINEL", "MASTER", MASTER]);
            known.iter().all(|known| seen.contains(known))
        }) {
            assert!(Instant::now() < deadline, "the sentinels did not come up");
            std::thread::yield_now();
        }
        sentinels
    }

    fn start_one(&mut self, master: u16) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        drop(listener);
        let port = address.port();
        let config = self.folder.path().join(format!("{port}.conf"));
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nlogfile {port}.log\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 500\n\
             sentinel failover-timeout {MASTER} 5000\n",
            self.folder.path().display()
        );
        fs::write(&config, text).expect("a sentinel's configuration is written");
        let child = Command::new("redis-server")
            .arg(&config)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (cargo xtask setup)");
        self.ports.push(port);
        self.children.push(child);
    }

    /// The master, by way of the sentinels.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self
            .ports
            .iter()
            .map(|p| format!("127.0.0.1:{p}"))
            .collect();
        format!("redis+sentinel://{}/{MASTER}", hosts.join(","))
    }

    /// The port of the server that the sentinels take for the master.
    #[must_use]
    pub fn master_port(&self) -> Option<u16> {
        let told = self.ask(0, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]);
        told.lines().nth(1)?.parse().ok()
    }

    /// Lets the sentinels promote a replica although the master is well.
    ///
    /// # Panics
    /// When they do not want to.
    pub fn fail_over(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask(0, &["SENTINEL", "FAILOVER", MASTER]).trim() != "OK" {
            assert!(Instant::now() < deadline, "the sentinels do not fail over");
            std::thread::yield_now();
        }
    }

    /// Kills one of them.
    ///
    /// # Panics
    /// When there is no such one.
    pub fn kill(&mut self, at: usize) {
        self.children[at].kill().expect("a sentinel can be killed");
        self.children[at].wait().expect("a sentinel ends");
    }

    fn ask(&self, at: usize, command: &[&str]) -> String {
        super::redis::redis_cli(self.ports[at], command)
    }
}

impl Drop for TestSentinels {
    fn drop(&mut self) {
        for child in &mut self.children {
            // The test is over; what matters is that nothing is left behind.
            let _killed = child.kill();
            let _ended = child.wait();
        }
    }
}
