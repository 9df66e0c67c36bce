//! Callers who show a certificate in place of a token: the binary, as an operator
//! sets it up and tells it of changes.

use std::path::PathBuf;
use std::process::Command;

use jobflow::proto::admin_service_client::AdminServiceClient;
use jobflow::proto::job_service_client::JobServiceClient;
use jobflow::proto::{GetServerInfoRequest, ListAuditEventsRequest, SubmitJobRequest};
use jobflow::testing::{TestAuthority, TestQueue, wait_for};
use tokio::process::Child;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Code, Request};

use super::binding::{Start, start};
use super::with;

const MAILER: u64 = 7;
const OTHER: u64 = 8;

const PRINCIPALS: &str = "
[[principal]]
name = 'mailer'
role = 'submitter'
queues = ['mail']

[[principal]]
name = 'boss'
role = 'admin'
";

struct Setup {
    authority: TestAuthority,
    queue: TestQueue,
    child: Child,
    port: u16,
    principals: PathBuf,
    revoked: PathBuf,
    admin: String,
}

impl Setup {
    async fn start() -> Self {
        let (authority, queue) = (TestAuthority::new(), TestQueue::new());
        let (cert, key) = authority.signed_files("server");
        let ca = authority.file("ca.pem", &authority.pem());
        let principals = authority.file("principals.toml", PRINCIPALS);
        let revoked = authority.file("revoked.pem", &authority.revoke(&[]));
        let admin = authority.file("admin.token", "");
        std::fs::remove_file(&admin).unwrap();
        let words = [
            ("--auth", "tokens".to_owned()),
            ("--listen", "127.0.0.1:0".to_owned()),
            ("--tls-cert", cert.display().to_string()),
            ("--tls-key", key.display().to_string()),
            ("--tls-client-ca", ca.display().to_string()),
            ("--tls-client-crl", revoked.display().to_string()),
            ("--tls-principals", principals.display().to_string()),
            ("--admin-token-file", admin.display().to_string()),
        ];
        let words: Vec<_> = words
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect();
        let (child, port) = match start(&queue, &words).await {
            Start::Serves(child, port) => (child, port),
            Start::Refuses(said) => panic!("{said}"),
        };
        Self {
            admin: std::fs::read_to_string(admin).unwrap().trim().to_owned(),
            authority,
            queue,
            child,
            port,
            principals,
            revoked,
        }
    }

    /// A connection that shows a certificate of this name and number.
    async fn connect(&self, name: &str, serial: u64) -> Result<Channel, String> {
        let (cert, key) = self.authority.sign_with(name, |params| {
            params.serial_number = Some(serial.into());
        });
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.authority.pem()))
            .identity(Identity::from_pem(cert, key));
        let url = format!("https://localhost:{}", self.port);
        let endpoint = Channel::from_shared(url).unwrap().tls_config(tls).unwrap();
        endpoint
            .connect()
            .await
            .map_err(|error| format!("{error:?}"))
    }

    fn hang_up(&self) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.unwrap().success());
    }
}

async fn submit(channel: &Channel, queue: &str) -> Result<(), Code> {
    let request = SubmitJobRequest {
        queue: queue.to_owned(),
        kind: "noop".to_owned(),
        ..SubmitJobRequest::default()
    };
    let mut jobs = JobServiceClient::new(channel.clone());
    let answer = jobs.submit_job(request).await;
    answer.map(drop).map_err(|status| status.code())
}

#[tokio::test]
async fn a_certificate_has_the_role_and_the_queues_of_its_principal() {
    let setup = Setup::start().await;
    let mailer = setup.connect("mailer", MAILER).await.unwrap();
    assert_eq!(submit(&mailer, "mail").await, Ok(()));
    assert_eq!(submit(&mailer, "other").await, Err(Code::PermissionDenied));
    let mut admin = AdminServiceClient::new(mailer.clone());
    let refused = admin.list_audit_events(ListAuditEventsRequest::default());
    assert_eq!(refused.await.unwrap_err().code(), Code::PermissionDenied);

    // One that is signed and stands for nobody is nobody, until it shows a token.
    let stranger = setup.connect("stranger", OTHER).await.unwrap();
    assert_eq!(submit(&stranger, "mail").await, Err(Code::Unauthenticated));
    let mut admin = AdminServiceClient::new(stranger);
    let known = admin.get_server_info(with(&setup.admin, GetServerInfoRequest {}));
    known.await.unwrap();

    // A token counts before a certificate, also one that does not hold.
    let boss = setup.connect("boss", OTHER).await.unwrap();
    let mut admin = AdminServiceClient::new(boss);
    let events = admin.list_audit_events(Request::new(ListAuditEventsRequest::default()));
    let events = events.await.unwrap().into_inner().events;
    let by_mailer = events
        .iter()
        .any(|event| event.caller == "certificate mailer");
    assert!(by_mailer, "what was refused is in the log: {events:?}");
    let wrong = format!("jf_{}_{}", "0".repeat(12), "A".repeat(43));
    let refused = admin.get_server_info(with(&wrong, GetServerInfoRequest {}));
    assert_eq!(refused.await.unwrap_err().code(), Code::Unauthenticated);
    setup.queue.close().await;
}

#[tokio::test]
async fn a_principal_that_is_taken_away_is_nobody_after_a_hangup() {
    let setup = Setup::start().await;
    let mailer = setup.connect("mailer", MAILER).await.unwrap();
    assert_eq!(submit(&mailer, "mail").await, Ok(()));
    std::fs::write(&setup.principals, "").unwrap();
    setup.hang_up();
    // On the connection that is open, too.
    wait_for("the principal to be gone", async || {
        (submit(&mailer, "mail").await == Err(Code::Unauthenticated)).then_some(())
    })
    .await;
    setup.queue.close().await;
}

#[tokio::test]
async fn a_revoked_certificate_is_not_heard_after_a_hangup() {
    let setup = Setup::start().await;
    let mailer = setup.connect("mailer", MAILER).await.unwrap();
    assert_eq!(submit(&mailer, "mail").await, Ok(()));
    std::fs::write(&setup.revoked, setup.authority.revoke(&[MAILER])).unwrap();
    setup.hang_up();
    wait_for("the certificate to be refused", async || {
        let channel = setup.connect("mailer", MAILER).await;
        let heard = match channel {
            Ok(channel) => submit(&channel, "mail").await.is_ok(),
            Err(_) => false,
        };
        (!heard).then_some(())
    })
    .await;
    // Others are heard as before.
    let newer = setup.connect("mailer", OTHER).await.unwrap();
    assert_eq!(submit(&newer, "mail").await, Ok(()));
    setup.queue.close().await;
}

#[tokio::test]
async fn a_certificate_of_the_server_is_renewed_by_a_hangup() {
    let setup = Setup::start().await;
    let before = setup.connect("mailer", MAILER).await.unwrap();
    // Another authority's certificate shows which one is served.
    let (cert, key) = TestAuthority::new().sign("server");
    let _cert = setup.authority.file("server.pem", &cert);
    let _key = setup.authority.file("server.key", &key);
    setup.hang_up();
    wait_for("the other certificate to be shown", async || {
        let refused = setup.connect("mailer", MAILER).await.err()?;
        refused.contains("InvalidCertificate").then_some(())
    })
    .await;
    // Who was connected stays so.
    assert_eq!(submit(&before, "mail").await, Ok(()));
    setup.queue.close().await;
}
