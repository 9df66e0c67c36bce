//! Every call and every route, for every role, as the document says.

use std::collections::BTreeMap;

use jobflow::Role;
use jobflow::testing::TestQueue;
use tonic::{Code, Request};

use super::{Locked, raw, with};
use crate::support::details;

/// A call and to whom it is open.
pub(super) struct Row {
    pub(super) call: String,
    public: bool,
    roles: Vec<Role>,
    pub(super) queues: String,
}

impl Row {
    /// The path, and for a route its method.
    pub(super) fn route(&self) -> Option<(&str, &str)> {
        self.call.split_once(' ')
    }

    pub(super) fn path(&self) -> String {
        if self.call.starts_with("grpc.") {
            self.call.clone()
        } else {
            format!("jobflow.v1.{}", self.call)
        }
    }
}

/// The table of `docs/security.md`, which a test of the server keeps the same as
/// the one that it goes by.
pub(super) fn table() -> Vec<Row> {
    let text = include_str!("../../../../docs/security.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter(|row| row.contains("| yes |"));
    let row = |row: &str| {
        let (call, cells) = row.split_once('`').unwrap();
        let cells: Vec<_> = cells.split('|').map(str::trim).collect();
        let open = |cell: &str| cell == "yes";
        let roles = Role::ALL.into_iter().zip(&cells[2..6]);
        Row {
            call: call.to_owned(),
            public: open(cells[1]),
            roles: roles
                .filter_map(|(role, cell)| open(cell).then_some(role))
                .collect(),
            queues: cells[6].to_owned(),
        }
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn every_call_is_open_to_the_roles_of_its_row_and_to_nobody_else() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let mut tokens = BTreeMap::new();
    for role in Role::ALL {
        tokens.insert(role.as_str(), locked.token(role, &[]).await);
    }
    let mut tried = 0;
    for row in table() {
        let call = &row.call;
        for caller in std::iter::once(None).chain(Role::ALL.map(Some)) {
            let token = caller.map(|role| tokens[role.as_str()].as_str());
            let is_open = row.public || caller.is_some_and(|role| row.roles.contains(&role));
            let refused = match row.route() {
                Some((method, path)) => {
                    let path = path.replace("{id}", "no-id");
                    let answer = locked.rest(method, &path, token, "").await;
                    assert_eq!(answer.status.as_u16() == 401, !is_open && token.is_none());
                    assert!(answer.status != 500, "{call}: {answer:?}");
                    [401, 403].contains(&answer.status.as_u16())
                }
                None => {
                    let request = match token {
                        Some(token) => with(token, Vec::new()),
                        None => Request::new(Vec::new()),
                    };
                    let answer = raw(locked.server.channel(), &row.path(), request).await;
                    let code = answer.as_ref().err().map(tonic::Status::code);
                    assert!(code != Some(Code::Internal), "{call}: {code:?}");
                    assert!(code != Some(Code::Unimplemented), "{call}: {code:?}");
                    let missing = code == Some(Code::Unauthenticated);
                    assert_eq!(missing, !is_open && token.is_none(), "{call} {caller:?}");
                    missing || code == Some(Code::PermissionDenied)
                }
            };
            assert_eq!(refused, !is_open, "{call} for {caller:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 5 * table().len());
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn without_a_token_nothing_useful_is_answered() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    for token in [None, Some("jf_000000000000_x"), Some("nonsense"), Some("")] {
        for (method, path) in [
            ("GET", "/stats"),
            ("POST", "/jobs"),
            ("PUT", "/jobs"),
            ("GET", "/jobs/01890a5d-ac96-774b-bcce-b302099a8057"),
            ("HEAD", "/stats"),
        ] {
            let answer = locked.rest(method, path, token, r#"{"name":"a"}"#).await;
            assert_eq!(answer.status, 401, "{method} {path} {token:?}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        for call in [
            "jobflow.v1.JobService/NoCall",
            "jobflow.v1.JobService/SubmitJob",
        ] {
            let request = match token {
                Some(token) => with(token, Vec::new()),
                None => Request::new(Vec::new()),
            };
            let refused = raw(locked.server.channel(), call, request).await;
            let status = refused.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated, "{call}");
            let reason = if token.is_none() {
                "TOKEN_MISSING"
            } else {
                "TOKEN_INVALID"
            };
            assert_eq!(details(&status).0, reason);
        }
    }
    // A token in the URL is none.
    let path = format!("/stats?token={0}&authorization=Bearer%20{0}", locked.admin);
    assert_eq!(locked.rest("GET", &path, None, "").await.status, 401);
    assert_eq!(locked.server.stored().await, 0);
    locked.server.stop().await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn a_viewer_sees_a_job_without_what_it_carries() {
    let queue = TestQueue::new();
    let locked = Locked::over(&queue).await;
    let viewer = locked.token(Role::Viewer, &[]).await;
    let submitter = locked.token(Role::Submitter, &[]).await;
    let body = r#"{"name":"a","data":{"canary":"CANARY-7f3"}}"#;
    let made = locked.rest("POST", "/jobs", Some(&submitter), body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = made.header("location").to_owned();
    let id = path.trim_start_matches("/jobs/").to_owned();
    let own = locked.rest("GET", &path, Some(&submitter), "").await;
    assert!(own.body.contains("CANARY"), "{own:?}");
    let seen = locked.rest("GET", &path, Some(&viewer), "").await;
    assert!(!seen.body.contains("CANARY"), "{seen:?}");
    assert_eq!(seen.json()["job"]["payloadHidden"], true);
    use jobflow::proto::{GetJobRequest, WatchJobRequest};
    let mut jobs = locked.server.jobs();
    let get = GetJobRequest {
        id: id.clone(),
        view: 0,
    };
    let got = jobs.get_job(with(&viewer, get)).await.unwrap();
    let got = got.into_inner().job.unwrap();
    assert!(got.payload.is_empty() && got.payload_hidden && got.kind == "a");
    let watch = WatchJobRequest { id, from_line: 0 };
    let watched = jobs.watch_job(with(&viewer, watch)).await.unwrap();
    let first = watched.into_inner().message().await.unwrap().unwrap();
    assert!(!format!("{first:?}").contains("CANARY"), "{first:?}");
    locked.server.stop().await.unwrap();
    queue.close().await;
}
