//! What goes on until it ends or is ended.

use std::process::Stdio;

use jobflow::proto::{JobState, WatchEventsRequest, WatchEventsResponse, WatchJobRequest};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::cli::{command, run};
use crate::fake::{FakeServer, Script, event, id};

#[tokio::test]
async fn a_watched_job_tells_its_state_progress_log_and_result() {
    let server = FakeServer::scripted(Script::stocked()).await;
    let outcome = run(&server.url, ["job", "watch", &id(0)]).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(lines[0], "active, attempt 1 of 3");
    assert_eq!(lines[1], "0% step 0");
    assert!(lines[2].ends_with(" line 0"), "{lines:?}");
    assert_eq!(lines[3], "50% step 1");
    assert!(lines[5].starts_with("completed"), "{lines:?}");
    assert_eq!(lines[6], "{\"w\":64}");
}

#[tokio::test]
async fn a_watched_job_that_fails_is_7() {
    let server = FakeServer::scripted(Script::stocked()).await;
    let outcome = run(&server.url, ["job", "watch", &id(1), "-o", "jsonl"]).await;
    assert_eq!(outcome.code, Some(7));
    let messages: Vec<Value> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(messages[0]["log_lines"][0]["text"], "line 0");
    assert_eq!(messages[2]["job"]["state"], "failed");
    let missing = run(&server.url, ["job", "watch", &id(77)]).await;
    assert_eq!(missing.code, Some(3));
}

#[tokio::test]
async fn a_watch_goes_on_behind_the_last_line_when_the_server_restarts() {
    let script = Script {
        break_streams: 1,
        ..Script::stocked()
    };
    let server = FakeServer::scripted(script).await;
    let outcome = run(&server.url, ["job", "watch", &id(0)]).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(
        outcome.stdout.matches(" line 0").count(),
        1,
        "{}",
        outcome.stdout
    );
    assert_eq!(
        outcome.stdout.matches(" line 1").count(),
        1,
        "{}",
        outcome.stdout
    );
    let calls = server.script().calls::<WatchJobRequest>();
    assert_eq!((calls[0].from_line, calls[1].from_line), (0, 1));
}

fn with_events() -> Script {
    let gap = WatchEventsResponse {
        gap_queue: "mail".to_owned(),
        ..WatchEventsResponse::default()
    };
    Script {
        events: vec![
            event(0, JobState::Waiting),
            gap,
            event(0, JobState::Active),
            event(0, JobState::Completed),
        ],
        ..Script::default()
    }
}

#[tokio::test]
async fn events_end_when_they_have_caught_up_and_tell_of_gaps() {
    let server = FakeServer::scripted(with_events()).await;
    let args = ["events", "--filter", "queue = mail", "-o", "jsonl"];
    let outcome = run(&server.url, args).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let states: Vec<_> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone())
        .collect();
    assert_eq!(states, ["waiting", "active", "completed"]);
    assert!(outcome.stderr.contains("queue mail"), "{}", outcome.stderr);
    assert_eq!(
        server.script().calls::<WatchEventsRequest>()[0].filter,
        "queue = mail"
    );
}

#[tokio::test]
async fn a_token_file_remembers_how_far_the_events_were_read() {
    let server = FakeServer::scripted(with_events()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let args = ["events", "--resume-token-file", file.to_str().unwrap()];
    assert_eq!(run(&server.url, args).await.stdout.lines().count(), 3);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "4");

    server.script().events.push(event(1, JobState::Failed));
    let next = run(&server.url, args).await;
    assert_eq!(next.stdout.lines().count(), 1);
    assert!(next.stdout.contains("failed"), "{}", next.stdout);
    let tokens: Vec<_> = server
        .script()
        .calls::<WatchEventsRequest>()
        .into_iter()
        .map(|call| call.resume_token)
        .collect();
    assert_eq!(tokens, ["", "4"]);
}

#[tokio::test]
async fn followed_events_survive_a_restart_without_loss_or_repetition() {
    let script = Script {
        break_streams: 2,
        ..with_events()
    };
    let server = FakeServer::scripted(script).await;
    let mut child = command(&server.url, ["events", "--follow"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for state in ["waiting", "active", "completed"] {
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(
            line.contains(&format!(" {state} {} mail send", id(0))),
            "{line}"
        );
    }
    let calls = server.script().calls::<WatchEventsRequest>();
    assert_eq!(calls[1].resume_token, "1");
    assert_eq!(calls[2].resume_token, "2");
}

#[tokio::test]
async fn a_watched_list_prints_what_is_new_or_changed() {
    let server = FakeServer::scripted(Script::stocked()).await;
    let args = ["job", "list", "--watch", "--interval", "20ms"];
    let mut child = command(&server.url, args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for number in 0..5 {
        let line = lines.next_line().await.unwrap().unwrap();
        let json: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["id"], id(number));
    }
    server.script().jobs[2].set_state(JobState::Completed);
    let line = lines.next_line().await.unwrap().unwrap();
    let json: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&json["id"], &json["state"]),
        (&id(2).into(), &"completed".into())
    );
}

#[tokio::test]
async fn a_watched_list_is_bounded() {
    let server = FakeServer::start().await;
    for args in [
        "job list --watch --limit 0",
        "dead list --watch --limit 1001",
        "queue list --watch -o id",
    ] {
        assert_eq!(
            run(&server.url, args.split(' ')).await.code,
            Some(2),
            "{args}"
        );
    }
}

#[tokio::test]
async fn a_closed_pipe_ends_every_command_quietly() {
    let server = FakeServer::scripted(Script {
        events: (0..10_000)
            .map(|number| event(number, JobState::Waiting))
            .collect(),
        ..Script::stocked()
    })
    .await;
    for args in [
        "job list -o jsonl",
        "queue list",
        "worker list",
        "dead groups",
        "events --follow",
        "metrics --watch",
        "doctor",
        "man",
        "markdown",
        "completions bash",
        "top --once",
    ] {
        let mut child = command(&server.url, args.split(' '))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Nobody ever reads.
        drop(child.stdout.take());
        let output = child.wait_with_output().await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), stderr.as_str()),
            (Some(0), ""),
            "{args}"
        );
    }
}
