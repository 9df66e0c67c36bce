//! An authority of a test's own, and what it signs.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, date_time_ymd,
};

use crate::redis::RedisAccess;

/// An authority and what it has signed, as files that end with this value.
#[derive(Debug)]
pub struct TestAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Default for TestAuthority {
    fn default() -> Self {
        Self::new()
    }
}

impl TestAuthority {
    /// A new one that nobody knows.
    ///
    /// # Panics
    /// When there is no folder for it.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("an authority"),
            folder: tempfile::tempdir().expect("a folder for certificates"),
        }
    }

    /// A certificate and its key, as PEM, for this machine and for `name`, which
    /// is also its common name.
    ///
    /// # Panics
    /// When the name is none.
    #[must_use]
    pub fn sign(&self, name: &str) -> (String, String) {
        self.sign_with(name, |_| {})
    }

    /// The same of a certificate whose time is over.
    ///
    /// # Panics
    /// When the name is none.
    #[must_use]
    pub fn sign_expired(&self, name: &str) -> (String, String) {
        self.sign_with(name, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 2);
        })
    }

    /// The same with other names than those of this machine, or other times.
    ///
    /// # Panics
    /// When the name is none.
    #[must_use]
    pub fn sign_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names = ["localhost", "127.0.0.1", name].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("well spelled names");
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer);
        (
            certificate.expect("a certificate").pem(),
            key.serialize_pem(),
        )
    }

    /// A list of the certificates of these serial numbers as revoked, as PEM.
    ///
    /// # Panics
    /// When it can not be signed.
    #[must_use]
    pub fn revoke(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a revocation list");
        list.pem().expect("as PEM")
    }

    /// Its own certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A file of this text, which ends with the authority.
    ///
    /// # Panics
    /// When it can not be written.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file is written");
        path
    }

    /// A certificate and its key as files.
    ///
    /// # Panics
    /// As [`file`](Self::file).
    #[must_use]
    pub fn signed_files(&self, name: &str) -> (PathBuf, PathBuf) {
        let (cert, key) = self.sign(name);
        (
            self.file(&format!("{name}.pem"), &cert),
            self.file(&format!("{name}.key"), &key),
        )
    }

    /// What a client needs that trusts this authority, and shows a certificate of
    /// its own.
    ///
    /// # Panics
    /// As [`file`](Self::file).
    #[must_use]
    pub fn access(&self) -> RedisAccess {
        let (cert, key) = self.signed_files("client");
        RedisAccess {
            ca: Some(self.file("ca.pem", &self.pem())),
            cert: Some(cert),
            key: Some(key),
            ..RedisAccess::default()
        }
    }

    /// What redis-server needs to serve TLS on this port to who shows a
    /// certificate, beside the port that it has.
    ///
    /// # Panics
    /// As [`file`](Self::file).
    #[must_use]
    pub fn redis_arguments(&self, port: u16) -> Vec<String> {
        // Files of its own: others may be reading theirs.
        let (cert, key) = self.signed_files(&format!("redis-{port}"));
        let ca = self.file(&format!("ca-{port}.pem"), &self.pem());
        let path = |path: &Path| path.display().to_string();
        [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", path(&cert)),
            ("--tls-key-file", path(&key)),
            ("--tls-ca-cert-file", path(&ca)),
            ("--tls-auth-clients", "yes".to_owned()),
            ("--tls-replication", "yes".to_owned()),
            ("--tls-cluster", "yes".to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }
}
