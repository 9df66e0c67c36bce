//! How a process shows itself to Redis, and by what it knows it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ::redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    TlsCertificates,
};

use crate::error::{Error, Result};

/// What a PEM file of certificates has.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// How a process shows itself to Redis, and by what it knows it: what has no
/// place in a URL, because it is a file or because others could read it there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisAccess {
    /// Who signs the certificate of Redis, as PEM; the authorities of the system
    /// unless given.
    pub ca: Option<PathBuf>,
    /// The certificate chain that Redis is shown, as PEM.
    pub cert: Option<PathBuf>,
    /// The private key of that certificate, as PEM.
    pub key: Option<PathBuf>,
    /// The ACL user to log in as.
    pub user: Option<String>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Send the password unencrypted to another machine.
    pub plaintext_password: bool,
}

/// The same, read from the files.
pub(super) struct Credentials {
    user: Option<String>,
    password: Option<String>,
    certificates: Option<TlsCertificates>,
    plaintext_password: bool,
}

impl RedisAccess {
    /// Reads the files.
    pub(super) fn read(&self) -> Result<Credentials> {
        let password = self.password_file.as_deref().map(password).transpose()?;
        if self.user.is_some() && password.is_none() {
            return Err(Error::invalid("redis_user", "needs a password file"));
        }
        let root_cert = match &self.ca {
            None => None,
            Some(path) => {
                let text = text("redis_ca", path)?;
                if !text.contains(CERTIFICATE) {
                    return Err(refused("redis_ca", path, &"has no certificate"));
                }
                Some(text.into_bytes())
            }
        };
        let client_tls = match (&self.cert, &self.key) {
            (None, None) => None,
            (Some(_), None) => return Err(Error::invalid("redis_cert", "needs a key")),
            (None, Some(_)) => return Err(Error::invalid("redis_key", "needs a certificate")),
            (Some(cert), Some(key)) => Some(ClientTlsConfig {
                client_cert: text("redis_cert", cert)?.into_bytes(),
                client_key: text("redis_key", key)?.into_bytes(),
            }),
        };
        let is_any = root_cert.is_some() || client_tls.is_some();
        Ok(Credentials {
            user: self.user.clone(),
            password,
            certificates: is_any.then_some(TlsCertificates {
                client_tls,
                root_cert,
            }),
            plaintext_password: self.plaintext_password,
        })
    }
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

    /// What the connections to a server that sentinels name are made with.
    pub(super) fn certificates(&self) -> Option<&TlsCertificates> {
        self.certificates.as_ref()
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
            (ConnectionAddr::TcpTls { .. }, Some(certificates)) => {
                choose_ciphers();
                with_certificates(&info, certificates)
            }
            (ConnectionAddr::TcpTls { .. }, None) => {
                choose_ciphers();
                Ok(info)
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

fn with_certificates(info: &ConnectionInfo, all: &TlsCertificates) -> Result<ConnectionInfo> {
    let authority_alone = TlsCertificates {
        client_tls: None,
        root_cert: all.root_cert.clone(),
    };
    // The second time around it can only be the client's that is to blame.
    let parts = [("redis_ca", authority_alone), ("redis_cert", all.clone())];
    let mut client = None;
    for (field, part) in parts {
        let built = Client::build_with_tls(info.clone(), part);
        client = Some(built.map_err(|error| Error::invalid(field, error.to_string()))?);
    }
    let client = client.expect("the parts are two");
    Ok(client.get_connection_info().clone())
}

/// This server at another place, as the others name it.
pub(super) fn moved_to(info: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let place = match info.addr() {
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
    };
    info.clone().set_addr(place)
}

/// Refuses a server that others name where it would be told the password in the clear.
pub(super) fn check_named(info: &ConnectionInfo, plaintext_password: bool) -> RedisResult<()> {
    match exposed(info) {
        Some(_) if !plaintext_password => Err(RedisError::from((
            ErrorKind::InvalidClientConfig,
            "a server on another machine would be told the password in the clear",
        ))),
        _ => Ok(()),
    }
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

fn password(path: &Path) -> Result<String> {
    let text = text("redis_password_file", path)?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return Err(refused("redis_password_file", path, &"has no password"));
    }
    Ok(line.to_owned())
}

fn text(field: &str, path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| refused(field, path, &error))
}

fn refused(field: &str, path: &Path, why: &impl std::fmt::Display) -> Error {
    Error::invalid(field, format!("{}: {why}", path.display()))
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
        assert!(check_named(&here, false).is_ok());
        assert!(check_named(&there, false).is_err());
        assert!(check_named(&there, true).is_ok());
        let tls = plain("rediss://:secret@127.0.0.1/").unwrap();
        let there = moved_to(&tls, "10.0.0.1".to_owned(), 6379);
        assert!(check_named(&there, false).is_ok());
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

    #[test]
    fn files_that_can_not_be_used_are_named() {
        type Set = fn(&mut RedisAccess, PathBuf);
        const FILES: [(&str, Set); 4] = [
            ("redis_ca", |access, file| {
                access.ca = Some(file);
            }),
            ("redis_cert", |access, file| {
                access.cert = Some(file);
            }),
            ("redis_key", |access, file| {
                access.key = Some(file);
            }),
            ("redis_password_file", |access, file| {
                access.password_file = Some(file);
            }),
        ];
        let folder = tempfile::tempdir().unwrap();
        let (gone, empty) = (folder.path().join("gone"), folder.path().join("empty"));
        std::fs::write(&empty, "\n").unwrap();
        for (field, set) in FILES {
            for file in [&gone, &empty] {
                let mut access = RedisAccess::default();
                set(&mut access, file.clone());
                let refused = access.read().err().expect("is refused");
                assert_eq!(refused.field(), Some(field), "{access:?}");
            }
        }
        let access = RedisAccess {
            user: Some("jobflow-server".to_owned()),
            ..RedisAccess::default()
        };
        let refused = access.read().err().expect("is refused");
        assert_eq!(refused.field(), Some("redis_user"));
    }

    #[test]
    fn the_first_line_of_a_file_is_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "secret \nanother\n").unwrap();
        let access = RedisAccess {
            password_file: Some(path),
            ..RedisAccess::default()
        };
        assert_eq!(access.read().unwrap().password.as_deref(), Some("secret"));
    }
}
