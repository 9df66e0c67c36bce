//! `job`.

use jobflow::proto::{
    CancelJobRequest, DeleteJobRequest, GetJobRequest, ListJobsRequest, PromoteJobRequest,
    RetryJobRequest, UpdateJobRequest,
};
use serde_json::Value;

use crate::cli::{Outcome, run, run_with_input};
use crate::fake::{FakeServer, NOW, Script, id, time};

async fn stocked() -> FakeServer {
    FakeServer::scripted(Script::stocked()).await
}

async fn ok(server: &FakeServer, args: &[&str]) -> Outcome {
    let outcome = run(&server.url, args).await;
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    outcome
}

#[tokio::test]
async fn get_asks_for_everything() {
    let server = stocked().await;
    let text = ok(&server, &["job", "get", &id(1)]).await.stdout;
    assert!(text.contains("HANDLER_ERROR: boom"), "{text}");
    assert!(text.contains("tags      eu"), "{text}");
    assert_eq!(server.script().calls::<GetJobRequest>()[0].view, 2);
    let json = ok(&server, &["job", "get", &id(1), "-o", "json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["etag"], &json["tags"][0]),
        (&"e1".into(), &"eu".into())
    );
}

#[tokio::test]
async fn a_list_reads_pages_up_to_its_limit_and_says_that_there_is_more() {
    let server = stocked().await;
    let args = [
        "job",
        "list",
        "--filter",
        "tags:eu",
        "--order-by",
        "run_time",
        "-o",
        "id",
    ];
    let all = ok(&server, &args).await;
    assert_eq!(all.stdout.lines().count(), 5);
    assert_eq!(all.stderr, "");
    let cut = ok(&server, &[&args[..], &["--limit", "3"]].concat()).await;
    assert_eq!(cut.stdout, format!("{}\n{}\n{}\n", id(0), id(1), id(2)));
    assert!(
        cut.stderr.contains("the first 3 are listed"),
        "{}",
        cut.stderr
    );

    let calls = server.script().calls::<ListJobsRequest>();
    assert_eq!(calls[0].filter, "tags:eu");
    assert_eq!(calls[0].order_by, "run_time");
    assert_eq!((calls[0].page_size, calls[3].page_size), (100, 3));
    assert_eq!((calls[4].page_size, calls[4].page_token.as_str()), (1, "2"));
}

#[tokio::test]
async fn a_list_has_all_forms() {
    let server = stocked().await;
    let table = ok(&server, &["job", "list"]).await.stdout;
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0][..4], ["ID", "QUEUE", "KIND", "STATE"]);
    assert_eq!(rows[2][..4], [id(1).as_str(), "images", "fails", "failed"]);
    let json = ok(&server, &["job", "list", "-o", "json", "--limit", "0"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 5);
    assert!(json[0].get("payload").is_none());
    let lines = ok(&server, &["job", "list", "-o", "jsonl"]).await.stdout;
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );

    let nothing = FakeServer::start().await;
    assert_eq!(
        ok(&nothing, &["job", "list", "-o", "json"]).await.stdout,
        "[]\n"
    );
    assert!(
        ok(&nothing, &["job", "list"])
            .await
            .stdout
            .starts_with("ID")
    );
}

#[tokio::test]
async fn a_bad_filter_is_2_and_says_where() {
    let server = stocked().await;
    for command in [
        ["job", "list", "--filter", "???"].as_slice(),
        &["dead", "list", "--filter", "???"],
        &["bulk", "delete", "--filter", "???", "--yes"],
    ] {
        let outcome = run(&server.url, command).await;
        assert_eq!(outcome.code, Some(2), "{command:?}");
        assert!(outcome.stderr.contains("position 1"), "{}", outcome.stderr);
    }
}

#[tokio::test]
async fn a_count_is_a_number_and_says_when_it_is_cut_off() {
    let server = stocked().await;
    let count = ok(&server, &["job", "count", "--filter", "state = failed"]).await;
    assert_eq!(
        (count.stdout.as_str(), count.stderr.as_str()),
        ("412\n", "")
    );
    let many = ok(&server, &["job", "count", "--filter", "many", "-o", "json"]).await;
    let json: Value = serde_json::from_str(&many.stdout).unwrap();
    assert_eq!(json["complete"], false);
    assert!(many.stderr.contains("at least 412"), "{}", many.stderr);
}

