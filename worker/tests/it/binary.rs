use std::process::Stdio;

use jobflow::testing::{PATIENCE, TestQueue, TestRedis, wait_for};
use jobflow::{JobState, QueueConfig};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::support::{eager, submit, wait_until};

fn worker(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobflow-worker"));
    command
        .args(arguments)
        .env_remove("JOBFLOW_REDIS_URL")
        .env_remove("JOBFLOW_NAMESPACE")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn worker_of(config: &QueueConfig, arguments: &[&str]) -> Child {
    let namespace = config.namespace.to_string();
    let basics = [
        "--redis",
        &config.redis_url,
        "--namespace",
        &namespace,
        "--listen",
        "127.0.0.1:0",
    ];
    worker(&[&basics, arguments].concat()).spawn().unwrap()
}

async fn end(mut child: Child, signals: &[&str]) -> (Option<i32>, String) {
    let pid = child.id().unwrap().to_string();
    for signal in signals {
        Command::new("kill")
            .args([signal, pid.as_str()])
            .status()
            .await
            .unwrap();
    }
    let mut log = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .await
        .unwrap();
    (child.wait().await.unwrap().code(), log)
}

#[tokio::test]
async fn bad_command_lines_are_usage_errors_that_say_what_to_do() {
    for (arguments, part) in [
        (&[][..], "--handler '*=simulate:50ms..500ms,fail=5%'"),
        (&["--handler", "k"], "must be KIND=SPEC"),
        (&["--handler", "k=shell:ls"], "is no handler"),
        (&["--handler", "*=simulate:5"], "is no duration"),
        (&["--handler", "a b=simulate:5ms"], "kind: must be"),
        (
            &["--handler", "*=simulate:5ms", "--queue", "A"],
            "queue: must be",
        ),
        (&["--handler", "*=simulate:5ms", "--lease", "x"], "--lease"),
    ] {
        let output = worker(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn the_binary_runs_jobs_and_ends_in_order() {
    let queue = TestQueue::new();
    let arguments = [
        "--queue",
        "default",
        "--queue",
        "mail",
        "--handler",
        "k=simulate:1ms..2ms",
    ];
    let child = worker_of(
        queue.config(),
        &[&arguments[..], &["--handler", "*=exec:cat"]].concat(),
    );
    let simulated = submit(&queue, eager("{}")).await;
    let job = jobflow::NewJob::new("other", "payload")
        .unwrap()
        .queue("mail")
        .unwrap();
    let catted = submit(&queue, job).await;
    let job = wait_until(&queue, simulated, JobState::Completed).await;
    let result = String::from_utf8(job.result.unwrap().bytes.to_vec()).unwrap();
    assert!(result.contains(r#""attempt":1"#), "{result}");
    let job = wait_until(&queue, catted, JobState::Completed).await;
    assert_eq!(job.result.unwrap().bytes, "payload");
    let beat = async || queue.snapshot().await.unwrap().workers.pop();
    let pid = wait_for("its beat", beat).await.beat.pid;
    assert_eq!(pid, child.id().unwrap());

    let (code, log) = end(child, &["-TERM"]).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(
        log.contains("worker is at work") && log.contains("worker has stopped"),
        "{log}"
    );
    assert!(queue.snapshot().await.unwrap().workers.is_empty());
    queue.close().await;
}

#[tokio::test]
async fn a_second_signal_ends_the_grace_and_hands_back() {
    let queue = TestQueue::new();
    let mut child = worker_of(
        queue.config(),
        &["--handler", "*=exec:sleep 1000", "--grace", "1h"],
    );
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Active).await;

    let pid = child.id().unwrap().to_string();
    // Until it ends: a signal may come before the worker listens for the second.
    let ended = async {
        loop {
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .await
                .unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("it ends");
    assert_eq!(ended.code(), Some(0));
    let job = queue.get(id).await.unwrap();
    assert_eq!(
        (job.state, job.attempt, job.crash_count),
        (JobState::Waiting, 0, 0)
    );
    queue.close().await;
}

#[tokio::test]
async fn an_evicting_store_ends_the_binary_with_a_reason() {
    let redis = TestRedis::start_with(&["--save", "", "--maxmemory-policy", "allkeys-lru"]);
    let config = QueueConfig {
        redis_url: redis.url(),
        ..QueueConfig::default()
    };
    let (code, log) = end(worker_of(&config, &["--handler", "*=simulate:1ms"]), &[]).await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("set it to noeviction"), "{log}");
}

#[tokio::test]
async fn records_of_another_layout_end_the_binary_with_a_reason() {
    let redis = TestRedis::start();
    let config = QueueConfig {
        redis_url: redis.url(),
        ..QueueConfig::default()
    };
    let set = redis.cli(&["SET", "jf:{default}:layout", "2"]);
    assert_eq!(set.trim(), "OK");
    let (code, log) = end(worker_of(&config, &["--handler", "*=simulate:1ms"]), &[]).await;
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("are of layout 2, and this version is of layout 1"),
        "{log}"
    );
}

#[tokio::test]
async fn a_frozen_worker_loses_its_job_and_its_finish_is_refused() {
    let queue = TestQueue::new();
    let arguments = ["--lease", "500ms", "--handler", "*=simulate:1s"];
    let frozen = worker_of(queue.config(), &arguments);
    let id = submit(&queue, eager("{}")).await;
    wait_until(&queue, id, JobState::Active).await;
    let pid = frozen.id().unwrap().to_string();
    let signal = async |name| {
        Command::new("kill")
            .args([name, pid.as_str()])
            .status()
            .await
            .unwrap()
    };
    signal("-STOP").await;

    let healthy = worker_of(queue.config(), &arguments);
    let job = wait_until(&queue, id, JobState::Completed).await;
    signal("-CONT").await;
    let lost = async || {
        let snapshot = queue.snapshot().await.ok()?;
        (snapshot.queues[0].totals.lease_lost == 1).then_some(())
    };
    wait_for("the refusal", lost).await;
    assert_eq!((job.attempt, job.crash_count), (1, 1));
    for child in [frozen, healthy] {
        let (code, log) = end(child, &["-TERM"]).await;
        assert_eq!(code, Some(0), "{log}");
    }
    let job = queue.get(id).await.unwrap();
    assert_eq!((job.state, job.crash_count), (JobState::Completed, 1));
    queue.close().await;
}

#[tokio::test]
async fn the_jobs_of_a_killed_worker_run_elsewhere() {
    let queue = TestQueue::new();
    let arguments = ["--lease", "1s", "--handler", "*=simulate:2s"];
    let mut killed = worker_of(queue.config(), &arguments);
    let jobs = (0..64)
        .map(|_| eager("{}").max_attempts(1).unwrap())
        .collect();
    let submitted = queue.submit_batch(jobs).await;
    let ids: Vec<_> = submitted.into_iter().map(|job| job.unwrap().id).collect();
    wait_for("all to run", async || {
        let queues = queue.snapshot().await.ok()?.queues;
        (queues[0].counts.active == 64).then_some(())
    })
    .await;
    killed.kill().await.unwrap();

    let second = worker_of(queue.config(), &arguments);
    for id in ids {
        let job = wait_until(&queue, id, JobState::Completed).await;
        assert_eq!((job.attempt, job.crash_count), (1, 1));
    }
    let (code, log) = end(second, &["-TERM"]).await;
    assert_eq!(code, Some(0), "{log}");
    queue.close().await;
}
