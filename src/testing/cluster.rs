//! A Redis Cluster of a test's own.

use std::net::TcpListener;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use super::{PATIENCE, TestAuthority, TestRedis, guard};
use crate::job::{JobId, QueueName};
use crate::keys::QueueKeys;
use crate::partition::Partition;
use crate::queue::JobQueue;

/// Masters, each with one replica.
pub const MASTERS: usize = 3;
/// The servers talk to each other on ports that are so much higher.
const BUS: u16 = 10_000;
/// How often a cluster is begun anew whose servers do not join.
const TRIES: usize = 3;
/// How long a server is silent before the others take it for dead.
const NODE_TIMEOUT: &str = "1000";

/// Two masters without replicas, which speak TLS with each other and with others.
///
/// # Panics
/// When they do not come up.
#[must_use]
pub fn start_tls_cluster(authority: &TestAuthority) -> [TestRedis; 2] {
    let arguments = ["--save", "", "--cluster-enabled", "yes"];
    let servers = [(); 2].map(|()| TestRedis::start_tls_at(port_with_bus(), authority, &arguments));
    for (server, slots) in servers.iter().zip([["0", "8191"], ["8192", "16383"]]) {
        let given = server.cli(&[&["CLUSTER", "ADDSLOTSRANGE"][..], &slots].concat());
        assert_eq!(given.trim(), "OK");
    }
    let port = servers[1].tls_port().expect("it speaks TLS").to_string();
    let met = servers[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &port]);
    assert_eq!(met.trim(), "OK");
    let deadline = Instant::now() + PATIENCE;
    let is_whole = |server: &TestRedis| {
        let state = server.cli(&["CLUSTER", "INFO"]);
        state.contains("cluster_state:ok") && state.contains("cluster_slots_ok:16384")
    };
    while !servers.iter().all(is_whole) {
        assert!(Instant::now() < deadline, "waited in vain for the cluster");
        std::thread::yield_now();
    }
    servers
}

/// Three masters with a replica each. They end with this value.
#[derive(Debug)]
pub struct TestCluster {
    servers: Vec<TestRedis>,
}

impl TestCluster {
    /// Starts six servers, makes a cluster of them and waits until each says
    /// that it is whole.
    ///
    /// # Panics
    /// When they do not come up.
    #[must_use]
    pub fn start() -> Self {
        // A handshake that takes longer than the time-out of a node is forgotten, and
        // redis-cli waits for it for ever.
        let cluster = (0..TRIES).find_map(|_| Self::try_to_start());
        let cluster = cluster.expect("the servers to join");
        cluster.wait_until_whole();
        cluster
    }

    fn try_to_start() -> Option<Self> {
        let servers: Vec<_> = (0..2 * MASTERS).map(|_| Self::start_server()).collect();
        let created = Command::new("timeout")
            .arg(PATIENCE.as_secs().to_string())
            .args(["redis-cli", "--cluster", "create"])
            .args(servers.iter().map(address))
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .expect("redis-cli is installed");
        created.status.success().then_some(Self { servers })
    }

