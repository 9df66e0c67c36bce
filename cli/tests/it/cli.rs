//! Runs the binary.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary with nothing of the environment that it reads.
pub(crate) fn command(server: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobflow-cli"));
    command
        .args(["--server", server])
        .args(args)
        .env_remove("JOBFLOW_SERVER")
        .env_remove("JOBFLOW_TOKEN")
        .env_remove("JOBFLOW_TOKEN_FILE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) async fn run(
    server: &str,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Outcome {
    run_with_input(server, args, "").await
}

pub(crate) async fn run_with_input(
    server: &str,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    input: &str,
) -> Outcome {
    let mut child = command(server, args).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = async {
        // A command that ends early does not read to the end.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits until something is so; what it is, a failure tells.
pub(crate) async fn eventually(mut is_so: impl FnMut() -> bool, what: impl Fn() -> String) {
    let look = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while !is_so() {
            look.tick().await;
        }
    };
    let so = tokio::time::timeout(Duration::from_secs(20), look).await;
    assert!(so.is_ok(), "waited in vain for {}", what());
}
