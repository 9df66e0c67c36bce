use std::time::Duration;

use jobflow::testing::{
    TestQueue, TestRedis, assert_sound, fresh_namespace, namespace_key, wait_for,
};
use jobflow::{
    BulkAction, BulkState, JobQueue, JobState, Keep, NewBulk, Pulses, QueueConfig, maintenance,
};

use crate::bulk::{bulk, done, of, run, runner};
use crate::faults::open;
use crate::list::submit_many;
use crate::{job, state};

fn keeping_all() -> TestQueue {
    TestQueue::with(|config| {
        let all = Keep {
            count: 1_000_000,
            age: Duration::from_secs(3_600),
        };
        (config.retention.failed, config.retention.cancelled) = (all, all);
    })
}

async fn cancelled(queue: &JobQueue) -> u64 {
    let snapshot = queue.snapshot().await.unwrap();
    snapshot
        .queues
        .iter()
        .map(|queue| queue.totals.cancelled)
        .sum()
}

#[tokio::test]
async fn an_operation_whose_server_died_is_taken_over_and_touches_each_job_once() {
    let queue = keeping_all();
    submit_many(&queue, 8_000, |_| job()).await;
    let first = runner(&queue);
    let id = queue
        .start_bulk(bulk(BulkAction::Cancel, of("")))
        .await
        .unwrap()
        .id;
    wait_for("some jobs", async || {
        (queue.get_bulk(&id).await.unwrap().changed > 500).then_some(())
    })
    .await;
    // Dropped between two instructions, its lock not given back.
    first.abort();
    let at_death = queue.get_bulk(&id).await.unwrap();
    assert_eq!(at_death.state, BulkState::Running, "{}", at_death.changed);
    let second = runner(&queue);
    let operation = done(&queue, &id).await;
    second.abort();
    assert_eq!((operation.changed, operation.skipped), (8_000, 0));
    assert_eq!(cancelled(&queue).await, 8_000);
    queue.close().await;
}

#[tokio::test]
async fn two_servers_that_run_one_operation_count_each_job_once() {
    let redis = TestRedis::start();
    let namespace = fresh_namespace();
    let open = || {
        let mut config = QueueConfig {
            redis_url: redis.url(),
            namespace: namespace.clone(),
            ..QueueConfig::default()
        };
        config.retention.cancelled.count = 1_000_000;
        JobQueue::open(config).unwrap()
    };
    let (one, two) = (open(), open());
    submit_many(&one, 6_000, |_| job()).await;
    let new = NewBulk {
        rate: 2_500.0,
        ..bulk(BulkAction::Cancel, of("kind = noop"))
    };
    let id = one.start_bulk(new).await.unwrap().id;
    let runners = [runner(&one), runner(&two)];
    // Whoever holds the lock loses it again and again.
    let lock = namespace_key(&namespace, &format!("bulk:{id}"));
    let operation = wait_for("the end", async || {
        let _deleted = redis.cli(&["DEL", &lock]);
        let operation = one.get_bulk(&id).await.unwrap();
        operation.is_over().then_some(operation)
    })
    .await;
    for runner in runners {
        runner.abort();
    }
    assert_eq!((operation.changed, operation.skipped), (6_000, 0));
    assert_eq!(cancelled(&one).await, 6_000);
    assert_sound(&one).await;
}

#[tokio::test]
async fn a_runner_that_is_told_to_stop_hands_its_operation_on_at_once() {
    let queue = TestQueue::new();
    submit_many(&queue, 40, |_| job()).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let first = tokio::spawn(maintenance::run_bulks(
        (*queue).clone(),
        Pulses::default(),
        async {
            drop(stopped.await);
        },
    ));
    let new = NewBulk {
        rate: 10.0,
        ..bulk(BulkAction::Cancel, of(""))
    };
    let id = queue.start_bulk(new).await.unwrap().id;
    wait_for("some jobs", async || {
        (queue.get_bulk(&id).await.unwrap().changed > 3).then_some(())
    })
    .await;
    drop(stop);
    first.await.unwrap();
    let second = runner(&queue);
    let operation = done(&queue, &id).await;
    second.abort();
    assert_eq!((operation.changed, operation.skipped), (40, 0));
    queue.close().await;
}

#[tokio::test]
async fn a_stopped_operation_stays_where_it_is() {
    let queue = TestQueue::new();
    let ids = submit_many(&queue, 50, |_| job()).await;
    let runner = runner(&queue);
    let new = NewBulk {
        rate: 5.0,
        ..bulk(BulkAction::Cancel, of(""))
    };
    let id = queue.start_bulk(new).await.unwrap().id;
    wait_for("the first job", async || {
        (queue.get_bulk(&id).await.unwrap().changed > 0).then_some(())
    })
    .await;
    let stopped = queue.stop_bulk(&id).await.unwrap();
    assert_eq!(stopped.state, BulkState::Stopped);
    // It is over for good, and stays so.
    assert_eq!(
        queue.stop_bulk(&id).await.unwrap().state,
        BulkState::Stopped
    );
    let after = run(&queue, bulk(BulkAction::Promote, of(""))).await;
    assert_eq!(after.state, BulkState::Done);
    runner.abort();
    let last = queue.get_bulk(&id).await.unwrap();
    assert!(last.changed < 50, "{last:?}");
    let mut left = 0;
    for id in ids {
        left += u64::from(state(&queue, id).await == JobState::Waiting);
    }
    assert_eq!(left + last.changed, 50);
    queue.close().await;
}

#[tokio::test]
async fn no_job_is_left_out_when_the_store_is_restarted_in_the_middle() {
    let mut redis = TestRedis::start_durable();
    let queue = open(&redis);
    submit_many(&queue, 2_000, |_| job()).await;
    let runner = runner(&queue);
    let new = NewBulk {
        rate: 1_000.0,
        ..bulk(BulkAction::Cancel, of("kind = noop"))
    };
    let id = queue.start_bulk(new).await.unwrap().id;
    for part in [1, 500, 1_000] {
        wait_for("a part of the jobs", async || {
            let operation = queue.get_bulk(&id).await.ok()?;
            (operation.changed >= part).then_some(())
        })
        .await;
        redis.stop();
        redis.resume();
    }
    let operation = wait_for("the end", async || {
        let operation = queue.get_bulk(&id).await.ok()?;
        operation.is_over().then_some(operation)
    });
    let operation = operation.await;
    runner.abort();
    let told = (operation.state, operation.changed);
    assert_eq!(told, (BulkState::Done, 2_000));
}
