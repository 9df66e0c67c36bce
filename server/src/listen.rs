//! Taking the ports, and refusing to open one to others without a lock.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;

use crate::config::{AuthMode, Config};

/// Where a connection comes from; every request of it carries this.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Why a port could not be taken, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Others could reach the port, and it has no lock.
    #[error(
        "will not listen on {address}, which other machines may reach, without {missing}: \
         give {flags}, listen on 127.0.0.1 only, or give --insecure-behind-proxy \
         if a proxy in front of it does both"
    )]
    Exposed {
        /// The address that was asked for.
        address: SocketAddr,
        /// What is not set up.
        missing: &'static str,
        /// How it is.
        flags: &'static str,
    },
    /// Somebody else listens there.
    #[error(
        "{address} is in use by another process: stop it, or choose another port with \
         --listen ADDR:PORT (or JOBFLOW_LISTEN), for example --listen {other}"
    )]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
        /// One to try instead.
        other: SocketAddr,
    },
    /// The address is not of this machine, or not allowed.
    #[error(
        "can not listen on {address}: {source}; choose another with --listen ADDR:PORT (or JOBFLOW_LISTEN)"
    )]
    Refused {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Takes every address that the configuration names, or none.
///
/// # Errors
/// [`ListenError`] for the first address that can not or must not be had.
pub async fn bind(config: &Config) -> Result<Vec<TcpListener>, ListenError> {
    for &address in &config.listen {
        check_exposure(address, config)?;
    }
    let mut listeners = Vec::with_capacity(config.listen.len());
    for &address in &config.listen {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|source| refused(address, source))?);
    }
    Ok(listeners)
}

/// Whether only this machine can reach the address.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn check_exposure(address: SocketAddr, config: &Config) -> Result<(), ListenError> {
    if is_loopback(address.ip()) || config.insecure_behind_proxy {
        return Ok(());
    }
    let (missing, flags) = match (config.auth, &config.tls) {
        (AuthMode::Tokens, Some(_)) => return Ok(()),
        (AuthMode::Tokens, None) => ("TLS", "--tls-cert FILE --tls-key FILE"),
        (AuthMode::None, Some(_)) => ("authentication", "--auth tokens"),
        (AuthMode::None, None) => (
            "authentication and TLS",
            "--auth tokens --tls-cert FILE --tls-key FILE",
        ),
    };
    Err(ListenError::Exposed {
        address,
        missing,
        flags,
    })
}

fn refused(address: SocketAddr, source: io::Error) -> ListenError {
    if source.kind() != io::ErrorKind::AddrInUse {
        return ListenError::Refused { address, source };
    }
    let mut other = address;
    other.set_port(address.port().checked_add(1).unwrap_or(0));
    ListenError::InUse { address, other }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(address: &str) -> Config {
        Config {
            listen: vec![address.parse().unwrap()],
            ..Config::default()
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_to_pass() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(&on(&address.to_string())).await.unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("--listen"),
            "{error}"
        );
    }

    #[test]
    fn an_address_of_this_machine_alone_needs_no_lock() {
        for inside in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1"] {
            assert!(!is_loopback(outside.parse().unwrap()), "{outside}");
            let address = SocketAddr::new(outside.parse().unwrap(), 0);
            assert!(check_exposure(address, &Config::default()).is_err());
        }
    }
}
