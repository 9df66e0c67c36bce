//! `bulk` and `dead`.

use jobflow::proto::{
    BulkAction, BulkState, ListDeadLetterGroupsRequest, ListJobsRequest, StartBulkOperationRequest,
    StopBulkOperationRequest,
};
use serde_json::Value;

use crate::cli::{Outcome, run};
use crate::fake::{FakeServer, Script, id};

async fn ok(server: &FakeServer, args: &[&str]) -> Outcome {
    let outcome = run(&server.url, args).await;
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    outcome
}

fn started(server: &FakeServer) -> StartBulkOperationRequest {
    let calls = server.script().calls::<StartBulkOperationRequest>();
    calls.last().cloned().unwrap()
}

#[tokio::test]
async fn each_action_reaches_the_server_with_all_that_was_said() {
    let server = FakeServer::start().await;
    for (verb, action) in [
        ("cancel", BulkAction::Cancel),
        ("retry", BulkAction::Retry),
        ("delete", BulkAction::Delete),
        ("promote", BulkAction::Promote),
    ] {
        let args = [
            "bulk",
            verb,
            "--filter",
            "queue = mail",
            "--rate",
            "2.5",
            "--reason",
            "why",
        ];
        let outcome = ok(&server, &[&args[..], &["--yes"]].concat()).await;
        assert!(outcome.stdout.contains("b-1"), "{}", outcome.stdout);
        assert!(
            outcome.stderr.contains("bulk get b-1 --wait"),
            "{}",
            outcome.stderr
        );
        let request = started(&server);
        assert_eq!(request.action(), action);
        assert_eq!(
            (request.filter.as_str(), request.reason.as_str()),
            ("queue = mail", "why")
        );
        assert_eq!(
            (request.rate.to_string().as_str(), request.validate_only),
            ("2.5", false)
        );
        assert!(!request.request_id.is_empty());
    }
    let args = ["bulk", "delete", &id(0), &id(1), "--yes", "-o", "id"];
    assert_eq!(ok(&server, &args).await.stdout, "b-1\n");
    assert_eq!(started(&server).ids, [id(0), id(1)]);
}

#[tokio::test]
async fn without_a_yes_nothing_is_begun() {
    let server = FakeServer::start().await;
    for args in [
        ["bulk", "delete", "--filter", "queue = mail"].as_slice(),
        &["bulk", "delete", "--filter", "", "--yes"],
        &["bulk", "delete", "--yes"],
        &[
            "bulk",
            "delete",
            &id(0),
            "--filter",
            "queue = mail",
            "--yes",
        ],
        &[
            "bulk",
            "delete",
            "--filter",
            "queue = mail",
            "--yes",
            "--dry-run",
        ],
        &["dead", "replay", "--all"],
        &["dead", "replay"],
        &["dead", "replay", "--all", "--group", "x", "--yes"],
    ] {
        assert_eq!(run(&server.url, args).await.code, Some(2), "{args:?}");
    }
    assert!(
        server
            .script()
            .calls::<StartBulkOperationRequest>()
            .is_empty()
    );
}

#[tokio::test]
async fn a_dry_run_prints_the_count_alone() {
    let server = FakeServer::start().await;
    let args = ["bulk", "cancel", "--filter", "queue = mail", "--dry-run"];
    assert_eq!(ok(&server, &args).await.stdout, "would cancel 412 jobs\n");
    assert!(started(&server).validate_only);
    let json = ok(&server, &[&args[..], &["-o", "json"]].concat())
        .await
        .stdout;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["count"], 412);
    let replay = ok(&server, &["dead", "replay", "--all", "--dry-run"]).await;
    assert_eq!(replay.stdout, "would retry 412 jobs\n");
}

