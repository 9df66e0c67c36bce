use std::time::Duration;

use jobflow::testing::{TestQueue, wait_for};
use jobflow::{Code, Outcome};

use crate::{claim_one, default_queue, error, job, submit};

#[tokio::test]
async fn finished_jobs_go_when_they_are_old() {
    let queue = TestQueue::with(|config| {
        config.retention.completed.age = Duration::from_millis(1);
        config.retention.failed.age = Duration::from_secs(3600);
    });
    let completed = submit(&queue, job().idempotency_key("k").unwrap()).await;
    queue
        .finish(&claim_one(&queue).await, Outcome::Ack(None))
        .await
        .unwrap();
    let failed = submit(&queue, job()).await;
    queue
        .finish(&claim_one(&queue).await, Outcome::Fail(error()))
        .await
        .unwrap();
    wait_for("the completed job to be old", || async {
        (queue.prune(&default_queue()).await.unwrap() == 1).then_some(())
    })
    .await;
    assert_eq!(
        queue.get(completed).await.unwrap_err().code(),
        Code::JobNotFound
    );
    assert!(queue.get(failed).await.is_ok());
    queue.close().await;
}

#[tokio::test]
async fn a_smaller_count_is_reached_in_bounded_steps() {
    let queue = TestQueue::new();
    queue.submit_batch((0..450).map(|_| job()).collect()).await;
    loop {
        let jobs = crate::claim(&queue, 125).await.jobs;
        if jobs.is_empty() {
            break;
        }
        let finishing = jobs.iter().map(|job| queue.finish(job, Outcome::Ack(None)));
        for finished in futures_util::future::join_all(finishing).await {
            finished.unwrap();
        }
    }
    let strict = jobflow::QueueConfig {
        retention: jobflow::Retention {
            completed: jobflow::Keep {
                count: 10,
                age: Duration::from_secs(3600),
            },
            ..jobflow::Retention::default()
        },
        ..queue.config().clone()
    };
    let strict = jobflow::JobQueue::open(strict).unwrap();
    let mut steps = Vec::new();
    loop {
        match strict.prune(&default_queue()).await.unwrap() {
            0 => break,
            step => steps.push(step),
        }
    }
    assert_eq!(steps, [200, 200, 40]);
    queue.close().await;
}
