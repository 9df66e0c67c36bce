//! TLS in front of everything: certificate and key from files, read again on
//! SIGHUP.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jobflow::{Error, Result};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// Where certificate and keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain of the server's certificate, its own first, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
    /// Callers must show a certificate that one of these has signed.
    pub client_ca: Option<PathBuf>,
    /// Those of them that hold no more.
    pub client_crl: Option<PathBuf>,
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    files: TlsFiles,
    present: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    pub(crate) fn open(files: TlsFiles) -> Result<Self> {
        let present = Arc::new(RwLock::new(Arc::new(read(&files)?)));
        Ok(Self { files, present })
    }

    /// For the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let present = self.present.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&present))
    }

    /// Reads the files again. Connections that are open stay as they are.
    pub(crate) fn reload(&self) {
        match read(&self.files) {
            Ok(config) => {
                let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
                *present = Arc::new(config);
                info!("the certificate was read again");
            }
            Err(error) => warn!("{error}; the certificate stays as it is"),
        }
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig> {
    let chain = certificates("tls_cert", &files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| match error {
        pem::Error::Io(error) => refused("tls_key", &files.key, &error),
        // It would quote the file.
        _ => refused("tls_key", &files.key, &"has no private key"),
    })?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused("tls_cert", &files.cert, &error))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("tls_client_ca", path)? {
                let added = roots.add(certificate);
                added.map_err(|error| refused("tls_client_ca", path, &error))?;
            }
            let mut verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            if let Some(path) = &files.client_crl {
                // Of a certificate on no list nobody knows that it holds: it is refused.
                verifier = verifier
                    .with_crls(revocations(path)?)
                    .only_check_end_entity_revocation();
            }
            let verifier = verifier.build();
            let verifier = verifier.map_err(|error| refused("tls_client_ca", path, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| refused("tls_key", &files.key, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn revocations(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    let field = "tls_client_crl";
    let lists = CertificateRevocationListDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match lists {
        Ok(lists) if lists.is_empty() => Err(refused(field, path, &"has no revocation list")),
        Ok(lists) => Ok(lists),
        Err(error) => Err(refused(field, path, &error)),
    }
}

fn certificates(field: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err(refused(field, path, &"has no certificate")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(refused(field, path, &error)),
    }
}

fn refused(field: &str, path: &Path, why: &impl std::fmt::Display) -> Error {
    Error::invalid(field, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use jobflow::testing::TestAuthority;

    use super::*;

    #[test]
    fn what_is_in_a_key_file_is_not_in_the_error() {
        let authority = TestAuthority::new();
        let (cert, key) = authority.sign("server");
        // As it comes out of an environment variable that lost its ends of lines.
        let in_a_row = key.replace('\n', " ");
        let files = TlsFiles {
            cert: authority.file("server.pem", &cert),
            key: authority.file("server.key", in_a_row.trim_end_matches(['-', ' '])),
            client_ca: None,
            client_crl: None,
        };
        let refused = Tls::open(files.clone()).err().unwrap();
        let expected = format!("{}: has no private key", files.key.display());
        assert!(refused.to_string().ends_with(&expected), "{refused}");
    }
}
