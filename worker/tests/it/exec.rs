use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{JobRecord, JobState, MAX_PAYLOAD, NewJob};
use jobflow_worker::Worker;
use jobflow_worker::handlers::HandlerSpec;

use crate::support::{Running, eager, error_of, submit, wait_until};

/// A worker whose handler is a shell script.
fn shell(queue: &TestQueue, script: &str) -> (Running, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let spec: HandlerSpec = format!("exec:sh {}", file.path().display())
        .parse()
        .unwrap();
    let worker = Worker::builder(queue).grace(Duration::from_millis(1));
    (
        Running::start(worker.handler_for("k", spec.handler())),
        file,
    )
}

/// Runs one job by a script.
async fn run(script: &str, job: NewJob, state: JobState) -> JobRecord {
    let queue = TestQueue::new();
    let (worker, _script) = shell(&queue, script);
    let id = submit(&queue, job).await;
    let job = wait_until(&queue, id, state).await;
    worker.stop().await;
    queue.close().await;
    job
}

#[tokio::test]
async fn the_payload_is_on_stdin_and_stdout_is_the_result() {
    let payload = r#"{"n":12345678901234567890,"e":[],"o":{},"s":"\u0000é😀","f":1.10}"#;
    let job = run("cat", eager(payload), JobState::Completed).await;
    let result = job.result.unwrap();
    assert_eq!(
        (result.bytes, result.content_type.as_str()),
        (payload.into(), "application/json")
    );
}

#[tokio::test]
async fn the_environment_describes_the_attempt() {
    let script =
        "echo $JOBFLOW_JOB_ID $JOBFLOW_KIND $JOBFLOW_QUEUE $JOBFLOW_ATTEMPT $JOBFLOW_LEASE_TOKEN";
    let job = run(script, eager("{}"), JobState::Completed).await;
    let result = job.result.unwrap();
    assert_eq!(result.bytes, format!("{} k default 1 1\n", job.id));
    assert_eq!(result.content_type, "text/plain; charset=utf-8");
}

