use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::cli::{command, run};
use crate::fake::{FakeServer, Script};

#[tokio::test]
async fn one_snapshot_is_the_default() {
    let server = FakeServer::start().await;
    let table = run(&server.url, ["metrics"]).await;
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(table.stdout.contains("health"), "{}", table.stdout);
    let json = run(&server.url, ["metrics", "-o", "json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["sequence"], &json["counts"]["waiting"]),
        (&1.into(), &3.into())
    );
}

#[tokio::test]
async fn the_past_is_printed_step_by_step() {
    let server = FakeServer::start().await;
    let day = ["metrics", "--last", "24h", "--step", "1h"];
    let table = run(&server.url, day).await;
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    let lines: Vec<_> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 1 + 24 + 1, "{}", table.stdout);
    assert!(lines[0].starts_with("BEGAN") && lines[0].contains("RUN P50"));
    assert!(lines[2].contains("1m 30s") && lines[25].starts_with("all"));
    let json = run(&server.url, [&day[..], &["-o", "json"]].concat()).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["points"].as_array().unwrap().len(), 24);
    assert_eq!(json["points"][3]["counted"]["submitted"], 3);
    assert_eq!(json["points"][3]["run"]["p95"], "3s");
    assert_eq!(json["points"][0].get("run"), None);
    let lines = run(&server.url, [&day[..], &["-o", "jsonl"]].concat()).await;
    assert_eq!(lines.stdout.lines().count(), 24);
    let missing = ["metrics", "--last", "1h", "--queue", "missing"];
    assert_eq!(run(&server.url, missing).await.code, Some(3));
    for wrong in [
        &["metrics", "--step", "1h"][..],
        &["metrics", "--last", "1h", "--watch"],
    ] {
        assert_eq!(run(&server.url, wrong.to_vec()).await.code, Some(2));
    }
}

#[tokio::test]
async fn watching_prints_a_line_per_message_and_connects_again() {
    let script = Script {
        metrics_messages: Some(2),
        ..Script::default()
    };
    let server = FakeServer::scripted(script).await;
    let mut child = command(&server.url, ["metrics", "--watch", "-o", "jsonl"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for sequence in [1, 2, 1, 2] {
        let line = lines.next_line().await.unwrap().unwrap();
        let json: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["sequence"], sequence);
    }
    assert!(server.script().streams >= 2);
}

#[tokio::test]
async fn watching_into_a_closed_pipe_ends_quietly() {
    let server = FakeServer::start().await;
    let mut child = command(&server.url, ["metrics", "--watch"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.contains("waiting=3"), "{line}");
    drop(lines);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn top_prints_one_frame_of_each_tab_for_scripts() {
    let server = FakeServer::scripted(Script::stocked()).await;
    for (tab, word) in [
        ("overview", "oldest waiting"),
        ("queues", "mail"),
        ("jobs", "0198c0de-0000-7000-8000-000000000004"),
        ("workers", "web-2-4712"),
        ("dead", "7,000"),
    ] {
        let frame = run(&server.url, ["top", "--once", "--tab", tab]).await;
        assert_eq!(frame.code, Some(0), "{}", frame.stderr);
        assert_eq!(frame.stdout.lines().count(), 24);
        assert!(frame.stdout.lines().all(|line| line.chars().count() <= 80));
        assert!(frame.stdout.contains(word), "{tab}:\n{}", frame.stdout);
        assert!(!frame.stdout.contains('\x1b'));
    }
    let args = ["top", "--once", "--width", "120", "--height", "10"];
    let frame = run(&server.url, args).await;
    assert_eq!(frame.stdout.lines().count(), 10);
    assert_eq!(run(&server.url, ["top"]).await.code, Some(2));
    assert_eq!(
        run(&server.url, ["top", "--width", "9"]).await.code,
        Some(2)
    );
    let nobody = ["top", "--once", "--retry-for", "0s"];
    assert_eq!(run("http://127.0.0.1:9", nobody).await.code, Some(6));
}
