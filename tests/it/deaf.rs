//! Loops that must never end go on after any error, however it looked.

use std::time::Duration;

use jobflow::testing::{Fault, FaultyRedis, TestRedis, assert_sound, fresh_namespace, wait_for};
use jobflow::{
    BulkAction, BulkTarget, Code, JobId, JobQueue, JobState, NewBulk, NewJob, Outcome, Pulses,
    QueueConfig, RunAt, maintenance,
};

use crate::{WORKER, default_queue, job};

const OFTEN: Option<Duration> = Some(Duration::from_millis(20));

/// How many commands go wrong before all is well again.
const ERRORS: u64 = 15;

fn open(url: String, namespace: jobflow::Namespace, keep: u32) -> JobQueue {
    let mut config = QueueConfig {
        redis_url: url,
        namespace,
        ..QueueConfig::default()
    };
    config.retention.completed.count = keep;
    JobQueue::open(config).unwrap()
}

async fn is(queue: &JobQueue, id: JobId, state: JobState) {
    wait_for(&format!("{id} to be {state}"), async || {
        let job = queue.get(id).await.unwrap();
        (job.state == state).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_duties_and_the_bulk_runner_outlive_every_kind_of_error() {
    let redis = TestRedis::start();
    let faulty = FaultyRedis::before(redis.port()).await;
    let namespace = fresh_namespace();
    // What the duties use, which keeps no completed jobs, and what sees them.
    let behind = open(faulty.url(), namespace.clone(), 0);
    let queue = open(redis.url(), namespace, 1_000);
    let pulses = Pulses::default();
    let duties = maintenance::Duties {
        promote_every: OFTEN,
        reap_every: OFTEN,
        prune_every: OFTEN,
    };
    let never = std::future::pending;
    let run = maintenance::run(behind.clone(), duties, pulses.clone(), never());
    let [duties, bulks] = [
        tokio::spawn(run),
        tokio::spawn(maintenance::run_bulks(behind, pulses.clone(), never())),
    ];
    for fault in Fault::ALL {
        for one_in in [1, 3] {
            faulty.let_fail(fault, one_in, ERRORS).await;
            all_is_done(&queue).await;
        }
    }
    for pulse in pulses.reports() {
        assert!(pulse.failures > 0, "{pulse:?}");
        assert!(!pulse.is_late(), "{pulse:?}");
    }
    assert!(!duties.is_finished() && !bulks.is_finished());
    assert_sound(&queue).await;
}

/// Each duty has one job to do.
async fn all_is_done(queue: &JobQueue) {
    let name = default_queue();
    let completed = queue.submit(job()).await.unwrap().id;
    let claimed = queue.claim(&name, 1, Duration::from_secs(60), WORKER).await;
    let claimed = claimed.unwrap().jobs.remove(0);
    queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();

    let lost = queue.submit(job()).await.unwrap().id;
    let short = Duration::from_millis(100);
    queue.claim(&name, 1, short, WORKER).await.unwrap();

    let soon = RunAt::After(Duration::from_millis(20));
    let due = NewJob::new("noop", "{}").unwrap().run_at(soon).unwrap();
    let due = queue.submit(due).await.unwrap().id;

    is(queue, lost, JobState::Waiting).await;
    is(queue, due, JobState::Waiting).await;
    wait_for("a completed job to be dropped", async || {
        let looked = queue.get(completed).await;
        looked
            .is_err_and(|error| error.code() == Code::JobNotFound)
            .then_some(())
    })
    .await;
    let bulk = NewBulk {
        action: BulkAction::Delete,
        target: BulkTarget::Ids(vec![lost, due]),
        reason: String::new(),
        rate: 0.0,
        validate_only: false,
        request_id: None,
    };
    let started = queue.start_bulk(bulk).await.unwrap();
    wait_for("a bulk operation", async || {
        let operation = queue.get_bulk(&started.id).await.unwrap();
        operation.is_over().then_some(())
    })
    .await;
}
