//! Programs of one layout and records of another stay apart.

use jobflow::testing::{TestQueue, TestRedis, fresh_namespace, namespace_key};
use jobflow::{Code, Error, JobQueue, JobState, LAYOUT_VERSION, NewJob, QueueConfig};

fn config(redis: &TestRedis) -> QueueConfig {
    QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    }
}

async fn begin(config: &QueueConfig) -> jobflow::Result<JobQueue> {
    let queue = JobQueue::open(config.clone())?;
    queue.check_store().await?;
    Ok(queue)
}

/// Sets the mark of a namespace as a program of another version would.
fn mark(redis: &TestRedis, config: &QueueConfig, layout: &str) {
    let key = namespace_key(&config.namespace, "layout");
    assert_eq!(redis.cli(&["SET", &key, layout]).trim(), "OK");
}

#[tokio::test]
async fn whoever_comes_first_marks_the_namespace_and_the_same_layout_is_welcome() {
    let redis = TestRedis::start();
    let config = config(&redis);
    begin(&config).await.unwrap();
    let key = namespace_key(&config.namespace, "layout");
    assert_eq!(redis.cli(&["GET", &key]).trim(), LAYOUT_VERSION.to_string());
    begin(&config).await.unwrap();
}

#[tokio::test]
async fn records_of_another_layout_are_left_alone() {
    let redis = TestRedis::start();
    let config = config(&redis);
    let queue = begin(&config).await.unwrap();
    let id = queue
        .submit(NewJob::new("k", "{}").unwrap())
        .await
        .unwrap()
        .id;
    for (layout, found) in [("2", 2), ("0", 0), ("99", 99), ("what?", 0)] {
        mark(&redis, &config, layout);
        let refused = begin(&config).await.err().unwrap();
        assert_eq!(refused.code(), Code::StoreUnsafe);
        let Error::LayoutMismatch { found: told, own } = refused else {
            panic!("{refused}");
        };
        assert_eq!((told, own), (found, LAYOUT_VERSION));
    }
    // Rolled back: nothing has happened to the job.
    mark(&redis, &config, &LAYOUT_VERSION.to_string());
    let queue = begin(&config).await.unwrap();
    assert_eq!(queue.get(id).await.unwrap().state, JobState::Waiting);
}

#[tokio::test]
async fn a_namespace_of_before_there_were_marks_gets_one() {
    let queue = TestQueue::new();
    let id = queue
        .submit(NewJob::new("k", "{}").unwrap())
        .await
        .unwrap()
        .id;
    queue.check_store().await.unwrap();
    queue.check_store().await.unwrap();
    assert_eq!(queue.get(id).await.unwrap().state, JobState::Waiting);
    queue.close().await;
}
