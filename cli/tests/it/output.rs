use serde_json::Value;

use crate::cli::run;
use crate::fake::{FakeServer, id};

#[tokio::test]
async fn a_submit_prints_what_was_asked_for() {
    let server = FakeServer::start().await;
    let submit =
        async |form: &'static str| run(&server.url, ["submit", "resize", "-o", form]).await;

    let table = submit("table").await;
    assert_eq!(
        table.stdout,
        format!("submitted {} resize waiting\n", id(0))
    );
    assert_eq!(submit("id").await.stdout, format!("{}\n", id(1)));
    let json: Value = serde_json::from_str(&submit("json").await.stdout).unwrap();
    assert_eq!(json["id"], id(2));
    assert_eq!(json["state"], "waiting");
    assert_eq!(json["duplicate"], false);
    assert_eq!(submit("jsonl").await.stdout.lines().count(), 1);
    assert_eq!(table.stderr, "");
}

#[tokio::test]
async fn a_waited_submit_prints_the_end_and_the_result() {
    let server = FakeServer::start().await;
    let args = ["submit", "echo", "--data", "[1.10]", "--wait"];

    let table = run(&server.url, args).await;
    let lines: Vec<_> = table.stdout.lines().collect();
    assert_eq!(lines[0], format!("submitted {} echo waiting", id(0)));
    assert_eq!(lines[1], format!("completed {}, attempt 1 of 3", id(0)));
    assert_eq!(lines[2], "[1.10]");

    let json = run(&server.url, args.into_iter().chain(["-o", "jsonl"])).await;
    assert_eq!(json.stdout.lines().count(), 1);
    assert!(json.stdout.contains("\"result\":[1.10]"), "{}", json.stdout);

    let ids = run(&server.url, args.into_iter().chain(["-o", "id"])).await;
    assert_eq!(ids.stdout, format!("{}\n", id(2)));
}

#[tokio::test]
async fn a_failed_job_tells_why_on_standard_error() {
    let server = FakeServer::start().await;
    let outcome = run(&server.url, ["submit", "fails", "--wait"]).await;
    assert!(outcome.stdout.contains("failed"), "{}", outcome.stdout);
    assert!(
        outcome.stderr.contains("HANDLER_ERROR: boom"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn queues_of_all_pages_are_listed_in_columns() {
    let server = FakeServer::start().await;
    let table = run(&server.url, ["queue", "list"]).await.stdout;
    let columns: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(columns[0][..2], ["QUEUE", "WAITING"]);
    assert_eq!(columns[1][..2], ["default", "1,204"]);
    assert_eq!(columns[2][..2], ["mail", "7"]);

    let json = run(&server.url, ["queue", "list", "-o", "json"])
        .await
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["counts"]["waiting"], 1_204);
    let ids = run(&server.url, ["queue", "list", "-o", "id"]).await.stdout;
    assert_eq!(ids, "default\nmail\n");
}

#[tokio::test]
async fn colour_is_for_terminals_unless_asked_for() {
    let server = FakeServer::start().await;
    let plain = run(&server.url, ["queue", "list"]).await.stdout;
    assert!(!plain.contains('\x1b'));
    let colour = run(&server.url, ["queue", "list", "--color", "always"])
        .await
        .stdout;
    assert!(colour.contains('\x1b'));
}

#[tokio::test]
async fn completions_and_manual_need_no_server() {
    for args in [
        ["completions", "bash"].as_slice(),
        &["completions", "zsh"],
        &["man"],
    ] {
        let outcome = run("http://127.0.0.1:9", args).await;
        assert_eq!(outcome.code, Some(0));
        assert!(outcome.stdout.contains("jobflow-cli"), "{args:?}");
    }
}
