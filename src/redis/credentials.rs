//! Login and certificates of one connection, and to whom they may be shown.

use std::net::IpAddr;

use ::redis::{ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, TlsCertificates};

use crate::error::{Error, Result};

/// What a process shows a server, and by what it knows it.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) certificates: Option<Certificates>,
    pub(super) plaintext_password: bool,
}

/// An authority, a certificate with its key, or both.
#[derive(Clone)]
pub(super) struct Certificates {
    pub(super) files: TlsCertificates,
    /// A place of TLS that has them, because the redis crate has no name for what
    /// it makes of them.
    pub(super) parsed: ConnectionAddr,
}

impl Credentials {
    /// A server of the store, with login and certificates. It is known where it is.
    pub(super) fn server(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        let info = self.secured(self.logged_in(info)?)?;
        match exposed(&info) {
            Some(host) if !self.plaintext_password => Err(in_the_clear(host)),
            _ => Ok(info),
        }
    }

    /// A server that sentinels will name: wherever that is.
    pub(super) fn named_later(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        let info = self.secured(self.logged_in(info)?)?;
        if is_plain(&info) && !self.plaintext_password {
            return Err(in_the_clear("whichever server the sentinels name"));
        }
        Ok(info)
    }

    /// A sentinel, which is talked to without a login.
    pub(super) fn sentinel(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        self.secured(info)
    }

    fn logged_in(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        let Some(password) = &self.password else {
            return Ok(info);
        };
        let mut login = info.redis_settings().clone();
        if login.password().is_some() {
            let message = "the URL has a password already";
            return Err(Error::invalid("redis_password_file", message));
        }
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        Ok(info.set_redis_settings(login.set_password(password)))
    }

    fn secured(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        match (info.addr(), &self.certificates) {
            (ConnectionAddr::TcpTls { insecure: true, .. }, _) => {
                let message = "a server whose certificate nobody looks at can be anybody: \
                               leave #insecure out, and give the authority";
                Err(Error::invalid("redis", message))
            }
            (ConnectionAddr::TcpTls { host, port, .. }, known) => {
                choose_ciphers();
                Ok(match known {
                    Some(known) => {
                        let place = placed(&known.parsed, host.clone(), *port);
                        info.set_addr(place)
                    }
                    None => info,
                })
            }
            (_, Some(_)) => {
                let message = "certificates need a rediss:// URL";
                Err(Error::invalid("redis", message))
            }
            (_, None) => Ok(info),
        }
    }
}

/// The redis crate takes what the process has chosen. A program that uses this
/// library may have chosen for itself: then that stays.
fn choose_ciphers() {
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
}

/// This server at another place, as the others name it.
pub(super) fn moved_to(info: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    info.clone().set_addr(placed(info.addr(), host, port))
}

/// Another place that is spoken to in the same way.
fn placed(like: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match like {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    }
}

/// As a connection tells it that is not made.
pub(super) fn not_connected(error: &Error) -> RedisError {
    let what = "not to be connected to like this";
    RedisError::from((ErrorKind::InvalidClientConfig, what, error.to_string()))
}

/// The host to which a password would travel unencrypted over a network.
fn exposed(info: &ConnectionInfo) -> Option<&str> {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) if is_plain(info) && !is_here(host) => Some(host),
        _ => None,
    }
}

/// Whether a password is sent as it is.
fn is_plain(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::Tcp(..)) && info.redis_settings().password().is_some()
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

fn in_the_clear(host: &str) -> Error {
    let message = format!(
        "the password would travel in the clear to {host}: use a rediss:// URL, \
         or allow it with --redis-plaintext-password if the way there is safe"
    );
    Error::invalid("redis", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::url::plain;

    fn credentials(password: Option<&str>, plaintext_password: bool) -> Credentials {
        Credentials {
            user: password.map(|_| "jobflow-server".to_owned()),
            password: password.map(ToOwned::to_owned),
            certificates: None,
            plaintext_password,
        }
    }

    #[test]
    fn a_password_goes_to_another_machine_in_tls_alone_unless_told_so() {
        let allowed = |url: &str, password: Option<&str>, may: bool| {
            let info = plain(url).unwrap();
            credentials(password, may).server(info).is_ok()
        };
        for here in [
            "redis://127.0.0.1/",
            "redis://localhost/",
            "redis://[::1]/",
            "redis+unix:///tmp/redis.sock",
            "rediss://redis.internal/",
        ] {
            assert!(allowed(here, Some("secret"), false), "{here}");
        }
        for there in [
            "redis://redis.internal/",
            "redis://10.0.0.1/",
            "redis://[fe80::1]/",
        ] {
            assert!(!allowed(there, Some("secret"), false), "{there}");
            assert!(allowed(there, Some("secret"), true), "{there}");
            assert!(allowed(there, None, false), "{there}");
        }
        assert!(!allowed("redis://:secret@10.0.0.1/", None, false));
        let unknown = credentials(Some("secret"), false).named_later(plain("redis://x/").unwrap());
        assert_eq!(unknown.unwrap_err().field(), Some("redis"));
    }

    #[test]
    fn a_server_that_others_name_is_checked_again() {
        let here = plain("redis://:secret@127.0.0.1/").unwrap();
        let there = moved_to(&here, "10.0.0.1".to_owned(), 6379);
        let allowed = |info: &ConnectionInfo, may| credentials(None, may).server(info.clone());
        assert!(allowed(&here, false).is_ok());
        assert!(allowed(&there, false).is_err());
        assert!(allowed(&there, true).is_ok());
        let tls = plain("rediss://:secret@127.0.0.1/").unwrap();
        let there = moved_to(&tls, "10.0.0.1".to_owned(), 6379);
        assert!(allowed(&there, false).is_ok());
        assert!(matches!(there.addr(), ConnectionAddr::TcpTls { .. }));
    }

    #[test]
    fn a_certificate_nobody_looks_at_and_two_passwords_are_refused() {
        let insecure = plain("rediss://10.0.0.1/#insecure").unwrap();
        let refused = credentials(None, true).server(insecure).unwrap_err();
        assert_eq!(refused.field(), Some("redis"));
        let twice = plain("rediss://:secret@10.0.0.1/").unwrap();
        let refused = credentials(Some("other"), true).server(twice).unwrap_err();
        assert_eq!(refused.field(), Some("redis_password_file"));
    }
}
