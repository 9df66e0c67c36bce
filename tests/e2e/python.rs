//! A client in another language, without generated stubs: `peer.py`.

use std::env;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::system::System;

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/peer.py");
/// The folder with the Python packages of `xtask/requirements.txt`.
const PACKAGES: &str = "JOBFLOW_TEST_PYTHONPATH";

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_grpc_client_finds_its_way_by_reflection() {
    let packages = env::var_os(PACKAGES).unwrap_or_else(|| {
        panic!("{PACKAGES} is not set: run the tests by `cargo xtask test`, or run `cargo xtask setup` and set it to target/python")
    });
    let mut system = System::start().await;
    system.worker(&["--handler", "echo=exec:cat"]).await;

    let peer = Command::new("python3")
        // No byte code beside the source.
        .args(["-B", PEER, system.address()])
        .env("PYTHONPATH", packages)
        .output();
    let ended = peer
        .await
        .expect("python3 is installed (cargo xtask setup)");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let seen: Value = serde_json::from_slice(&ended.stdout).unwrap();

    let services = seen["services"].as_array().unwrap();
    for service in ["Admin", "Job", "Metrics", "Queue"] {
        let name = json!(format!("jobflow.v1.{service}Service"));
        assert!(services.contains(&name), "{name} is not in {services:?}");
    }
    assert_eq!(seen["health"], "SERVING");
    assert_eq!(seen["job"]["state"], "JOB_STATE_COMPLETED");
    assert_eq!(seen["job"]["attempt"], 1);
    assert_eq!(seen["metrics"]["messages"], 5);
    for (call, code, reason, field) in [
        (
            "bad_priority",
            "INVALID_ARGUMENT",
            "INVALID_FIELD",
            json!("priority"),
        ),
        ("unknown_job", "NOT_FOUND", "JOB_NOT_FOUND", Value::Null),
    ] {
        let error = &seen[call];
        assert_eq!(
            (&error["code"], &error["reason"]),
            (&json!(code), &json!(reason))
        );
        assert_eq!(
            (&error["domain"], &error["field"]),
            (&json!("jobflow"), &field)
        );
        assert!(error["metadata"]["request_id"].is_string(), "{error}");
    }
    let unknown = &seen["unknown_job"]["metadata"]["job_id"];
    assert_eq!(unknown, "0198c0de-0000-7000-8000-000000000000");
    assert_eq!(
        system.totals().await.submitted,
        1,
        "what was refused was not stored"
    );
    system.close().await;
}
