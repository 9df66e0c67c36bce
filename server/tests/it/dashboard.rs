//! The dashboard, built or not.

use http::{Method, StatusCode};
use jobflow::testing::TestQueue;

use crate::support::{Answer, Server};

fn assert_guarded(answer: &Answer) {
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn a_browser_gets_a_page_for_every_path_that_is_no_api() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    let browser = [("accept", "text/html,application/xhtml+xml")];
    let root = server.get("/").await;
    let deep = server.call(Method::GET, "/queues/mail", &browser, "").await;
    for answer in [&root, &deep] {
        assert_guarded(answer);
        assert!(
            answer.header("content-type").starts_with("text/html"),
            "{answer:?}"
        );
    }
    assert_eq!(root.body, deep.body);
    if root.status == StatusCode::OK {
        assert_eq!(root.header("cache-control"), "no-cache");
        let known = [("if-none-match", root.header("etag"))];
        let answer = server.call(Method::GET, "/", &known, "").await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::NOT_MODIFIED, "")
        );
    } else {
        assert!(root.body.contains("cargo xtask web"), "{}", root.body);
    }
    server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn nothing_outside_the_bundle_is_served() {
    let queue = TestQueue::new();
    let server = Server::over(&queue).await;
    for path in [
        "/../Cargo.toml",
        "/..%2fCargo.toml",
        "/%2e%2e/Cargo.toml",
        "//etc/passwd",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json()["success"], false);
        assert_guarded(&answer);
    }
    server.stop().await.unwrap();
    queue.close().await;
}
