//! Who owns which slots of a cluster, as of some moment.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::{ConnectionAddr, ConnectionInfo, RedisResult, Value};

use super::access::Login;
use super::credentials::{moved_to, not_connected};
use super::node::Node;
use super::slot::Slot;
use super::source::Source;

/// For how long a server that another one has named stays known, whatever a third
/// says: news of who owns what may take that long to come to all of them, and calls
/// to the new owner are under way.
const KEPT: Duration = Duration::from_secs(5);

/// Where a server of a cluster listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

impl Address {
    pub(crate) fn of(info: &ConnectionInfo) -> Self {
        let (host, port) = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                (host.clone(), *port)
            }
            other => (other.to_string(), 0),
        };
        Self { host, port }
    }

    /// As `MOVED` spells it. A server that knows no name of another leaves the
    /// host out: then it is that of the server which said so.
    pub(super) fn parse(text: &str, told_by: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self::known(host, port.parse().ok()?, told_by))
    }

    fn known(host: &str, port: u16, told_by: &Self) -> Self {
        let host = match host {
            "" | "?" => &told_by.host,
            host => host,
        };
        Self {
            host: host.to_owned(),
            port,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// First and last slot, and their owner.
pub(super) type Range = (Slot, Slot, Address);

/// Reads the answer to `CLUSTER SLOTS`; the replicas do not matter.
pub(super) fn read_slots(reply: Value, told_by: &Address) -> Option<Vec<Range>> {
    let ranges: Vec<(u16, u16, Value)> = match reply {
        Value::Array(ranges) => ranges.into_iter().map(first_three).collect::<Option<_>>()?,
        _ => return None,
    };
    let read = |(first, last, owner)| {
        let Value::Array(owner) = owner else {
            return None;
        };
        let mut parts = owner.into_iter();
        let host: Option<String> = ::redis::from_redis_value(parts.next()?).ok()?;
        let port: u16 = ::redis::from_redis_value(parts.next()?).ok()?;
        let address = Address::known(host.as_deref().unwrap_or_default(), port, told_by);
        Some((Slot(first), Slot(last), address))
    };
    ranges.into_iter().map(read).collect()
}

fn first_three(range: Value) -> Option<(u16, u16, Value)> {
    let Value::Array(parts) = range else {
        return None;
    };
    let mut parts = parts.into_iter();
    let first = ::redis::from_redis_value(parts.next()?).ok()?;
    let last = ::redis::from_redis_value(parts.next()?).ok()?;
    Some((first, last, parts.next()?))
}

/// What the servers of a cluster have in common.
#[derive(Clone)]
pub(super) struct Common {
    /// One of them: the others are like it.
    pub(super) info: ConnectionInfo,
    /// How to log in to them.
    pub(super) login: Arc<Login>,
    /// How long a submit waits for disk or replicas.
    pub(super) durable: Duration,
}

/// The owners of all slots.
#[derive(Clone)]
pub(super) struct Topology {
    common: Common,
    nodes: HashMap<Address, Arc<Node>>,
    /// When `MOVED` or `ASK` last led to a server.
    named: HashMap<Address, Instant>,
    /// In the order of their slots.
    ranges: Vec<(Slot, Slot, Arc<Node>)>,
    /// Slots that have moved since the ranges were read.
    moved: HashMap<Slot, Arc<Node>>,
}

impl Topology {
    /// One that knows of nobody.
    pub(super) fn new(common: Common) -> Self {
        Self {
            common,
            nodes: HashMap::new(),
            named: HashMap::new(),
            ranges: Vec::new(),
            moved: HashMap::new(),
        }
    }

    pub(super) fn owner(&self, slot: Slot) -> Option<Arc<Node>> {
        if let Some(node) = self.moved.get(&slot) {
            return Some(Arc::clone(node));
        }
        let behind = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, node) = &self.ranges[behind.checked_sub(1)?];
        (slot <= *last).then(|| Arc::clone(node))
    }

    /// By their addresses, so that the order is the same every time.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_unstable_by_key(|(address, _)| *address);
        nodes
            .into_iter()
            .map(|(_, node)| Arc::clone(node))
            .collect()
    }

    /// Those of this one that another one does not have.
    pub(super) fn nodes_without(&self, other: &Self) -> Vec<Arc<Node>> {
        let left = |(address, _): &(&Address, &Arc<Node>)| !other.nodes.contains_key(*address);
        let gone = self.nodes.iter().filter(left);
        gone.map(|(_, node)| Arc::clone(node)).collect()
    }

    /// This one with a server, new or known, that a redirection leads to.
    pub(super) fn with(&self, address: &Address) -> RedisResult<(Self, Arc<Node>)> {
        let mut topology = self.clone();
        let node = topology.node(address)?;
        topology.named.insert(address.clone(), Instant::now());
        Ok((topology, node))
    }

    fn node(&mut self, address: &Address) -> RedisResult<Arc<Node>> {
        if let Some(node) = self.nodes.get(address) {
            return Ok(Arc::clone(node));
        }
        let info = moved_to(&self.common.info, address.host.clone(), address.port);
        let source = Source::at(info, Arc::clone(&self.common.login));
        let source = source.map_err(|error| not_connected(&error))?;
        let node = Node::new(source, address.clone(), self.common.durable);
        self.nodes.insert(address.clone(), Arc::clone(&node));
        Ok(node)
    }

    pub(super) fn set_owner(&mut self, slot: Slot, owner: Arc<Node>) {
        self.moved.insert(slot, owner);
    }

    /// With the owners that some server told at this time, and what is known of them.
    pub(super) fn renewed(&self, mut ranges: Vec<Range>, now: Instant) -> RedisResult<Self> {
        ranges.sort_unstable();
        let mut renewed = Self::new(self.common.clone());
        for (address, at) in &self.named {
            if now.saturating_duration_since(*at) < KEPT {
                let node = Arc::clone(&self.nodes[address]);
                renewed.nodes.insert(address.clone(), node);
                renewed.named.insert(address.clone(), *at);
            }
        }
        for (first, last, address) in ranges {
            if let Some(node) = self.nodes.get(&address) {
                renewed.nodes.insert(address.clone(), Arc::clone(node));
            }
            let owner = renewed.node(&address)?;
            renewed.ranges.push((first, last, owner));
        }
        Ok(renewed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::access::RedisAccess;

    fn address(host: &str, port: u16) -> Address {
        let host = host.to_owned();
        Address { host, port }
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn common(info: ConnectionInfo) -> Common {
        Common {
            info,
            login: Login::read(&RedisAccess::default()).unwrap(),
            durable: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn owners_are_read_and_their_replicas_left_out() {
        let own = address("seed", 7000);
        let range = |first, last, host, port| {
            let server = Value::Array(vec![host, Value::Int(port), text("id")]);
            Value::Array(vec![
                Value::Int(first),
                Value::Int(last),
                server.clone(),
                server,
            ])
        };
        let reply = Value::Array(vec![
            range(100, 16_383, text("b"), 7001),
            range(0, 98, Value::Nil, 7002),
        ]);
        let ranges = read_slots(reply, &own).unwrap();
        let info: ConnectionInfo =
            ::redis::IntoConnectionInfo::into_connection_info("redis://s/").unwrap();
        let topology = Topology::new(common(info));
        let topology = topology.renewed(ranges, Instant::now()).unwrap();
        let owner = |slot| {
            topology
                .owner(Slot(slot))
                .map(|node| node.address().to_string())
        };
        assert_eq!(owner(0).as_deref(), Some("seed:7002"));
        assert_eq!(owner(98).as_deref(), Some("seed:7002"));
        assert_eq!(owner(99), None);
        assert_eq!(owner(16_383).as_deref(), Some("b:7001"));
        for odd in [Value::Nil, Value::Array(vec![Value::Int(1)])] {
            assert!(read_slots(odd, &own).is_none());
        }
    }

    #[tokio::test]
    async fn a_slot_that_moved_has_its_new_owner_until_all_are_asked_for() {
        let info: ConnectionInfo =
            ::redis::IntoConnectionInfo::into_connection_info("redis://s/").unwrap();
        let all = |host| vec![(Slot(0), Slot(16_383), address(host, 1))];
        let old = Topology::new(common(info));
        let old = old.renewed(all("a"), Instant::now()).unwrap();
        let (mut moved, owner) = old.with(&address("b", 1)).unwrap();
        moved.set_owner(Slot(7), owner);
        let of =
            |topology: &Topology, slot| topology.owner(Slot(slot)).unwrap().address().to_string();
        assert_eq!((of(&moved, 7), of(&moved, 8)), ("b:1".into(), "a:1".into()));
        let new = moved.renewed(all("b"), Instant::now()).unwrap();
        assert_eq!(of(&new, 8), "b:1");
        assert!(Arc::ptr_eq(
            &new.owner(Slot(8)).unwrap(),
            &moved.owner(Slot(7)).unwrap()
        ));
        let gone = moved.nodes_without(&new);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].address().to_string(), "a:1");
        // One that another server names stays for a while where a third knows nothing of it.
        for (later, nodes) in [(KEPT / 2, 2), (KEPT, 1)] {
            let behind = moved.renewed(all("a"), Instant::now() + later).unwrap();
            assert_eq!(
                (of(&behind, 7), behind.nodes().len()),
                ("a:1".into(), nodes)
            );
        }
    }

    #[test]
    fn a_redirection_may_leave_the_host_out() {
        let own = address("seed", 7000);
        assert_eq!(Address::parse("b:1", &own), Some(address("b", 1)));
        assert_eq!(Address::parse(":1", &own), Some(address("seed", 1)));
        assert_eq!(Address::parse("::1:9", &own), Some(address("::1", 9)));
        assert_eq!(Address::parse("b", &own), None);
    }
}