    /// One for all tests of this process that leave it whole.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TestCluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::start();
            cluster.servers.iter().for_each(guard);
            cluster
        })
    }

    /// Adds a master without slots, and waits until all know of it. Returns its place.
    ///
    /// # Panics
    /// When that does not come to be.
    pub fn add_master(&mut self) -> usize {
        let new = Self::start_server();
        let port = new.port().to_string();
        let met = self.servers[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &port]);
        assert_eq!(met.trim(), "OK");
        self.servers.push(new);
        let all = format!("cluster_known_nodes:{}", self.servers.len());
        self.wait_until("all to know the new server", |server| {
            let state = server.cli(&["CLUSTER", "INFO"]);
            state.contains(&all) && state.contains("cluster_state:ok")
        });
        self.servers.len() - 1
    }

    /// Takes the server that was added last out of the cluster, and ends it.
    /// It must own no slots.
    ///
    /// # Panics
    /// When the others do not forget it.
    pub fn remove_last(&mut self) {
        let last = self.servers.pop().expect("a server that was added");
        let id = last.cli(&["CLUSTER", "MYID"]);
        drop(last);
        for server in &self.servers {
            let forgot = server.cli(&["CLUSTER", "FORGET", id.trim()]);
            assert_eq!(forgot.trim(), "OK");
        }
    }

    /// Starts a server that can be a part of a cluster, and is none yet.
    fn start_server() -> TestRedis {
        TestRedis::start_at(
            port_with_bus(),
            &[
                "--save",
                "",
                "--appendonly",
                "no",
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                NODE_TIMEOUT,
                // What is left of a broken cluster goes on.
                "--cluster-require-full-coverage",
                "no",
                // A master stays one when its last slot has moved away.
                "--cluster-allow-replica-migration",
                "no",
                "--repl-diskless-sync-delay",
                "0",
            ],
        )
    }

    /// Waits until all masters have a replica that copies them, and each server
    /// knows of all slots.
    ///
    /// # Panics
    /// When that does not come to be.
    pub fn wait_until_whole(&self) {
        self.wait_until("the cluster to be whole", |server| {
            let state = server.cli(&["CLUSTER", "INFO"]);
            let role = server.cli(&["INFO", "replication"]);
            let copies = role.contains("role:slave") && role.contains("master_link_status:up");
            let is_copied = role.contains("role:master") && role.contains("state=online");
            state.contains("cluster_state:ok")
                && state.contains("cluster_slots_ok:16384")
                && (copies || is_copied)
        });
    }

    /// Waits until each of the servers that run says so.
    ///
    /// # Panics
    /// When that does not come to be.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&TestRedis) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self
            .servers
            .iter()
            .filter(|server| server.is_running())
            .all(&is_so)
        {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            std::thread::yield_now();
        }
    }

    /// The servers, in the order in which they were started.
    #[must_use]
    pub fn servers(&self) -> &[TestRedis] {
        &self.servers
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is no such one.
    pub fn server(&mut self, at: usize) -> &mut TestRedis {
        &mut self.servers[at]
    }

    /// Which of the servers owns the slot of a key, as a server that runs says.
    ///
    /// # Panics
    /// When nobody owns it.
    #[must_use]
    pub fn owner(&self, key: &str) -> usize {
        let asked = self.servers.iter().find(|server| server.is_running());
        let url = asked.expect("a server runs").url();
        let owner = server_of(&url, key);
        let at = self.servers.iter().position(|server| server.url() == owner);
        at.expect("a server of this cluster")
    }

    /// Moves the slot of a key, with all that is in it, to another server.
    ///
    /// # Panics
    /// When it can not be moved.
    pub fn move_slot(&self, key: &str, to: usize) {
        let from = self.owner(key);
        let slot = self.servers[from].cli(&["CLUSTER", "KEYSLOT", key]);
        let slot = slot.trim();
        let id = |at: usize| self.servers[at].cli(&["CLUSTER", "MYID"]).trim().to_owned();
        let (giver, taker) = (id(from), id(to));
        let say = |at: usize, words: &[&str]| {
            let said = self.servers[at].cli(&[&["CLUSTER", "SETSLOT", slot], words].concat());
            assert_eq!(said.trim(), "OK", "{words:?}");
        };
        say(to, &["IMPORTING", &giver]);
        say(from, &["MIGRATING", &taker]);
        let port = self.servers[to].port().to_string();
        loop {
            let keys = self.servers[from].cli(&["CLUSTER", "GETKEYSINSLOT", slot, "100"]);
            let keys: Vec<_> = keys.lines().filter(|key| !key.is_empty()).collect();
            if keys.is_empty() {
                break;
            }
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            migrate.extend(keys);
            assert_eq!(self.servers[from].cli(&migrate).trim(), "OK");
        }
        // The new owner first: it is the one that must not doubt it.
        for at in [to, from] {
            say(at, &["NODE", &taker]);
        }
    }
}

fn address(server: &TestRedis) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// A free port whose port of the bus is free, too. Both are below those that
/// the system gives out by itself.
fn port_with_bus() -> u16 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let port = rand::random_range(10_000..22_000);
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + BUS) {
            return port;
        }
        assert!(Instant::now() < deadline, "no two ports are free");
    }
}

/// A key of a queue's first partition: whoever has it has all of that.
#[must_use]
pub fn key_of(queue: &JobQueue, name: &QueueName) -> String {
    key_of_part(queue, &Partition::first(name.clone()))
}

/// A key of a partition: whoever has it has all of it.
#[must_use]
pub fn key_of_part(queue: &JobQueue, part: &Partition) -> String {
    QueueKeys::new(&queue.config().namespace, part)
        .config()
        .to_owned()
}

/// An id of a job that goes to this partition.
#[must_use]
pub fn id_in(part: &Partition) -> JobId {
    JobId::generate_in(part)
}

/// The URL of the server that has a key: of the one that owns its slot, where
/// the URL leads to a cluster.
///
/// # Panics
/// When the server does not answer, or nobody owns the slot.
#[must_use]
pub fn server_of(url: &str, key: &str) -> String {
    let ask = || -> redis::RedisResult<Option<String>> {
        let mut server = redis::Client::open(url)?.get_connection()?;
        let info: String = redis::cmd("INFO").arg("cluster").query(&mut server)?;
        if !info.contains("cluster_enabled:1") {
            return Ok(Some(url.to_owned()));
        }
        let slot: u16 = redis::cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(key)
            .query(&mut server)?;
        let ranges: Vec<Vec<redis::Value>> =
            redis::cmd("CLUSTER").arg("SLOTS").query(&mut server)?;
        for range in ranges {
            let mut parts = range.into_iter();
            let mut next = || parts.next().unwrap_or(redis::Value::Nil);
            let first: u16 = redis::from_redis_value(next())?;
            let last: u16 = redis::from_redis_value(next())?;
            let owner: Vec<redis::Value> = redis::from_redis_value(next())?;
            if (first..=last).contains(&slot) {
                let port: u16 = redis::from_redis_value(owner[1].clone())?;
                return Ok(Some(format!("redis://127.0.0.1:{port}/")));
            }
        }
        Ok(None)
    };
    let owner = ask().expect("the server answers");
    owner.expect("somebody owns the slot")
}
