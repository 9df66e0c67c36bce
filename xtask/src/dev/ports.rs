//! Which ports are taken, and what to do then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use anyhow::{Result, bail};

use super::options::PORT;
use crate::redis::free_port;

const DASHBOARD: [u16; 2] = [3000, 3001];
const REDIS: u16 = 6379;

/// Whether somebody listens there. Both loopback addresses count: `localhost`
/// in a browser means the one or the other.
pub(super) fn is_taken(port: u16) -> bool {
    let addresses = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    addresses.into_iter().any(|address| {
        TcpListener::bind((address, port))
            .is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    })
}

/// The port of the server, or an error that says what to pass.
pub(super) fn server(asked: Option<u16>) -> Result<u16> {
    let port = asked.unwrap_or(PORT);
    if is_taken(port) {
        bail!(
            "port {port} is taken; free it or pass another one: cargo xtask dev --port {}",
            next_free(port)
        );
    }
    Ok(port)
}

/// The second port of the dashboard.
pub(super) fn dashboard(asked: Option<u16>, server: u16) -> Result<u16> {
    let is_usable = |port: u16| port != server && !is_taken(port);
    if let Some(port) = asked {
        if is_usable(port) {
            return Ok(port);
        }
        bail!(
            "port {port} is taken; free it or pass another one: cargo xtask dev --dashboard-port {}",
            next_free(port)
        );
    }
    match DASHBOARD.into_iter().find(|port| is_usable(*port)) {
        Some(port) => Ok(port),
        None => bail!(
            "ports {} and {} are taken; free one or pass another: \
             cargo xtask dev --dashboard-port {}",
            DASHBOARD[0],
            DASHBOARD[1],
            next_free(DASHBOARD[1])
        ),
    }
}

/// The usual port of Redis, or any that is free.
pub(super) fn redis() -> Result<u16> {
    if is_taken(REDIS) {
        free_port()
    } else {
        Ok(REDIS)
    }
}

fn next_free(port: u16) -> u16 {
    let mut above = port.saturating_add(1)..=u16::MAX;
    above.find(|port| !is_taken(*port)).unwrap_or(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> (TcpListener, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[test]
    fn a_taken_port_is_named_with_what_to_pass() {
        let (_listener, port) = taken();
        let error = server(Some(port)).unwrap_err().to_string();
        assert!(error.contains(&format!("port {port} is taken")), "{error}");
        assert!(error.contains("cargo xtask dev --port "), "{error}");
        let error = dashboard(Some(port), 1).unwrap_err().to_string();
        assert!(error.contains("--dashboard-port "), "{error}");
    }

    #[test]
    fn the_dashboard_has_a_port_of_its_own() {
        let port = free_port().unwrap();
        assert!(dashboard(Some(port), port).is_err());
    }
}
