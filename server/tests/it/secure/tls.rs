//! TLS, and certificates of callers.

use std::path::PathBuf;

use jobflow::proto::GetServerInfoRequest;
use jobflow::proto::admin_service_client::AdminServiceClient;
use jobflow::testing::TestQueue;
use jobflow_server::{Config, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use crate::support::Server;

/// An authority and what it has signed, as files.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A certificate and its key for `localhost`.
    pub(super) fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), name.to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn files(&self, wants_clients: bool) -> TlsFiles {
        let (cert, key) = self.sign("server");
        TlsFiles {
            cert: self.file("cert.pem", &cert),
            key: self.file("key.pem", &key),
            client_ca: wants_clients.then(|| self.file("ca.pem", &self.pem())),
        }
    }

    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }
}

async fn ask(server: &Server, tls: ClientTlsConfig) -> Result<(), String> {
    let url = format!("https://localhost:{}", server.address.port());
    let endpoint = Channel::from_shared(url).unwrap().tls_config(tls).unwrap();
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| format!("{error:?}"))?;
    let mut client = AdminServiceClient::new(channel);
    let answer = client.get_server_info(GetServerInfoRequest {}).await;
    answer.map(|_| ()).map_err(|status| format!("{status:?}"))
}

async fn server(queue: &TestQueue, tls: TlsFiles) -> Server {
    Server::start(Config {
        redis_url: queue.config().redis_url.clone(),
        namespace: queue.config().namespace.clone(),
        tls: Some(tls),
        ..Config::default()
    })
    .await
}

#[tokio::test]
async fn tls_is_spoken_with_who_trusts_the_authority_and_nothing_else_is() {
    let queue = TestQueue::new();
    let authority = Authority::new();
    let server = server(&queue, authority.files(false)).await;
    let trusting = |pem: String| ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
    ask(&server, trusting(authority.pem())).await.unwrap();
    let foreign = ask(&server, trusting(Authority::new().pem())).await;
    let foreign = foreign.unwrap_err();
    assert!(foreign.contains("InvalidCertificate"), "{foreign}");
    let plain = server
        .admin()
        .get_server_info(GetServerInfoRequest {})
        .await;
    assert!(plain.is_err(), "the port speaks TLS alone");
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_caller_without_a_certificate_of_the_authority_is_not_heard() {
    let queue = TestQueue::new();
    let authority = Authority::new();
    let server = server(&queue, authority.files(true)).await;
    let trusting = || ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.pem()));
    let (cert, key) = authority.sign("caller");
    let known = trusting().identity(Identity::from_pem(cert, key));
    ask(&server, known).await.unwrap();
    assert!(ask(&server, trusting()).await.is_err(), "no certificate");
    let (cert, key) = Authority::new().sign("caller");
    let foreign = trusting().identity(Identity::from_pem(cert, key));
    assert!(
        ask(&server, foreign).await.is_err(),
        "one of another authority"
    );
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn files_that_can_not_be_used_are_named() {
    let queue = TestQueue::new();
    let authority = Authority::new();
    let good = authority.files(false);
    for (field, tls) in [
        (
            "tls_cert",
            TlsFiles {
                cert: good.key.clone(),
                ..good.clone()
            },
        ),
        (
            "tls_key",
            TlsFiles {
                key: "/nonexistent".into(),
                ..good.clone()
            },
        ),
        (
            "tls_client_ca",
            TlsFiles {
                client_ca: Some(good.key.clone()),
                ..good.clone()
            },
        ),
    ] {
        let config = Config {
            redis_url: queue.config().redis_url.clone(),
            tls: Some(tls),
            ..Config::default()
        };
        let ended = jobflow_server::run(config, Vec::new(), std::future::pending()).await;
        assert_eq!(ended.unwrap_err().field(), Some(field));
    }
    queue.close().await;
}
