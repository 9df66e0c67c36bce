//! `queue`, `worker` and `doctor`.

use jobflow::proto::{
    DeleteQueueRequest, DrainQueueRequest, Durability, ListWorkersRequest, PauseQueueRequest,
    PurgeQueueRequest, ResumeQueueRequest, Severity, SignalWorkerRequest, UpdateQueueRequest,
};
use serde_json::Value;

use crate::cli::{Outcome, run};
use crate::fake::{FakeServer, NOW, Script, time};

async fn ok(server: &FakeServer, args: &str) -> Outcome {
    let outcome = run(&server.url, args.split(' ')).await;
    assert_eq!(outcome.code, Some(0), "{args}: {}", outcome.stderr);
    outcome
}

#[tokio::test]
async fn a_queue_shows_its_settings() {
    let server = FakeServer::start().await;
    let text = ok(&server, "queue get mail").await.stdout;
    assert!(text.contains("keep completed  1,000, for 1d"), "{text}");
    let json: Value =
        serde_json::from_str(&ok(&server, "queue get mail -o json").await.stdout).unwrap();
    assert_eq!(json["settings"]["completed_retention"]["count"], 1_000);
    assert_eq!(
        run(&server.url, ["queue", "get", "nowhere"]).await.code,
        Some(3)
    );
}

#[tokio::test]
async fn a_pause_has_a_kind_a_reason_and_an_end() {
    let server = FakeServer::start().await;
    let text = ok(
        &server,
        "queue pause mail --kind letter --reason later --for 30m",
    )
    .await
    .stdout;
    assert!(
        text.contains("letter since") && text.contains(": later"),
        "{text}"
    );
    ok(&server, "queue pause mail --until 2030-01-31T09:00:00Z").await;
    ok(&server, "queue resume mail --kind letter").await;
    ok(&server, "queue drain mail").await;
    let script = server.script();
    let pauses = script.calls::<PauseQueueRequest>();
    assert_eq!(
        (pauses[0].kind.as_str(), pauses[0].reason.as_str()),
        ("letter", "later")
    );
    // By the clock of the store.
    assert_eq!(pauses[0].resume_time, time(NOW + 1_800));
    assert_eq!(
        pauses[1].resume_time.unwrap().to_string(),
        "2030-01-31T09:00:00Z"
    );
    assert_eq!(script.calls::<ResumeQueueRequest>()[0].kind, "letter");
    assert_eq!(script.calls::<DrainQueueRequest>()[0].name, "mail");
}

#[tokio::test]
async fn settings_are_sent_with_their_paths_and_the_etag() {
    let server = FakeServer::start().await;
    ok(
        &server,
        "queue set mail --max-waiting 10 --keep-completed 24h --backoff 1s,1.5,1m",
    )
    .await;
    ok(
        &server,
        "queue set mail --max-waiting default --attempts 5 --job-timeout 1m --durability fsync",
    )
    .await;
    let calls = server.script().calls::<UpdateQueueRequest>();
    assert_eq!(calls[0].etag, "q1");
    let paths = calls[0].update_mask.clone().unwrap().paths;
    let expected = [
        "settings.max_waiting",
        "settings.completed_retention",
        "settings.backoff",
    ];
    assert_eq!(paths, expected);
    let settings = calls[0].queue.clone().unwrap().settings.unwrap();
    assert_eq!(settings.max_waiting, Some(10));
    let completed = settings.completed_retention.unwrap();
    // The count stays as it was.
    assert_eq!(
        (completed.count, completed.age.unwrap().seconds),
        (Some(1_000), 86_400)
    );
    let settings = calls[1].queue.clone().unwrap().settings.unwrap();
    assert_eq!(
        (settings.max_waiting, settings.max_attempts),
        (None, Some(5))
    );
    assert_eq!(settings.timeout.unwrap().seconds, 60);
    assert_eq!(settings.durability(), Durability::Fsync);
}

#[tokio::test]
async fn settings_need_a_setting_and_the_latest_etag() {
    let server = FakeServer::scripted(Script {
        changes_between: true,
        ..Script::default()
    })
    .await;
    for (args, code) in [
        ("queue set mail", 2),
        ("queue set mail --attempts 0", 2),
        ("queue set mail --durability disk", 2),
        ("queue set mail --keep-failed soon", 2),
        ("queue set mail --attempts 5", 4),
        ("queue set nowhere --attempts 5", 3),
    ] {
        assert_eq!(
            run(&server.url, args.split(' ')).await.code,
            Some(code),
            "{args}"
        );
    }
}

