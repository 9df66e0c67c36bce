use std::collections::HashSet;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::cli::{Outcome, command, run_with_input};
use crate::fake::{FakeServer, Script, id};

const MANY: usize = 10_000;

fn lines(number: usize) -> String {
    (0..number)
        .map(|line| format!("{{\"kind\":\"count\",\"data\":{line}}}\n"))
        .collect()
}

async fn submit(server: &FakeServer, args: &[&str], input: &str) -> Outcome {
    run_with_input(&server.url, ["submit"].iter().chain(args), input).await
}

#[tokio::test]
async fn each_id_of_many_is_printed_once_and_in_order() {
    let server = FakeServer::start().await;
    let outcome = submit(&server, &["-"], &lines(MANY)).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);

    let script = server.script();
    let payload_of = |id: &str| {
        let job = script.jobs.iter().find(|job| job.id == id).unwrap();
        String::from_utf8(job.payload.to_vec()).unwrap()
    };
    let ids: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), MANY);
    for line in [0, 499, 500, 5_001, MANY - 1] {
        assert_eq!(payload_of(ids[line]), line.to_string());
    }
    assert!(
        outcome.stderr.contains("10,000 jobs created"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn a_bad_line_is_named_and_the_others_go_on() {
    let server = FakeServer::start().await;
    let input =
        "{\"kind\":\"a\"}\nnonsense\n\n{\"kind\":\"rejected\"}\n{\"name\":\"b\",\"data\":[]}\n";
    // No kind at all: standard input is not a terminal.
    let outcome = submit(&server, &[], input).await;
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stdout, format!("{}\n{}\n", id(0), id(1)));
    assert!(outcome.stderr.contains("line 2: "), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("line 4: kind: no (INVALID_FIELD)"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("2 rejected"), "{}", outcome.stderr);
}

#[tokio::test]
async fn as_json_lines_every_line_has_a_verdict() {
    let server = FakeServer::start().await;
    let input = "{\"kind\":\"a\"}\nnonsense\n{\"kind\":\"rejected\"}\n";
    let outcome = submit(&server, &["-", "-o", "jsonl"], input).await;
    let results: Vec<Value> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let verdicts: Vec<_> = results.iter().map(|result| &result["verdict"]).collect();
    assert_eq!(verdicts, ["created", "rejected", "rejected"]);
    assert_eq!(results[0]["id"], id(0));
    assert_eq!(results[2]["line"], 3);
    assert_eq!(results[2]["field"], "kind");
}

#[tokio::test]
async fn lines_can_be_payloads_of_one_kind() {
    let server = FakeServer::start().await;
    let outcome = submit(
        &server,
        &["count", "--lines", "--queue", "q"],
        "1\n[2, 3]\nx\n",
    )
    .await;
    assert_eq!(outcome.code, Some(1));
    let script = server.script();
    let payloads: Vec<_> = script.jobs.iter().map(|job| job.payload.clone()).collect();
    assert_eq!(payloads, ["1", "[2, 3]"]);
    assert!(
        script
            .jobs
            .iter()
            .all(|job| job.kind == "count" && job.queue == "q")
    );
}

#[tokio::test]
async fn what_could_not_be_taken_for_a_moment_is_sent_again() {
    let script = Script {
        refuse_calls: 2,
        lose_answers: 1,
        reject_jobs: 700,
        ..Script::default()
    };
    let server = FakeServer::scripted(script).await;
    let outcome = submit(&server, &["-"], &lines(1_000)).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.lines().collect::<HashSet<_>>().len(), 1_000);

    assert!(
        outcome.stderr.contains("1,000 jobs created in"),
        "{}",
        outcome.stderr
    );

    let script = server.script();
    assert!(script.requests.len() > 1_000);
    let request_ids: HashSet<_> = script
        .requests
        .iter()
        .map(|request| &request.request_id)
        .collect();
    assert_eq!(request_ids.len(), 1_000);
}

#[tokio::test]
async fn a_server_that_vanishes_is_6_with_the_last_acknowledged_line() {
    let script = Script {
        vanish_after: Some(2_000),
        ..Script::default()
    };
    let server = FakeServer::scripted(script).await;
    let outcome = submit(&server, &["-", "--retry-for", "100ms"], &lines(MANY)).await;
    assert_eq!(outcome.code, Some(6));
    let printed = outcome.stdout.lines().count();
    // Answers that were on their way went with the server.
    assert!((1..MANY).contains(&printed), "{printed}");
    let last = format!("up to line {},{:03}", printed / 1_000, printed % 1_000);
    assert!(outcome.stderr.contains(&last), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_trickling_line_is_answered_at_once() {
    let server = FakeServer::start().await;
    let mut child = command(&server.url, ["submit", "-"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut ids = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in 0..3 {
        stdin.write_all(b"{\"kind\":\"a\"}\n").await.unwrap();
        assert_eq!(ids.next_line().await.unwrap(), Some(id(line)));
    }
    drop(stdin);
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_closed_pipe_ends_it_quietly() {
    let server = FakeServer::start().await;
    let mut child = command(&server.url, ["submit", "-"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut ids = BufReader::new(child.stdout.take().unwrap()).lines();
    stdin.write_all(b"{\"kind\":\"a\"}\n").await.unwrap();
    ids.next_line().await.unwrap();
    drop(ids);
    // It learns of it when it prints again.
    stdin.write_all(b"{\"kind\":\"a\"}\n").await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[cfg(unix)]
#[tokio::test]
async fn an_interruption_is_130_and_says_how_far_it_came() {
    let server = FakeServer::start().await;
    let mut child = command(&server.url, ["submit", "-"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut ids = BufReader::new(child.stdout.take().unwrap()).lines();
    stdin.write_all(b"{\"kind\":\"a\"}\n").await.unwrap();
    ids.next_line().await.unwrap();

    let pid = child.id().unwrap().to_string();
    std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .unwrap();
    let output = child.wait_with_output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("up to line 1"), "{stderr}");
}
