use crate::cli::run;
use crate::fake::{FakeServer, id};

/// Nothing listens on the discard port of this machine.
const NOBODY: &str = "http://127.0.0.1:9";

async fn code_of(server: &str, args: &str) -> Option<i32> {
    run(server, args.split(' ')).await.code
}

#[tokio::test]
async fn each_outcome_has_its_exit_code() {
    let server = FakeServer::start().await;
    for (args, code) in [
        ("submit resize", 0),
        ("submit resize --wait", 0),
        ("job get 0198c0de-0000-7000-8000-ffffffffffff", 3),
        ("submit conflict", 4),
        ("submit forbidden", 5),
        ("submit fails --wait", 7),
        ("submit cancelled --wait", 7),
        ("submit stuck --wait --wait-timeout 1ms", 8),
        ("submit silent --timeout 300ms", 8),
        ("submit rejected", 2),
    ] {
        assert_eq!(code_of(&server.url, args).await, Some(code), "{args}");
    }
}

#[tokio::test]
async fn wrong_usage_is_2_and_asks_no_server() {
    for args in [
        "submit resize --bogus",
        "submit resize --priority 10",
        "submit resize --attempts 0",
        "submit resize --delay soon",
        "submit resize --data {",
        "submit resize --delay 5m --run-at 2030-01-31T09:00:00Z",
        "submit no:such:kind",
        "submit - --wait",
        "job get 7",
        "metrics -o id",
        "--server redis://localhost queue list",
    ] {
        assert_eq!(code_of(NOBODY, args).await, Some(2), "{args}");
    }
}

#[tokio::test]
async fn no_server_is_6_and_says_what_to_do() {
    for args in ["submit resize", "queue list", "metrics", "metrics --watch"] {
        let args = format!("{args} --retry-for 0s");
        let outcome = run(NOBODY, args.split(' ')).await;
        assert_eq!(outcome.code, Some(6), "{args}");
        assert_eq!(outcome.stdout, "");
        assert!(outcome.stderr.contains(NOBODY), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("--server"), "{}", outcome.stderr);
    }
}

#[tokio::test]
async fn waiting_for_a_job_ends_as_the_job_does() {
    let server = FakeServer::start().await;
    for (kind, code) in [("resize", 0), ("fails", 7), ("stuck", 8)] {
        let submitted = run(&server.url, ["submit", kind, "-o", "id"]).await;
        let id = submitted.stdout.trim();
        let waited = run(&server.url, ["job", "wait", id, "--timeout", "1s"]).await;
        assert_eq!(waited.code, Some(code), "{kind}");
    }
}

#[tokio::test]
async fn an_error_names_its_reason_also_as_json() {
    let server = FakeServer::start().await;
    let text = run(&server.url, ["job", "get", &id(7)]).await;
    assert!(text.stderr.contains("(JOB_NOT_FOUND)"), "{}", text.stderr);
    let json = run(&server.url, ["job", "get", &id(7), "-o", "json"]).await;
    let error: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(error["error"]["reason"], "JOB_NOT_FOUND");
    assert_eq!(json.stdout, "");
}
