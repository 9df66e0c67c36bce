//! The queue against a real redis-server. Each test has a namespace of its own
//! and ends with an audit of all that is in it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod claim;
mod events;
mod extend;
mod faults;
mod finish;
mod get;
mod promote;
mod prune;
mod reap;
mod stats;
mod submit;
mod wait;
mod workers;

use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{Claimed, ClaimedJob, JobError, JobId, JobState, NewJob, QueueName};

const LEASE: Duration = Duration::from_secs(30);
const WORKER: &str = "worker-1";

fn default_queue() -> QueueName {
    QueueName::default()
}

fn job() -> NewJob {
    NewJob::new("noop", "{}").unwrap()
}

fn error() -> JobError {
    JobError {
        code: "HANDLER_ERROR".to_owned(),
        message: "no luck".to_owned(),
    }
}

async fn submit(queue: &TestQueue, job: NewJob) -> JobId {
    queue.submit(job).await.unwrap().id
}

async fn claim(queue: &TestQueue, limit: usize) -> Claimed {
    queue
        .claim(&default_queue(), limit, LEASE, WORKER)
        .await
        .unwrap()
}

async fn claim_one(queue: &TestQueue) -> ClaimedJob {
    let mut jobs = claim(queue, 1).await.jobs;
    assert_eq!(jobs.len(), 1, "one job waits");
    jobs.remove(0)
}

async fn state(queue: &TestQueue, id: JobId) -> JobState {
    queue.get(id).await.unwrap().state
}
