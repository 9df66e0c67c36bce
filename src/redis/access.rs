//! How a process shows itself to Redis, and by what it knows it: files, which are
//! read again for each connection, because they are replaced while it runs.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::{Client, ClientTlsConfig, TlsCertificates};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::time::timeout;

use super::credentials::{Certificates, Credentials};
use super::url;
use crate::error::{Error, Result};

/// What a PEM file of certificates has.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
/// How long the files have before a connection is made with what they said before.
const READ_TIMEOUT: Duration = Duration::from_millis(500);
/// The largest file; all authorities of a system are a quarter of it.
const MAX_FILE: u64 = 1024 * 1024;

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

impl RedisAccess {
    fn names_files(&self) -> bool {
        let files = [&self.ca, &self.cert, &self.key, &self.password_file];
        files.iter().any(|file| file.is_some())
    }

    fn password(&self) -> Result<Option<String>> {
        let password = self.password_file.as_deref().map(password).transpose()?;
        if self.user.is_some() && password.is_none() {
            return Err(Error::invalid("redis_user", "needs a password file"));
        }
        Ok(password)
    }

    /// The certificates, once they are known to be some: what is wrong with them
    /// is said without a word of what is in them.
    fn certificates(&self) -> Result<Option<Certificates>> {
        let root_cert = self.ca.as_deref().map(authority).transpose()?;
        let client_tls = match (&self.cert, &self.key) {
            (None, None) => None,
            (Some(_), None) => return Err(Error::invalid("redis_cert", "needs a key")),
            (None, Some(_)) => return Err(Error::invalid("redis_key", "needs a certificate")),
            (Some(cert), Some(key)) => Some(client_tls(cert, key)?),
        };
        if root_cert.is_none() && client_tls.is_none() {
            return Ok(None);
        }
        let files = TlsCertificates {
            client_tls,
            root_cert,
        };
        let anywhere = url::plain("rediss://localhost/").expect("a URL");
        // The client's are known to be in order.
        let client = Client::build_with_tls(anywhere, files.clone()).map_err(|_| {
            let path = self.ca.as_deref().unwrap_or_else(|| Path::new(""));
            refused("redis_ca", path, &"has what is no certificate")
        })?;
        let parsed = client.get_connection_info().addr().clone();
        Ok(Some(Certificates { files, parsed }))
    }
}

/// What the files said when each could last be used.
pub(super) struct Login {
    access: RedisAccess,
    last: Mutex<Credentials>,
    /// Held by whoever reads the files.
    reading: Arc<tokio::sync::Mutex<Said>>,
}

/// What was said in the log of each part, so that it is said once.
#[derive(Default)]
struct Said {
    password: Option<String>,
    certificates: Option<String>,
}

impl Login {
    /// Reads the files, all of which must be there.
    pub(super) fn read(access: &RedisAccess) -> Result<Arc<Self>> {
        let last = Credentials {
            user: access.user.clone(),
            password: access.password()?,
            certificates: access.certificates()?,
            plaintext_password: access.plaintext_password,
        };
        Ok(Arc::new(Self {
            access: access.clone(),
            last: Mutex::new(last),
            reading: Arc::default(),
        }))
    }

    /// What was read last.
    pub(super) fn last(&self) -> Credentials {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    /// For a new connection: as the files are now. Where one can not be used, what
    /// it said before holds.
    pub(super) async fn present(self: &Arc<Self>) -> Credentials {
        if self.access.names_files() {
            let read = async {
                let mut said = Arc::clone(&self.reading).lock_owned().await;
                let login = Arc::clone(self);
                // One thread at the most waits for a file system that hangs.
                tokio::task::spawn_blocking(move || login.read_again(&mut said)).await
            };
            if !matches!(timeout(READ_TIMEOUT, read).await, Ok(Ok(()))) {
                tracing::warn!(
                    "the files of the login to redis can not be read: the old ones hold"
                );
            }
        }
        self.last()
    }

    fn read_again(&self, said: &mut Said) {
        let (password, certificates) = (self.access.password(), self.access.certificates());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        renew(&mut last.password, password, &mut said.password);
        renew(&mut last.certificates, certificates, &mut said.certificates);
    }
}

fn renew<T>(last: &mut T, read: Result<T>, said: &mut Option<String>) {
    match read {
        Ok(read) => {
            *last = read;
            *said = None;
        }
        Err(error) => {
            let why = error.to_string();
            if said.as_ref() != Some(&why) {
                tracing::warn!("{why}; what was there before is shown to redis");
                *said = Some(why);
            }
        }
    }
}

fn password(path: &Path) -> Result<String> {
    let text = text("redis_password_file", path)?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return Err(refused("redis_password_file", path, &"has no password"));
    }
    Ok(line.to_owned())
}

