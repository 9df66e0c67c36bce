//! Redis as it should be off this machine: TLS alone, a certificate wanted, and a
//! user for each part.

use std::process::Output;

use jobflow::JobState;
use jobflow::testing::{TestAuthority, TestUsers};

use crate::system::System;

/// What Redis has refused to anybody.
fn refused(system: &System) -> String {
    system.redis.cli(&["ACL", "LOG"])
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// As the viewer, the same Redis refuses what changes anything.
fn check_viewer(system: &System, users: &TestUsers) {
    let file = users.password_file("jobflow-viewer");
    let password = std::fs::read_to_string(file).unwrap();
    let viewer = [
        "--user",
        "jobflow-viewer",
        "--pass",
        &password,
        "--no-auth-warning",
    ];
    let set = system
        .redis
        .cli(&[&viewer[..], &["SET", "jf:x", "1"]].concat());
    assert!(set.contains("NOPERM"), "{set}");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_and_worker_work_over_tls_as_users_of_their_own() {
    let (authority, users) = (TestAuthority::new(), TestUsers::packaged());
    let access = authority.access();
    let path = |file: &Option<std::path::PathBuf>| file.as_ref().unwrap().display().to_string();
    let mut system = System::prepare(
        users.start_tls(&authority),
        &[
            ("JOBFLOW_REDIS_CA", &path(&access.ca)),
            ("JOBFLOW_REDIS_CERT", &path(&access.cert)),
            ("JOBFLOW_REDIS_KEY", &path(&access.key)),
        ],
    );
    let login = |user: &str| {
        let file = users.password_file(user).display().to_string();
        let words = ["--redis-user", user, "--redis-password-file", &file];
        words.map(str::to_owned)
    };
    let for_server = login("jobflow-server");
    let for_server: Vec<_> = for_server.iter().map(String::as_str).collect();
    system.start_server_with(&for_server).await;
    let for_worker = login("jobflow-worker");
    let handler = ["--handler", "*=simulate:1ms..5ms,progress,log"];
    let for_worker: Vec<_> = for_worker
        .iter()
        .map(String::as_str)
        .chain(handler)
        .collect();
    system.worker(&for_worker).await;

    let id = said(&system.run_cli(&["submit", "a", "--wait", "-o", "id"]).await);
    system.reaches(id.trim(), JobState::Completed).await;
    let later = said(
        &system
            .run_cli(&["submit", "a", "--delay", "1h", "-o", "id"])
            .await,
    );
    for words in [
        &["job", "logs", id.trim()][..],
        &["job", "cancel", later.trim()],
        &["job", "list", "--filter", "state = completed"],
        &["queue", "pause", "default", "--reason", "why"],
        &["queue", "resume", "default"],
        &["worker", "list"],
        &["metrics"],
        &["doctor"],
    ] {
        said(&system.run_cli(words).await);
    }
    assert_eq!(refused(&system).trim(), "", "nothing was refused");
    check_viewer(&system, &users);
    system.close().await;
}
