//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::listen::is_loopback;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// From one address; an IPv6 network of 64 bits counts as one.
    pub per_address: usize,
    /// From this machine, where a proxy may stand for everybody.
    pub loopback: usize,
}

/// Counts connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    limits: ConnectionLimits,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    total: usize,
    /// Only addresses that have any, so it is never longer than the total.
    by_address: HashMap<IpAddr, usize>,
}

/// One connection that was let in; it counts until it is dropped.
pub(crate) struct Entry {
    address: IpAddr,
    open: Arc<Mutex<Open>>,
}

impl Gate {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            open: Arc::default(),
        }
    }

    /// Lets a connection in, unless there are too many.
    pub(crate) fn enter(&self, peer: IpAddr) -> Option<Entry> {
        let limit = if is_loopback(peer) {
            self.limits.loopback
        } else {
            self.limits.per_address
        };
        let address = network(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.by_address.get(&address).copied().unwrap_or_default();
        if open.total >= self.limits.total || here >= limit {
            return None;
        }
        open.total += 1;
        open.by_address.insert(address, here + 1);
        Some(Entry {
            address,
            open: Arc::clone(&self.open),
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        match open.by_address.get_mut(&self.address) {
            Some(here) if *here > 1 => *here -= 1,
            _ => drop(open.by_address.remove(&self.address)),
        }
    }
}

/// Who has one IPv6 address has a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let bits = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(ConnectionLimits {
            total: 5,
            per_address: 2,
            loopback: 3,
        })
    }

    #[test]
    fn each_address_has_its_share_and_gets_it_back() {
        let gate = gate();
        let enter = |text: &str| gate.enter(text.parse().unwrap());
        let first = enter("10.0.0.1");
        let second = enter("10.0.0.1");
        assert!(first.is_some() && second.is_some());
        assert!(enter("10.0.0.1").is_none());
        assert!(enter("10.0.0.2").is_some());
        drop(first);
        assert!(enter("10.0.0.1").is_some());
        let local: Vec<_> = (0..4).map(|_| enter("127.0.0.1")).collect();
        assert_eq!(local.iter().flatten().count(), 3);
    }

    #[test]
    fn all_addresses_together_have_a_limit_and_nothing_is_kept_of_those_that_left() {
        let gate = gate();
        let entries: Vec<_> = (1..=9_u8)
            .map(|last| gate.enter(IpAddr::from([10, 0, 0, last])))
            .collect();
        assert_eq!(entries.iter().flatten().count(), 5);
        drop(entries);
        let open = gate.open.lock().unwrap();
        assert!(open.total == 0 && open.by_address.is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let gate = gate();
        let enter = |text: &str| gate.enter(text.parse().unwrap());
        let held = [enter("2001:db8::1"), enter("2001:db8::2")];
        assert!(held.iter().all(Option::is_some));
        assert!(enter("2001:db8::3").is_none());
        assert!(enter("2001:db8:0:1::3").is_some());
    }
}
