use jobflow::proto::submit_job_request::{StartLimit, When};
use jobflow::proto::{Durability, KeyScope, OnConflict};

use crate::cli::{run, run_with_input};
use crate::fake::{FakeServer, Script, id};

#[tokio::test]
async fn the_payload_arrives_byte_for_byte() {
    let data = r#"{"n":12345678901234567890,"e":[],"o":{},"s":"\u0000é😀","f":1.10}"#;
    let server = FakeServer::start().await;
    run(&server.url, ["submit", "echo", "--data", data]).await;
    run_with_input(
        &server.url,
        ["submit", "echo", "--data-file", "-"],
        &format!(" {data}\n"),
    )
    .await;
    run(&server.url, ["submit", "echo"]).await;

    let script = server.script();
    assert_eq!(script.requests[0].payload, data);
    assert_eq!(script.requests[1].payload, format!(" {data}\n"));
    assert_eq!(script.requests[2].payload, "null");
}

#[tokio::test]
async fn other_media_types_need_not_be_json() {
    let server = FakeServer::start().await;
    let args = [
        "submit",
        "echo",
        "--data",
        "plain {",
        "--content-type",
        "text/plain",
    ];
    assert_eq!(run(&server.url, args).await.code, Some(0));
    assert_eq!(server.script().requests[0].payload, "plain {");
}

#[tokio::test]
async fn every_option_reaches_the_server() {
    let server = FakeServer::start().await;
    let args = "submit resize --queue images --priority 1 --delay 5m --attempts 7 \
                --job-timeout 30s --header a=1 --header b=x=y --idempotency-key k1";
    assert_eq!(
        run(&server.url, args.split_whitespace()).await.code,
        Some(0)
    );

    let request = server.script().requests[0].clone();
    let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
    assert_eq!(
        (request.queue.as_str(), request.kind.as_str()),
        ("images", "resize")
    );
    assert_eq!((request.priority, request.max_attempts), (Some(1), Some(7)));
    assert_eq!(request.when, Some(When::Delay(seconds(300))));
    assert_eq!(request.timeout, Some(seconds(30)));
    assert_eq!(request.headers["b"], "x=y");
    assert_eq!(request.idempotency_key, "k1");
}

#[tokio::test]
async fn the_rules_of_a_submit_reach_the_server() {
    let server = FakeServer::start().await;
    let rules = "--tag eu --tag x:1 --start-within 1h --on-conflict cancel-active \
                 --key-scope unfinished --durability fsync --idempotency-key k1";
    let one = format!("submit resize {rules}");
    assert_eq!(run(&server.url, one.split_whitespace()).await.code, Some(0));
    // As defaults of lines, which may say otherwise.
    let many = format!("submit - {}", rules.replace("--idempotency-key k1", ""));
    let lines = "{\"kind\":\"a\"}\n{\"kind\":\"b\",\"tags\":[],\"on_conflict\":\"reject\",\
                 \"key_scope\":\"kept\",\"durability\":\"memory\",\"start_before\":\"2030-01-31T09:00:00Z\"}\n";
    let outcome = run_with_input(&server.url, many.split_whitespace(), lines).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);

    let requests = server.script().requests.clone();
    let hour = prost_types::Duration {
        seconds: 3_600,
        nanos: 0,
    };
    for request in &requests[..2] {
        assert_eq!(request.tags, ["eu", "x:1"]);
        assert_eq!(request.start_limit, Some(StartLimit::StartWithin(hour)));
        assert_eq!(request.on_conflict(), OnConflict::CancelActive);
        assert_eq!(request.key_scope(), KeyScope::Unfinished);
        assert_eq!(request.durability(), Durability::Fsync);
    }
    assert_eq!(requests[2].durability(), Durability::Memory);
    assert!(requests[2].tags.is_empty());
    assert_eq!(requests[2].on_conflict(), OnConflict::Reject);
    assert_eq!(requests[2].key_scope(), KeyScope::Kept);
    assert!(matches!(
        requests[2].start_limit,
        Some(StartLimit::StartBeforeTime(_))
    ));
}

#[tokio::test]
async fn a_job_that_takes_the_place_of_another_names_it() {
    let server = FakeServer::start().await;
    let text = run(&server.url, ["submit", "replaces"]).await.stdout;
    assert!(
        text.ends_with(&format!(" in place of {}\n", id(99))),
        "{text}"
    );
    let json = run(&server.url, ["submit", "replaces", "-o", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["replaced_id"], id(99));
}

#[tokio::test]
async fn an_unavailable_server_is_asked_again_with_the_same_request_id() {
    let script = Script {
        refuse_calls: 2,
        ..Script::default()
    };
    let server = FakeServer::scripted(script).await;
    let outcome = run(&server.url, ["submit", "resize"]).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);

    let script = server.script();
    let first = &script.requests[0].request_id;
    assert!(!first.is_empty());
    assert_eq!(script.requests.len(), 3);
    assert!(
        script
            .requests
            .iter()
            .all(|request| &request.request_id == first)
    );
    assert_eq!(script.jobs.len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_call_is_made_again() {
    let script = Script {
        hang_ups: 2,
        ..Script::default()
    };
    let server = FakeServer::scripted(script).await;
    let outcome = run(&server.url, ["submit", "resize"]).await;
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(server.script().jobs.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_makes_no_duplicate() {
    let script = Script {
        lose_answers: 1,
        ..Script::default()
    };
    let server = FakeServer::scripted(script).await;
    let outcome = run(&server.url, ["submit", "resize"]).await;
    assert!(
        outcome.stdout.starts_with("submitted"),
        "{}",
        outcome.stdout
    );
    assert_eq!(server.script().jobs.len(), 1);
}

#[tokio::test]
async fn a_job_in_doubt_is_submitted_again_until_it_is_not() {
    for (args, input) in [
        (["submit", "doubtful"], ""),
        (["submit", "-"], "{\"kind\":\"doubtful\"}\n"),
    ] {
        let script = Script {
            doubts: 1,
            ..Script::default()
        };
        let server = FakeServer::scripted(script).await;
        let outcome = run_with_input(&server.url, args, input).await;
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let script = server.script();
        assert_eq!((script.jobs.len(), script.requests.len()), (1, 2));
    }
}

#[tokio::test]
async fn a_job_that_stays_in_doubt_is_told_with_its_id() {
    for (args, input) in [
        (["submit", "doubtful", "--retry-for", "50ms"], ""),
        (
            ["submit", "-", "--retry-for", "50ms"],
            "{\"kind\":\"doubtful\"}\n",
        ),
    ] {
        let script = Script {
            doubts: usize::MAX,
            ..Script::default()
        };
        let server = FakeServer::scripted(script).await;
        let outcome = run_with_input(&server.url, args, input).await;
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&id(0)), "{}", outcome.stderr);
        assert_eq!(server.script().jobs.len(), 1);
    }
}

#[tokio::test]
async fn each_submit_has_a_request_id_of_its_own() {
    let server = FakeServer::start().await;
    run(&server.url, ["submit", "resize"]).await;
    run(&server.url, ["submit", "resize"]).await;
    assert_eq!(server.script().jobs.len(), 2);
}
