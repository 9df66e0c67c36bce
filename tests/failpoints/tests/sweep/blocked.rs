//! A worker none of whose threads is left to hear that it should end.

use std::future::ready;

use jobflow::testing::{TestRedis, fresh_namespace, wait_for};
use jobflow::{JobQueue, JobState, NewJob, QueueConfig};

use crate::process::{Process, Role};

#[tokio::test]
async fn a_worker_whose_threads_are_all_blocked_ends_when_it_is_told_to() {
    let redis = TestRedis::start();
    let namespace = fresh_namespace();
    let folder = tempfile::tempdir().unwrap();
    let one_thread = Some(("TOKIO_WORKER_THREADS", "1"));
    let (url, name) = (redis.url(), namespace.as_str());
    let mut worker = Process::start_with(Role::Worker, one_thread, &url, name, folder.path());
    let queue = JobQueue::open(QueueConfig {
        redis_url: url.clone(),
        namespace: namespace.clone(),
        ..QueueConfig::default()
    })
    .unwrap();
    let job = queue.submit(NewJob::new("block", "").unwrap()).await;
    let id = job.unwrap().id;
    let diary = folder.path().join("diary");
    let begun = || std::fs::read_to_string(&diary).is_ok_and(|text| text.contains("begin"));
    wait_for("the handler", || ready(begun().then_some(()))).await;

    worker.terminate();
    let status = wait_for("the end", || ready(worker.ended())).await;
    let log = worker.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("handlers block every thread"), "{log}");
    let left = queue.get(id).await.unwrap();
    assert_eq!(left.state, JobState::Active, "its lease gives it back");
}
