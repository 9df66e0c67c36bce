//! `AdminService`.

use jobflow::testing::{TestQueue, TestRedis, queue_key};
use jobflow::{Namespace, NewJob, QueueName, proto};

use crate::support::Server;

async fn check(server: &Server, fix: bool) -> proto::CheckIntegrityResponse {
    let request = proto::CheckIntegrityRequest { fix };
    let checked = server.admin().check_integrity(request).await.unwrap();
    checked.into_inner()
}

fn severity(checked: &proto::CheckIntegrityResponse, check: &str) -> proto::Severity {
    let mut findings = checked.findings.iter();
    let found = findings.find(|finding| finding.check == check).unwrap();
    let is_well = found.severity() == proto::Severity::Ok;
    assert_eq!(found.advice.is_empty(), is_well, "{found:?}");
    found.severity()
}

#[tokio::test]
async fn an_integrity_check_tells_the_worst_first_and_what_to_do() {
    let redis = TestRedis::start();
    let server = Server::over_redis(&redis).await;
    let id = server.queue.submit(NewJob::new("k", "").unwrap()).await;
    id.unwrap();
    let well = check(&server, false).await;
    assert_eq!(well.jobs, 1);
    assert_eq!(severity(&well, "JOBS"), proto::Severity::Ok);
    assert_eq!(severity(&well, "STORE_VERSION"), proto::Severity::Ok);
    assert_eq!(
        severity(&well, "STORE_PERSISTENCE"),
        proto::Severity::Warning
    );

    // Somebody else writes to our keys, and to the settings.
    let key = queue_key(&Namespace::default(), &QueueName::default(), "specs");
    let stored = redis.cli(&["HSET", &key, "0123456789abcdef", "x"]);
    let set = redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    assert_eq!((stored.trim(), set.trim()), ("1", "OK"));
    let bad = check(&server, false).await;
    assert_eq!(severity(&bad, "JOBS"), proto::Severity::Error);
    assert_eq!(severity(&bad, "STORE_EVICTION"), proto::Severity::Error);
    let severities: Vec<_> = bad
        .findings
        .iter()
        .map(|finding| finding.severity)
        .collect();
    assert!(severities.is_sorted_by(|a, b| a >= b), "{severities:?}");
    assert_eq!((bad.damages.len(), bad.damage_count), (1, 1));
    assert_eq!(bad.damages[0].kind, "NO_STATE");
    assert!(!bad.damages[0].mended && bad.damages[0].done.is_empty());

    let mended = check(&server, true).await;
    assert_eq!(severity(&mended, "JOBS"), proto::Severity::Ok);
    assert!(mended.damages[0].mended, "{mended:?}");
    assert_eq!(check(&server, false).await.damages, Vec::new());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_tells_its_version_and_namespace() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let request = proto::GetServerInfoRequest {};
    let info = server.admin().get_server_info(request).await.unwrap();
    let info = info.into_inner();
    assert_eq!(info.namespace, queue.config().namespace.to_string());
    assert!(!info.version.is_empty() && info.layout_version > 0);
    server.stop().await.unwrap();
    queue.close().await;
}
