//! `token`, and the token that every command shows.

use std::os::unix::fs::PermissionsExt;

use jobflow::proto::{CreateTokenRequest, RevokeTokenRequest, Role, RotateTokenRequest};

use crate::cli::run;
use crate::fake::FakeServer;
use crate::fake::tokens::ID;

#[tokio::test]
async fn a_token_is_made_and_shown_once() {
    let server = FakeServer::start().await;
    let args = ["token", "create", "ci", "--role", "operator"];
    let args = [&args[..], &["--queue", "a*", "--queue", "b", "-o", "id"]].concat();
    let made = run(&server.url, &args).await;
    assert_eq!(made.stdout, format!("jf_{ID}_secret\n"), "{}", made.stderr);
    let calls = server.script().calls::<CreateTokenRequest>();
    assert_eq!(calls[0].role(), Role::Operator);
    assert_eq!(calls[0].queues, ["a*", "b"]);
    assert_eq!(calls[0].expires_in.unwrap().seconds, 90 * 86_400);
    let listed = run(&server.url, ["token", "list", "-o", "json"]).await;
    assert!(listed.stdout.contains(ID) && !listed.stdout.contains("secret"));
}

#[tokio::test]
async fn a_token_goes_into_a_file_for_its_owner_alone_and_over_no_other() {
    let server = FakeServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ci.token");
    let args = ["token", "create", "ci", "--role", "viewer", "--to"];
    let args = [&args[..], &[file.to_str().unwrap()]].concat();
    let made = run(&server.url, &args).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(!made.stdout.contains("secret"), "{}", made.stdout);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("jf_{ID}_secret\n"));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = run(&server.url, &args).await;
    assert_eq!(again.code, Some(1));
    assert!(
        again.stdout.contains("secret"),
        "it would be lost otherwise"
    );
}

#[tokio::test]
async fn a_token_is_rotated_and_revoked_by_its_id() {
    let server = FakeServer::start().await;
    let args = ["token", "rotate", ID, "--overlap", "1h", "-o", "id"];
    let rotated = run(&server.url, args).await;
    assert_eq!(rotated.stdout, format!("jf_{ID}_rotated\n"));
    let calls = server.script().calls::<RotateTokenRequest>();
    assert_eq!(calls[0].overlap.unwrap().seconds, 3_600);
    assert_eq!(calls[0].expires_in, None);
    assert_eq!(
        run(&server.url, ["token", "revoke", ID]).await.code,
        Some(0)
    );
    assert_eq!(server.script().calls::<RevokeTokenRequest>().len(), 1);
    let unknown = run(&server.url, ["token", "revoke", "000000000000"]).await;
    assert_eq!(unknown.code, Some(3), "{}", unknown.stderr);
}

#[tokio::test]
async fn every_call_shows_the_token_of_the_file() {
    let server = FakeServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.token");
    std::fs::write(&file, "# mine\njf_0a1b2c3d4e5f_x\n").unwrap();
    let args = ["token", "create", "x", "--role", "viewer", "--token-file"];
    let args = [&args[..], &[file.to_str().unwrap()]].concat();
    run(&server.url, &args).await;
    let shown = server.script().shown.clone();
    assert_eq!(shown.as_deref(), Some("Bearer jf_0a1b2c3d4e5f_x"));

    let elsewhere = run("http://jobs.example.com:4000", &args).await;
    assert_eq!(elsewhere.code, Some(2), "{}", elsewhere.stderr);
    assert!(elsewhere.stderr.contains("in the clear"));
    assert!(!elsewhere.stderr.contains("jf_0a1b2c3d4e5f_x"));
}

#[tokio::test]
async fn the_audit_log_is_listed_as_far_as_asked() {
    let server = FakeServer::start().await;
    for (limit, ids) in [
        ("0", "9-0\n8-0\n7-0\n6-0\n5-0\n4-0\n"),
        ("3", "9-0\n8-0\n7-0\n"),
    ] {
        let listed = run(&server.url, ["audit", "-n", limit, "-o", "id"]).await;
        assert_eq!(listed.stdout, ids, "{}", listed.stderr);
    }
    let table = run(&server.url, ["audit", "-n", "1"]).await.stdout;
    assert!(
        table.contains("alice") && table.contains("job 9"),
        "{table}"
    );
}