#[tokio::test]
async fn a_command_keeps_to_its_limits() {
    let queue = TestQueue::new();
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), "ulimit -v; ulimit -t; ulimit -n; echo $1").unwrap();
    let spec = format!(
        "exec,memory=256MiB,cpu=7s,files=33:sh {} $HOME;a",
        script.path().display()
    );
    let handler = spec.parse::<HandlerSpec>().unwrap().handler();
    let worker = Running::start(Worker::builder(&queue).handler_for("k", handler));
    let id = submit(&queue, eager("{}")).await;
    let job = wait_until(&queue, id, JobState::Completed).await;
    let result = job.result.unwrap().bytes;
    assert_eq!(result, "262144\n7\n33\n$HOME;a\n");
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn stderr_is_the_log_of_the_job_and_tells_its_progress() {
    let queue = TestQueue::new();
    let script = "echo one >&2; echo JOBFLOW_PROGRESS 20 begun >&2; echo >&2; \
        head -c 5000 /dev/zero | tr '\\0' x >&2; echo >&2; \
        echo JOBFLOW_PROGRESS 40 half way >&2; echo JOBFLOW_PROGRESS soon >&2; printf end >&2";
    let (worker, _script) = shell(&queue, script);
    let id = submit(&queue, eager("{}")).await;
    let job = wait_until(&queue, id, JobState::Completed).await;
    let said = job.progress.unwrap();
    assert_eq!((said.percent, said.message.as_str()), (40, "half way"));
    let lines = queue.logs(id, 0, 100).await.unwrap().lines;
    let lines: Vec<_> = lines.into_iter().map(|line| line.text).collect();
    let (long, rest) = ("x".repeat(4_096), "x".repeat(904));
    let all = ["one", "", &long, &rest, "JOBFLOW_PROGRESS soon", "end"];
    assert_eq!(lines, all);
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_command_may_say_more_than_is_kept() {
    let queue = TestQueue::new();
    let (worker, _script) = shell(&queue, "seq 1 20000 >&2");
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Completed).await;
    let lines = queue.logs(id, 0, 1_000).await.unwrap().lines;
    assert_eq!(lines.last().unwrap().text, "20000");
    assert!(lines.len() <= 1_000);
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn no_output_is_no_result() {
    let job = run("exit 0", eager("{}"), JobState::Completed).await;
    assert_eq!(job.result, None);
}

#[tokio::test]
async fn exit_65_fails_for_good() {
    let job = run("echo bad input >&2; exit 65", eager("{}"), JobState::Failed).await;
    assert_eq!((job.attempt, job.max_attempts), (1, 3));
    assert_eq!(
        error_of(&job),
        ("COMMAND_FAILED", "exit status: 65: bad input")
    );
}

#[tokio::test]
async fn exit_75_means_later_and_costs_no_attempt() {
    let job = run("exit 75", eager("{}"), JobState::Scheduled).await;
    assert_eq!((job.attempt, job.error), (0, None));
}

#[tokio::test]
async fn any_other_exit_is_an_errored_attempt_with_the_end_of_stderr() {
    let script = "head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 3";
    let job = run(
        script,
        eager("{}").max_attempts(2).unwrap(),
        JobState::Failed,
    )
    .await;
    let (code, message) = error_of(&job);
    assert_eq!((job.attempt, code), (2, "COMMAND_FAILED"));
    assert!(message.starts_with("exit status: 3: xxx"), "{message}");
    assert!(
        message.ends_with("xxxthe end") && message.len() < 5_000,
        "{message}"
    );
}

#[tokio::test]
async fn a_command_that_is_killed_says_by_which_signal() {
    let job = run(
        "kill -9 $$",
        eager("{}").max_attempts(1).unwrap(),
        JobState::Failed,
    )
    .await;
    assert_eq!(error_of(&job).1, "signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_an_errored_attempt() {
    let queue = TestQueue::new();
    let spec: HandlerSpec = "exec:./no-such-command".parse().unwrap();
    let worker = Running::start(Worker::builder(&queue).handler_for("k", spec.handler()));
    let id = submit(&queue, eager("{}").max_attempts(1).unwrap()).await;
    let job = wait_until(&queue, id, JobState::Failed).await;
    let (code, message) = error_of(&job);
    assert_eq!(code, "COMMAND_FAILED");
    assert!(
        message.starts_with("can not start ./no-such-command: No such file"),
        "{message}"
    );
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_command_that_ignores_its_stdin_is_no_problem() {
    // More than a pipe holds, in both directions.
    let payload = format!("\"{}\"", "x".repeat(MAX_PAYLOAD - 2));
    let script = "exec <&-; head -c 200000 /dev/zero";
    let job = run(script, eager(&payload), JobState::Completed).await;
    let result = job.result.unwrap();
    assert_eq!(result.bytes.len(), 200_000);
    // Zeros are UTF-8, but no JSON.
    assert_eq!(result.content_type, "text/plain; charset=utf-8");
    // Never closed, never read.
    run("echo 1", eager(&payload), JobState::Completed).await;
}

#[tokio::test]
async fn output_over_the_limit_is_not_kept() {
    let script = format!("head -c {} /dev/zero", MAX_PAYLOAD * 40);
    let job = run(&script, eager("{}"), JobState::Failed).await;
    let (code, message) = error_of(&job);
    assert_eq!(code, "PAYLOAD_TOO_LARGE");
    assert_eq!(
        message,
        format!(
            "stdout: {} bytes, the limit is {MAX_PAYLOAD}",
            MAX_PAYLOAD * 40
        )
    );
    let script = format!("head -c {MAX_PAYLOAD} /dev/zero");
    let job = run(&script, eager("{}"), JobState::Completed).await;
    assert_eq!(job.result.unwrap().bytes.len(), MAX_PAYLOAD);
}

#[tokio::test]
async fn what_a_command_leaves_running_neither_blocks_nor_lives_on() {
    // The background process holds stdout open.
    let script = "sleep 1000 & echo $!; exit 0";
    let job = run(script, eager("{}"), JobState::Completed).await;
    wait_until_gone(&job.result.unwrap().bytes).await;
}

#[tokio::test]
async fn a_command_over_its_time_is_killed_with_its_children() {
    let queue = TestQueue::new();
    let pids = tempfile::NamedTempFile::new().unwrap();
    let script = format!(
        "trap '' TERM; sleep 1000 & echo $! > {}; wait; wait",
        pids.path().display()
    );
    let (worker, _script) = shell(&queue, &script);
    let job = eager("{}")
        .max_attempts(1)
        .unwrap()
        .timeout(Duration::from_millis(500))
        .unwrap();
    let id = submit(&queue, job).await;
    let job = wait_until(&queue, id, JobState::Failed).await;
    assert_eq!(error_of(&job).0, "TIMEOUT");
    wait_until_gone(&std::fs::read(pids.path()).unwrap()).await;
    worker.stop().await;
    queue.close().await;
}

#[tokio::test]
async fn a_stop_tells_the_command_and_hands_the_job_back() {
    let queue = TestQueue::new();
    let told = tempfile::NamedTempFile::new().unwrap();
    let path = told.path().display().to_string();
    let script =
        format!("trap 'echo told > {path}; exit 1' TERM; echo up > {path}; sleep 1000 & wait");
    let (worker, _script) = shell(&queue, &script);
    let id = submit(&queue, eager("{}")).await;
    let written = async || std::fs::read_to_string(&path).unwrap();
    wait_for("the command", async || {
        (written().await == "up\n").then_some(())
    })
    .await;

    worker.stop().await;
    assert_eq!(written().await, "told\n");
    let job = queue.get(id).await.unwrap();
    assert_eq!((job.state, job.attempt), (JobState::Waiting, 0));
    queue.close().await;
}

async fn wait_until_gone(pid: &[u8]) {
    let pid = std::str::from_utf8(pid).unwrap().trim().to_owned();
    wait_for("the process to be gone", async || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // A zombie waits for a parent that may be no good one; it runs no more.
        (status.is_empty() || status.contains("State:\tZ")).then_some(())
    })
    .await;
}
