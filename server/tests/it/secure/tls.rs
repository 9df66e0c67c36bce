//! TLS, and certificates of callers.

use jobflow::proto::GetServerInfoRequest;
use jobflow::proto::admin_service_client::AdminServiceClient;
use jobflow::testing::{TestAuthority, TestQueue};
use jobflow_server::{Config, TlsFiles};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use crate::support::Server;

/// The certificate of a server, as files.
pub(super) fn files(authority: &TestAuthority, wants_clients: bool) -> TlsFiles {
    let (cert, key) = authority.signed_files("server");
    TlsFiles {
        cert,
        key,
        client_ca: wants_clients.then(|| authority.file("ca.pem", &authority.pem())),
        client_crl: None,
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
    let authority = TestAuthority::new();
    let server = server(&queue, files(&authority, false)).await;
    let trusting = |pem: String| ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
    ask(&server, trusting(authority.pem())).await.unwrap();
    let foreign = ask(&server, trusting(TestAuthority::new().pem())).await;
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
    let authority = TestAuthority::new();
    let server = server(&queue, files(&authority, true)).await;
    let trusting = || ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.pem()));
    let (cert, key) = authority.sign("caller");
    let known = trusting().identity(Identity::from_pem(cert, key));
    ask(&server, known).await.unwrap();
    assert!(ask(&server, trusting()).await.is_err(), "no certificate");
    let (cert, key) = TestAuthority::new().sign("caller");
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
    let authority = TestAuthority::new();
    let good = files(&authority, false);
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
            "tls_client_crl",
            TlsFiles {
                client_ca: Some(authority.file("ca.pem", &authority.pem())),
                client_crl: Some(good.key.clone()),
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