#[tokio::test]
async fn a_wait_ends_with_the_operation() {
    let script = Script {
        bulk_looks: 1,
        ..Script::default()
    };
    let server = FakeServer::scripted(script).await;
    let args = [
        "bulk",
        "delete",
        "--filter",
        "queue = mail",
        "--yes",
        "--wait",
        "-o",
        "json",
    ];
    let outcome = ok(&server, &args).await;
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&json["state"], &json["changed"]),
        (&"done".into(), &410.into())
    );

    server.script().bulk_end = BulkState::Stopped;
    let stopped = run(&server.url, ["bulk", "get", "b-1", "--wait"]).await;
    assert_eq!(stopped.code, Some(1));
    assert!(
        stopped.stderr.contains("b-1 is stopped"),
        "{}",
        stopped.stderr
    );
}

#[tokio::test]
async fn operations_are_listed_shown_and_stopped() {
    let server = FakeServer::start().await;
    assert_eq!(
        ok(&server, &["bulk", "list", "-o", "id"]).await.stdout,
        "b-1\nb-2\nb-3\n"
    );
    let cut = ok(&server, &["bulk", "list", "--limit", "2", "-o", "id"]).await;
    assert_eq!(cut.stdout, "b-1\nb-2\n");
    assert!(cut.stderr.contains("the first 2"), "{}", cut.stderr);
    assert!(
        ok(&server, &["bulk", "get", "b-1"])
            .await
            .stdout
            .contains("412")
    );
    assert!(
        ok(&server, &["bulk", "stop", "b-1"])
            .await
            .stdout
            .contains("stopped")
    );
    assert_eq!(
        server.script().calls::<StopBulkOperationRequest>()[0].id,
        "b-1"
    );
    assert_eq!(run(&server.url, ["bulk", "get", "b-9"]).await.code, Some(3));
}

#[tokio::test]
async fn dead_letters_are_failed_jobs() {
    let server = FakeServer::scripted(Script::stocked()).await;
    let table = ok(
        &server,
        &["dead", "list", "--filter", "queue = mail OR kind = x"],
    )
    .await;
    assert!(
        table.stdout.contains("HANDLER_ERROR: boom"),
        "{}",
        table.stdout
    );
    ok(&server, &["dead", "list"]).await;
    let calls = server.script().calls::<ListJobsRequest>();
    assert_eq!(
        calls[0].filter,
        "state = failed AND (queue = mail OR kind = x)"
    );
    assert_eq!(calls.last().unwrap().filter, "state = failed");
}

#[tokio::test]
async fn dead_letters_are_grouped_by_what_they_failed_of() {
    let server = FakeServer::start().await;
    let groups = ok(&server, &["dead", "groups", "--filter", "many"]).await;
    assert!(groups.stdout.contains("5f3a9c") && groups.stdout.contains("7,000"));
    assert!(groups.stderr.contains("too many"), "{}", groups.stderr);
    assert_eq!(
        server.script().calls::<ListDeadLetterGroupsRequest>()[0].filter,
        "many"
    );
    let ids = ok(&server, &["dead", "groups", "-o", "id"]).await;
    assert_eq!(
        (ids.stdout.as_str(), ids.stderr.as_str()),
        ("5f3a9c\n77aa01\n", "")
    );
}

#[tokio::test]
async fn a_replay_is_a_bulk_retry_of_one_a_group_or_all() {
    let server = FakeServer::start().await;
    ok(&server, &["dead", "replay", &id(1)]).await;
    assert_eq!(
        (started(&server).ids, started(&server).action()),
        (vec![id(1)], BulkAction::Retry)
    );
    ok(
        &server,
        &["dead", "replay", "--group", "5f3a9c", "--rate", "50"],
    )
    .await;
    let request = started(&server);
    assert_eq!(
        request.filter,
        "state = failed AND fingerprint = \"5f3a9c\""
    );
    assert_eq!(request.rate.to_string(), "50");
    ok(
        &server,
        &[
            "dead",
            "replay",
            "--all",
            "--filter",
            "queue = mail",
            "--yes",
        ],
    )
    .await;
    assert_eq!(started(&server).filter, "state = failed AND (queue = mail)");
}