fn authority(path: &Path) -> Result<Vec<u8>> {
    let text = text("redis_ca", path)?;
    if !text.contains(CERTIFICATE) {
        return Err(refused("redis_ca", path, &"has no certificate"));
    }
    Ok(text.into_bytes())
}

/// A certificate chain and its key. While both are being replaced they do not fit.
fn client_tls(cert: &Path, key: &Path) -> Result<ClientTlsConfig> {
    let client_cert = text("redis_cert", cert)?.into_bytes();
    let client_key = text("redis_key", key)?.into_bytes();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&client_cert)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| refused("redis_cert", cert, &"has what is no certificate"))?;
    if chain.is_empty() {
        return Err(refused("redis_cert", cert, &"has no certificate"));
    }
    let parsed = PrivateKeyDer::from_pem_slice(&client_key)
        .map_err(|_| refused("redis_key", key, &"has no private key"))?;
    CertifiedKey::from_der(chain, parsed, &ring::default_provider())
        .map_err(|_| refused("redis_key", key, &"is not the key of the certificate"))?;
    Ok(ClientTlsConfig {
        client_cert,
        client_key,
    })
}

fn text(field: &str, path: &Path) -> Result<String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(|error| refused(field, path, &error))?;
    if text.len() as u64 > MAX_FILE {
        return Err(refused(field, path, &"is larger than 1 MiB"));
    }
    Ok(text)
}

fn refused(field: &str, path: &Path, why: &impl std::fmt::Display) -> Error {
    Error::invalid(field, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
                let refused = Login::read(&access).err().expect("is refused");
                assert_eq!(refused.field(), Some(field), "{access:?}");
            }
        }
        let access = RedisAccess {
            user: Some("jobflow-server".to_owned()),
            ..RedisAccess::default()
        };
        let refused = Login::read(&access).err().expect("is refused");
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
        let login = Login::read(&access).unwrap();
        assert_eq!(login.last().password.as_deref(), Some("secret"));
    }

    #[tokio::test]
    async fn a_file_counts_as_it_is_now_or_as_it_last_was_of_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("old\n");
        let login = Login::read(&RedisAccess {
            password_file: Some(path.clone()),
            ..RedisAccess::default()
        });
        let login = login.unwrap();
        let present = async || login.present().await.password.unwrap();
        assert_eq!(present().await, "old");
        write("new\n");
        assert_eq!(present().await, "new");
        for unfit in ["", "\n\n", &"x".repeat(2 * 1024 * 1024)] {
            write(unfit);
            assert_eq!(present().await, "new");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(present().await, "new");
        write("newer\n");
        assert_eq!(present().await, "newer");
    }

    #[test]
    fn what_is_in_a_file_is_not_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        // As it comes out of an environment variable that lost its ends of lines.
        let in_a_row = key.replace('\n', " ");
        let access = RedisAccess {
            cert: Some(file("cert", &cert)),
            key: Some(file("key", in_a_row.trim_end_matches(['-', ' ']))),
            ..RedisAccess::default()
        };
        let refused = Login::read(&access).err().expect("is refused");
        assert_eq!(refused.field(), Some("redis_key"));
        let path = access.key.as_ref().unwrap().display();
        let expected = format!("{path}: has no private key");
        assert!(refused.to_string().ends_with(&expected), "{refused}");
    }
}
