//! Who did what.

use std::time::Duration;

use jobflow::testing::{TestQueue, TestRedis, fresh_namespace, wait_for};
use jobflow::{JobQueue, NewJob, QueueConfig, Role, proto};

use super::{Locked, with};

/// The whole log, in pages of two.
async fn all_events(locked: &Locked) -> Vec<proto::AuditEvent> {
    let mut told = Vec::new();
    let mut page = proto::ListAuditEventsRequest {
        page_size: 2,
        page_token: String::new(),
    };
    loop {
        let ask = with(&locked.admin, page.clone());
        let listed = locked.server.admin().list_audit_events(ask).await;
        let listed = listed.unwrap().into_inner();
        assert!(listed.events.len() <= 2);
        told.extend(listed.events);
        page.page_token = listed.next_page_token;
        if page.page_token.is_empty() {
            return told;
        }
    }
}

/// What was done about a job and around it, without the calls that prepared it.
fn check_order(told: &[proto::AuditEvent], about: &str) {
    let seen: Vec<_> = told
        .iter()
        .rev()
        .filter(|event| !event.call.starts_with("Token") && !event.call.starts_with("Admin"))
        .map(|event| (&*event.caller, &*event.call, &*event.target, &*event.result))
        .collect();
    assert_eq!(
        seen,
        [
            ("the viewer", "JobService/CancelJob", "", "ROLE_REQUIRED"),
            ("the operator", "JobService/CancelJob", about, "OK"),
            (
                "the operator",
                "JobService/CancelJob",
                about,
                "INVALID_STATE_TRANSITION"
            ),
            (
                "the operator",
                "POST /jobs",
                "queue other",
                "QUEUE_FORBIDDEN"
            ),
            ("", "GET /stats", "", "TOKEN_INVALID"),
        ]
    );
}

#[tokio::test]
async fn who_did_what_to_which_job_is_listed() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let operator = locked.token(Role::Operator, &["mail"]).await;
    let viewer = locked.token(Role::Viewer, &[]).await;
    let job = NewJob::new("k", "\"CANARY-audit\"").unwrap();
    let job = queue.submit(job.queue("mail").unwrap()).await.unwrap();
    let id = job.id.to_string();
    let cancel = proto::CancelJobRequest {
        id: id.clone(),
        ..proto::CancelJobRequest::default()
    };
    let mut jobs = locked.server.jobs();
    let refused = jobs.cancel_job(with(&viewer, cancel.clone())).await;
    assert!(refused.is_err());
    jobs.cancel_job(with(&operator, cancel.clone()))
        .await
        .unwrap();
    let again = jobs.cancel_job(with(&operator, cancel)).await;
    assert!(again.is_err(), "it is cancelled already");
    let body = r#"{"name":"k","queue":"other"}"#;
    let forbidden = locked.rest("POST", "/jobs", Some(&operator), body).await;
    assert_eq!(forbidden.status, 403);
    locked.rest("GET", "/stats", Some("jf_x"), "").await;
    // What only looks is not told.
    locked
        .rest("GET", &format!("/jobs/{id}"), Some(&viewer), "")
        .await;

    let told = all_events(&locked).await;
    assert!(!format!("{told:?}").contains("CANARY"));
    check_order(&told, &format!("job {id}"));
    let made = told
        .iter()
        .filter(|event| event.call == "TokenService/CreateToken");
    assert!(
        made.clone().count() == 2 && made.clone().all(|event| event.target.starts_with("token "))
    );
    assert!(
        told.iter()
            .all(|event| event.peer == "127.0.0.1" && !event.request_id.is_empty())
    );
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_call_that_its_caller_breaks_off_is_told_all_the_same() {
    let redis = TestRedis::start();
    let queue = JobQueue::open(QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    });
    let queue = queue.unwrap();
    let locked = Locked::over(&queue).await;
    let operator = locked.token(Role::Operator, &[]).await;
    let job = queue.submit(NewJob::new("k", "{}").unwrap()).await.unwrap();
    let id = job.id.to_string();
    let paused = redis.cli(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    assert_eq!(paused.trim(), "OK");
    let mut cancel = with(
        &operator,
        proto::CancelJobRequest {
            id: id.clone(),
            ..proto::CancelJobRequest::default()
        },
    );
    cancel.set_timeout(Duration::from_millis(300));
    let broken_off = locked.server.jobs().cancel_job(cancel).await;
    assert!(broken_off.is_err(), "Redis does not answer");
    let goes_on = redis.cli(&["CLIENT", "UNPAUSE"]);
    assert_eq!(goes_on.trim(), "OK");
    let told = async || {
        let told = all_events(&locked).await;
        let event = told.iter().find(|event| event.result == "BROKEN_OFF")?;
        Some((
            event.caller.clone(),
            event.call.clone(),
            event.target.clone(),
        ))
    };
    let (caller, call, target) = wait_for("the call in the log", told).await;
    assert_eq!((&*caller, &*call), ("the operator", "JobService/CancelJob"));
    assert_eq!(target, format!("job {id}"));
    locked.server.stop().await.unwrap();
}

#[tokio::test]
async fn refusals_do_not_push_out_what_was_done() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    locked.token(Role::Viewer, &[]).await;
    for _ in 0..300 {
        assert_eq!(locked.rest("GET", "/stats", None, "").await.status, 401);
    }
    let told = queue.audit_events(None, 1_000).await.unwrap().events;
    assert!(told.len() < 200, "{}", told.len());
    assert_eq!(told.last().unwrap().2.call, "TokenService/CreateToken");
    locked.server.stop().await.unwrap();
    queue.close().await;
}
