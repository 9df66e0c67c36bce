//! Taking the ports.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why a port could not be taken, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
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

/// Takes every address, or none.
///
/// # Errors
/// [`ListenError`] for the first address that can not be had.
pub async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|source| refused(address, source))?);
    }
    Ok(listeners)
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

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_to_pass() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(&[address]).await.unwrap_err().to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("--listen"),
            "{error}"
        );
    }
}
