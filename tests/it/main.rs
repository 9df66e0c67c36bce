//! The queue against a real redis-server. Each test has a namespace of its own
//! and ends with an audit of all that is in it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod bulk;
mod bulk_runner;
mod cancel;
mod change;
mod check;
mod claim;
mod cluster;
mod count;
mod dead_letters;
mod deaf;
mod delete;
mod delete_queue;
mod drain;
mod durability;
mod events;
mod expire;
mod explain;
mod extend;
mod faults;
mod finish;
mod fuzz;
mod get;
mod history;
mod kinds;
mod layout;
mod list;
mod logs;
mod lost;
mod measure;
mod partitions;
mod pause;
mod promote;
mod promote_now;
mod prune;
mod purge;
mod query;
mod reap;
mod replace;
mod report;
mod retry;
mod rotated;
mod secured;
mod sentinel;
mod settings;
mod signals;
mod silent;
mod stats;
mod submit;
mod tags;
mod update;
mod wait;
mod walk;
mod workers;

use std::collections::BTreeMap;
use std::time::Duration;

use jobflow::testing::{TestQueue, namespace_key, queue_key, server_of, wait_for};
use jobflow::{
    Claimed, ClaimedJob, JobError, JobId, JobRecord, JobState, NewJob, Outcome, QueueName,
    QueueSnapshot, RunAt, StoreTime,
};

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

async fn get(queue: &TestQueue, id: JobId) -> JobRecord {
    queue.get(id).await.unwrap()
}

async fn numbers(queue: &TestQueue) -> QueueSnapshot {
    queue.queue(&default_queue()).await.unwrap()
}

/// A job in each state that it can be in without running, and then active or final.
async fn job_in(queue: &TestQueue, state: JobState) -> JobId {
    bring_to(queue, job(), state).await
}

/// Submits a job, of a queue in which no other waits, and brings it to a state.
async fn bring_to(queue: &TestQueue, new: NewJob, state: JobState) -> JobId {
    let outcome = match state {
        JobState::Scheduled => {
            return submit(queue, new.run_at(RunAt::After(LEASE)).unwrap()).await;
        }
        JobState::Retrying => Some(Outcome::ErrorAfter(LEASE, error())),
        JobState::Completed => Some(Outcome::Ack(None)),
        JobState::Failed => Some(Outcome::Fail(error())),
        JobState::Cancelled => Some(Outcome::Cancelled),
        JobState::Waiting | JobState::Active | JobState::Blocked => None,
    };
    let id = submit(queue, new).await;
    if let Some(outcome) = outcome {
        let claimed = claim_one(queue).await;
        assert_eq!(queue.finish(&claimed, outcome).await.unwrap(), state);
    } else if state == JobState::Active {
        claim_one(queue).await;
    }
    assert_eq!(self::state(queue, id).await, state);
    id
}

/// Claims under the shortest lease and lets it run out.
async fn lose_worker(queue: &TestQueue) {
    let short = Duration::from_millis(100);
    let lost = queue.claim(&default_queue(), 1, short, WORKER).await;
    assert_eq!(lost.unwrap().jobs.len(), 1, "one job waits");
    wait_for("the lease to run out", || async {
        let reaped = queue.reap(&default_queue()).await.unwrap();
        (reaped.put_back + reaped.failed == 1).then_some(())
    })
    .await;
}

/// A plain connection to the server that has the queue `default` of a test, to
/// look at what no call tells.
fn store(queue: &TestQueue) -> redis::Connection {
    connect(&server_of(&queue.config().redis_url, &key(queue, "")))
}

fn connect(url: &str) -> redis::Connection {
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

/// A key of the queue `default`.
fn key(queue: &TestQueue, name: &str) -> String {
    queue_key(&queue.config().namespace, &default_queue(), name)
}

/// All that is stored in the namespace of a test.
fn contents(queue: &TestQueue) -> BTreeMap<String, Vec<u8>> {
    let mut store = store(queue);
    // Of the namespace itself and of its queues, whose names follow before the brace.
    let own = namespace_key(&queue.config().namespace, "");
    let pattern = format!("{}*", own.trim_end_matches("}:"));
    let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query(&mut store).unwrap();
    let dump = |key: String| {
        let bytes = redis::cmd("DUMP").arg(&key).query(&mut store).unwrap();
        (key, bytes)
    };
    keys.into_iter().map(dump).collect()
}

/// The letters and ids of an entry of the event stream.
type Fields = Vec<(String, Vec<u8>)>;

/// What the newest entry of the event stream says.
fn last_event(queue: &TestQueue) -> Fields {
    let mut read = redis::cmd("XREVRANGE");
    read.arg(key(queue, "events"))
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(1);
    let entries: Vec<(String, Fields)> = read.query(&mut store(queue)).unwrap();
    entries.into_iter().next().unwrap().1
}
/// Lets the clock of the store go on, so that the next end is a later one.
async fn next_millisecond(queue: &TestQueue, time: StoreTime) {
    wait_for("the next millisecond", async || {
        let now = queue.snapshot().await.unwrap().time;
        (now > time).then_some(())
    })
    .await;
}