#[tokio::test]
async fn cancel_tells_its_reason_and_whether_the_job_still_runs() {
    let server = stocked().await;
    let args = ["job", "cancel", &id(0), "--reason", "sent twice"];
    assert!(ok(&server, &args).await.stdout.contains("cancelled"));
    let active = ok(&server, &["job", "cancel", &id(3)]).await;
    assert!(active.stdout.contains("asked to end"), "{}", active.stdout);
    assert!(active.stderr.contains("asked to end"), "{}", active.stderr);
    let calls = server.script().calls::<CancelJobRequest>();
    assert_eq!(
        (calls[0].id.clone(), calls[0].reason.as_str()),
        (id(0), "sent twice")
    );
    assert_eq!(
        run(&server.url, ["job", "cancel", &id(1)]).await.code,
        Some(4)
    );
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_said_to_be_done_perhaps() {
    let script = Script {
        lose_answers: 1,
        ..Script::stocked()
    };
    let server = FakeServer::scripted(script).await;
    let outcome = run(&server.url, ["job", "cancel", &id(0)]).await;
    assert_eq!(outcome.code, Some(4));
    assert!(
        outcome.stderr.contains("which may have been done"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn retry_and_promote_reach_the_server() {
    let server = stocked().await;
    ok(&server, &["job", "retry", &id(1)]).await;
    ok(&server, &["job", "retry", &id(1), "--data", "[1]"]).await;
    ok(&server, &["job", "promote", &id(0), "-o", "id"]).await;
    let script = server.script();
    let retries = script.calls::<RetryJobRequest>();
    assert_eq!(
        (retries[0].payload.clone(), retries[0].content_type.as_str()),
        (None, "")
    );
    assert_eq!(retries[1].payload.as_deref(), Some(b"[1]".as_slice()));
    assert_eq!(retries[1].content_type, "application/json");
    assert_eq!(script.calls::<PromoteJobRequest>()[0].id, id(0));
}

#[tokio::test]
async fn a_forbidden_step_is_4_with_both_states() {
    let server = stocked().await;
    let outcome = run(&server.url, ["job", "retry", &id(3)]).await;
    assert_eq!(outcome.code, Some(4));
    assert!(
        outcome.stderr.contains("from active to waiting"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn an_edit_sends_what_changes_and_the_etag_that_it_read() {
    let server = stocked().await;
    let edit = "job edit ID --priority 0 --delay 10m --data [1.10] --attempts 7 --tag a --tag b";
    let edit = edit.replace("ID", &id(0));
    ok(&server, &edit.split(' ').collect::<Vec<_>>()).await;
    ok(&server, &["job", "edit", &id(0), "--no-tags"]).await;

    let calls = server.script().calls::<UpdateJobRequest>();
    let job = calls[0].job.clone().unwrap();
    assert_eq!(calls[0].etag, "e1");
    let paths = calls[0].update_mask.clone().unwrap().paths;
    assert_eq!(
        paths,
        ["priority", "run_time", "max_attempts", "tags", "payload"]
    );
    assert_eq!((job.priority, job.max_attempts, job.id), (0, 7, id(0)));
    assert_eq!(job.run_time, time(NOW + 600));
    assert_eq!(
        (job.payload, job.content_type),
        ("[1.10]".into(), "application/json".to_owned())
    );
    assert_eq!(job.tags, ["a", "b"]);
    assert_eq!(calls[1].update_mask.clone().unwrap().paths, ["tags"]);
    assert!(calls[1].job.clone().unwrap().tags.is_empty());
}

#[tokio::test]
async fn an_edit_that_somebody_else_forestalled_is_4() {
    let script = Script {
        changes_between: true,
        ..Script::stocked()
    };
    let server = FakeServer::scripted(script).await;
    let outcome = run(&server.url, ["job", "edit", &id(0), "--priority", "1"]).await;
    assert_eq!(outcome.code, Some(4));
    assert!(
        outcome.stderr.contains("ETAG_MISMATCH"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn a_payload_that_is_not_json_changes_nothing() {
    let server = stocked().await;
    for verb in ["edit", "retry"] {
        let id = id(0);
        let args = ["job", verb, &id, "--data-file", "-"];
        let outcome = run_with_input(&server.url, args, "{").await;
        assert_eq!(outcome.code, Some(2), "{verb}");
    }
    let script = server.script();
    assert!(script.calls::<UpdateJobRequest>().is_empty());
    assert!(script.calls::<RetryJobRequest>().is_empty());
}

#[tokio::test]
async fn a_delete_needs_a_yes_where_nobody_can_be_asked() {
    let server = stocked().await;
    let refused = run(&server.url, ["job", "delete", &id(0)]).await;
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    let preview = ok(&server, &["job", "delete", &id(0), "--dry-run"]).await;
    assert_eq!(preview.stdout, "would delete 1 job\n");
    assert!(server.script().calls::<DeleteJobRequest>().is_empty());

    ok(&server, &["job", "delete", &id(0), "--yes"]).await;
    assert_eq!(
        run(&server.url, ["job", "delete", &id(3), "--yes"])
            .await
            .code,
        Some(4)
    );
    ok(&server, &["job", "delete", &id(3), "--yes", "--force"]).await;
    assert!(server.script().calls::<DeleteJobRequest>()[2].force);
    let missing = run(&server.url, ["job", "delete", &id(77), "--yes"]).await;
    assert_eq!(missing.code, Some(3));
}

#[tokio::test]
async fn explain_says_it_in_a_sentence_and_in_fields() {
    let server = stocked().await;
    let text = ok(&server, &["job", "explain", &id(0)]).await.stdout;
    assert!(text.starts_with("the queue images is paused\n"), "{text}");
    assert!(
        text.contains("QUEUE_PAUSED: ") && text.contains("1,204"),
        "{text}"
    );
    let json = ok(&server, &["job", "explain", &id(0), "-o", "json"])
        .await
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["obstacles"][0]["reason"], "QUEUE_PAUSED");
    assert_eq!(
        (&json["jobs_ahead"], &json["workers"]),
        (&1_204.into(), &2.into())
    );
}

#[tokio::test]
async fn logs_of_all_pages_are_printed() {
    let server = stocked().await;
    let text = ok(&server, &["job", "logs", &id(0)]).await.stdout;
    let ends: Vec<_> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(ends, ["line 0", "line 1"]);
    let json = ok(&server, &["job", "logs", &id(0), "-o", "json"])
        .await
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["number"], 1);
}
