//! The OpenAPI file says what REST does: schemathesis asks the running server.

use std::env;
use std::path::Path;

use jobflow::testing::TestRedis;
use tokio::process::Command;

use crate::system::System;

/// Cases for each call and kind of data; more by hand when REST has changed.
const EXAMPLES: &str = "30";

/// All there are but one: a `DELETE` cancels a job, and what is cancelled can be read.
const CHECKS: [&str; 12] = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ensure_resource_availability",
    "ignored_auth",
];

#[tokio::test(flavor = "multi_thread")]
async fn rest_does_what_its_openapi_file_says() {
    let redis = TestRedis::start();
    // So that jobs which ask to be replicated can be.
    let _replica = redis.start_replica();
    let mut system = System::start_on(redis).await;
    system
        .worker(&["--handler", "*=simulate:1ms,fail=20%"])
        .await;
    let url = format!("{}/openapi.json", system.url());
    let examples =
        env::var("JOBFLOW_TEST_OPENAPI_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e");
    let packages = env::var_os("JOBFLOW_TEST_PYTHONPATH").unwrap_or_default();
    let path = env::join_paths([Path::new(&packages), Path::new(folder)]).unwrap();
    let checked = Command::new("python3")
        .args(["-B", "-m", "schemathesis.cli", "run", &url])
        .args(["--checks", &CHECKS.join(",")])
        .args(["--max-examples", &examples, "--seed", "1", "--no-color"])
        .args(["--generation-database", "none"])
        .args(["--suppress-health-check", "all"])
        .env("SCHEMATHESIS_HOOKS", "openapi_hooks")
        .env("PYTHONPATH", path)
        .current_dir(system.folder())
        .output();
    let checked = checked.await.unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}");
    println!("{said}");
    assert!(system.totals().await.submitted > 0, "{said}");
    system.close().await;
}
