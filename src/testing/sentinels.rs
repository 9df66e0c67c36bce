//! Sentinels of a test's own, over a master and its replicas.

use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::redis::free_port;
use super::{PATIENCE, TestAuthority, TestRedis};

/// As many as it takes for two to agree while one is away.
const SENTINELS: usize = 3;
/// What the sentinels call the master.
const MASTER: &str = "jobs";

/// Three sentinels. They end with this value.
#[derive(Debug)]
pub struct TestSentinels {
    folder: tempfile::TempDir,
    ports: Vec<u16>,
    /// Those by which they speak TLS.
    tls_ports: Vec<u16>,
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
        Self::start_with(master, replicas, None)
    }

    /// The same of sentinels that also speak TLS, and nothing else with the master.
    ///
    /// # Panics
    /// When they do not come up.
    #[must_use]
    pub fn start_tls(master: &TestRedis, replicas: usize, authority: &TestAuthority) -> Self {
        Self::start_with(master, replicas, Some(authority))
    }

    fn start_with(master: &TestRedis, replicas: usize, authority: Option<&TestAuthority>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for sentinels");
        let mut sentinels = Self {
            folder,
            ports: Vec::new(),
            tls_ports: Vec::new(),
            children: Vec::new(),
        };
        for _ in 0..SENTINELS {
            sentinels.start_one(master, authority);
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

    fn start_one(&mut self, master: &TestRedis, authority: Option<&TestAuthority>) {
        let port = free_port();
        let mut master_port = master.port();
        let mut tls = String::new();
        if let Some(authority) = authority {
            let tls_port = free_port();
            for option in authority.redis_arguments(tls_port).chunks(2) {
                let name = option[0].trim_start_matches('-');
                let _infallible = writeln!(tls, "{name} {}", option[1]);
            }
            self.tls_ports.push(tls_port);
            master_port = master.tls_port().expect("the master speaks TLS, too");
        }
        let config = self.folder.path().join(format!("{port}.conf"));
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nlogfile {port}.log\n\
             sentinel monitor {MASTER} 127.0.0.1 {master_port} 2\n\
             sentinel down-after-milliseconds {MASTER} 500\n\
             sentinel failover-timeout {MASTER} 5000\n{tls}",
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
        let (scheme, ports) = match &self.tls_ports[..] {
            [] => ("redis", &self.ports[..]),
            ports => ("rediss", ports),
        };
        let hosts: Vec<_> = ports.iter().map(|p| format!("127.0.0.1:{p}")).collect();
        format!("{scheme}+sentinel://{}/{MASTER}", hosts.join(","))
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