#[tokio::test]
async fn a_purge_names_its_states_and_needs_a_yes() {
    let server = FakeServer::start().await;
    let preview = ok(&server, "queue purge mail --state failed --dry-run").await;
    assert_eq!(preview.stdout, "would delete 412 jobs\n");
    let json = ok(&server, "queue purge mail --state failed --dry-run -o json")
        .await
        .stdout;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["count"], 412);
    for args in [
        "queue purge mail",
        "queue purge mail --state active --yes",
        "queue purge mail --state failed",
    ] {
        assert_eq!(
            run(&server.url, args.split(' ')).await.code,
            Some(2),
            "{args}"
        );
    }
    assert!(
        server
            .script()
            .calls::<PurgeQueueRequest>()
            .iter()
            .all(|call| call.validate_only)
    );
    let done = ok(
        &server,
        "queue purge mail --state waiting --state scheduled --yes",
    )
    .await;
    assert_eq!(done.stdout, "deleted 412 jobs of queue mail\n");
    let call = server.script().calls::<PurgeQueueRequest>().pop().unwrap();
    assert_eq!(
        (call.confirm_name.as_str(), call.states),
        ("mail", vec![3, 1])
    );
}

#[tokio::test]
async fn only_an_empty_queue_is_deleted() {
    let server = FakeServer::start().await;
    for (args, code) in [
        ("queue delete empty", 2),
        ("queue delete mail --dry-run", 4),
        ("queue delete empty --dry-run", 0),
        ("queue delete nowhere --dry-run", 3),
    ] {
        assert_eq!(
            run(&server.url, args.split(' ')).await.code,
            Some(code),
            "{args}"
        );
    }
    assert!(server.script().calls::<DeleteQueueRequest>().is_empty());
    ok(&server, "queue delete empty --yes").await;
    assert_eq!(
        run(&server.url, "queue delete default --yes".split(' '))
            .await
            .code,
        Some(4)
    );
}

#[tokio::test]
async fn workers_of_all_pages_are_listed() {
    let server = FakeServer::start().await;
    let ids = ok(&server, "worker list --queue mail -o id").await.stdout;
    assert_eq!(ids, "web-1-4711\nweb-2-4712\n");
    assert_eq!(
        server.script().calls::<ListWorkersRequest>()[0].queue,
        "mail"
    );
    let table = ok(&server, "worker list").await.stdout;
    assert!(
        table.contains("running") && table.contains("images,mail"),
        "{table}"
    );
}

#[tokio::test]
async fn a_worker_shows_what_it_runs_and_hears_signals() {
    let server = FakeServer::start().await;
    let text = ok(&server, "worker get web-1-4711").await.stdout;
    assert!(
        text.contains("1 of 8 busy") && text.contains("1m 30s"),
        "{text}"
    );
    for (verb, signal) in [("quiet", 1), ("resume", 2), ("stop", 3)] {
        ok(&server, &format!("worker {verb} web-1-4711")).await;
        let call = server
            .script()
            .calls::<SignalWorkerRequest>()
            .pop()
            .unwrap();
        assert_eq!((call.id.as_str(), call.signal), ("web-1-4711", signal));
    }
    assert_eq!(
        run(&server.url, ["worker", "stop", "gone"]).await.code,
        Some(3)
    );
}

#[tokio::test]
async fn the_doctor_exits_with_1_when_there_is_something_to_mend() {
    let server = FakeServer::start().await;
    let well = ok(&server, "doctor").await.stdout;
    assert!(well.contains("warning STORE_PERSISTENCE: "), "{well}");
    assert!(well.contains("\n  set appendonly yes\n"), "{well}");
    assert!(well.contains("Redis 7.0.15"), "{well}");

    server.script().severity = Severity::Error;
    let ill = run(&server.url, ["doctor", "-o", "json"]).await;
    assert_eq!(ill.code, Some(1));
    let json: Value = serde_json::from_str(&ill.stdout).unwrap();
    assert_eq!(json["findings"][0]["severity"], "error");
    assert_eq!(json["jobs"], 1_204);
    assert_eq!(json["damages"][0]["kind"], "TWO_STATES");
}

#[tokio::test]
async fn the_doctor_mends_only_when_told_and_says_what_it_did() {
    let server = FakeServer::start().await;
    let found = ok(&server, "doctor").await.stdout;
    let damage = "TWO_STATES: queue mail: job 1 is in two states\n";
    assert!(found.contains(&format!("{damage}and 2 more\n")), "{found}");
    let fixed = ok(&server, "doctor --fix").await.stdout;
    let done = format!("{damage}  left in active only\nand 2 more\n");
    assert!(fixed.contains(&done), "{fixed}");
}
