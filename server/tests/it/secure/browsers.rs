//! Pages of other origins change nothing.

use http::Method;
use jobflow::testing::TestQueue;
use jobflow_server::Config;

use crate::support::Server;

#[tokio::test]
async fn no_page_of_another_origin_changes_anything() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let evil = ("origin", "https://evil.example");
    let body = r#"{"name":"a"}"#;
    let web = "application/grpc-web+proto";
    for (method, path, kind) in [
        (Method::POST, "/jobs", "application/json"),
        (Method::POST, "/jobs", "text/plain"),
        (Method::POST, "/jobs", "application/x-www-form-urlencoded"),
        (
            Method::DELETE,
            "/jobs/01890a5d-ac96-774b-bcce-b302099a8057",
            "text/plain",
        ),
        (Method::POST, "/jobflow.v1.JobService/SubmitJob", web),
        (Method::POST, "/jobflow.v1.QueueService/PurgeQueue", web),
        (Method::OPTIONS, "/jobs", "text/plain"),
        (Method::GET, "/stats", "text/plain"),
    ] {
        for site in ["cross-site", "same-site"] {
            let headers = [("content-type", kind), evil, ("sec-fetch-site", site)];
            let answer = server.call(method.clone(), path, &headers, body).await;
            let refused = answer.status == 403 || answer.header("grpc-status") == "7";
            assert!(refused, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
    }
    assert_eq!(server.stored().await, 0);
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_listed_origin_gets_its_preflight_and_its_answer() {
    let queue = TestQueue::new();
    let server = Server::start(Config {
        redis_url: queue.config().redis_url.clone(),
        namespace: queue.config().namespace.clone(),
        allow_origin: vec!["https://jobs.example.com".to_owned()],
        ..Config::default()
    })
    .await;
    let origin = ("origin", "https://jobs.example.com");
    let ask = [
        origin,
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    let preflight = server.call(Method::OPTIONS, "/jobs", &ask, "").await;
    assert_eq!(preflight.status, 200);
    let allowed = preflight.header("access-control-allow-origin");
    assert_eq!(allowed, "https://jobs.example.com");
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    let json = ("content-type", "application/json");
    let cross = ("sec-fetch-site", "cross-site");
    let body = r#"{"name":"a"}"#;
    let made = server
        .call(Method::POST, "/jobs", &[json, origin, cross], body)
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let other = ("origin", "https://jobs.example.com.evil.example");
    let ask = [other, ask[1], ask[2]];
    let preflight = server.call(Method::OPTIONS, "/jobs", &ask, "").await;
    assert_eq!(preflight.header("access-control-allow-origin"), "");
    server.stop().await.unwrap();
    queue.close().await;
}
