//! A master that changes under the queue, as sentinels make it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jobflow::testing::{
    PATIENCE, TestRedis, TestSentinels, assert_sound, fresh_namespace, wait_for,
};
use jobflow::{
    ClaimedJob, Code, ControlMessage, ControlReader, Durability, JobId, JobQueue, JobState,
    Outcome, Partition, QueueConfig, WorkerBeat, WorkerSignal,
};
use tokio::time::timeout;

use crate::{LEASE, default_queue, job};

/// A master, its replica, and sentinels over both.
struct Setup {
    master: TestRedis,
    replica: TestRedis,
    sentinels: TestSentinels,
}

impl Setup {
    fn start() -> Self {
        let master = TestRedis::start();
        let replica = master.start_replica();
        let sentinels = TestSentinels::start(&master, 1);
        Self {
            master,
            replica,
            sentinels,
        }
    }

    fn open(&self) -> JobQueue {
        JobQueue::open(QueueConfig {
            redis_url: self.sentinels.url(),
            namespace: fresh_namespace(),
            durability_timeout: Duration::from_millis(300),
            ..QueueConfig::default()
        })
        .unwrap()
    }

    /// The same jobs on one server, whatever the sentinels say.
    fn look_at(queue: &JobQueue, redis: &TestRedis) -> JobQueue {
        JobQueue::open(QueueConfig {
            redis_url: redis.url(),
            ..queue.config().clone()
        })
        .unwrap()
    }

    async fn until_promoted(&self) {
        let port = self.replica.port();
        wait_for("the replica to be promoted", async || {
            (self.sentinels.master_port() == Some(port)).then_some(())
        })
        .await;
    }
}

async fn claim_one(queue: &JobQueue, lease: Duration) -> ClaimedJob {
    let claimed = queue.claim(&default_queue(), 1, lease, "w").await.unwrap();
    claimed.jobs.into_iter().next().expect("a job waits")
}

/// Submits one job as soon as there is a master that takes it.
async fn submit(queue: &JobQueue) -> JobId {
    let id = JobId::generate(&default_queue());
    let taken = wait_for("a submit to be taken", async || {
        queue.submit(job().id(id).unwrap()).await.ok()
    })
    .await;
    assert_eq!(taken.id, id);
    id
}

/// Submits until it is told to stop, and returns what was acknowledged.
async fn produce(queue: JobQueue, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Vec<JobId> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Acquire) {
        match queue.submit(job().durability(Durability::Replicated)).await {
            Ok(submitted) => {
                acknowledged.push(submitted.id);
                count.fetch_add(1, Ordering::Release);
            }
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    acknowledged
}

#[tokio::test]
async fn what_a_replica_has_outlives_the_master_leases_and_tokens_included() {
    let mut setup = Setup::start();
    let queue = setup.open();
    for _ in 0..2 {
        submit(&queue).await;
    }
    let held = claim_one(&queue, LEASE).await;
    let lost = claim_one(&queue, Duration::from_millis(100)).await;

    let (stop, count) = (Arc::default(), Arc::default());
    let producers: Vec<_> = (0..8)
        .map(|_| produce(queue.clone(), Arc::clone(&stop), Arc::clone(&count)))
        .map(tokio::spawn)
        .collect();
    // Acknowledged after the claims, so the replica has these, too.
    wait_for("some submits to be acknowledged", async || {
        (count.load(Ordering::Acquire) > 200).then_some(())
    })
    .await;
    setup.master.kill();
    setup.until_promoted().await;
    submit(&queue).await;
    stop.store(true, Ordering::Release);
    let survivor = Setup::look_at(&queue, &setup.replica);
    for producer in producers {
        for id in producer.await.unwrap() {
            survivor.get(id).await.unwrap();
        }
    }

    let finished = queue.finish(&held, Outcome::Ack(None)).await.unwrap();
    assert_eq!(finished, JobState::Completed);
    wait_for("the lease to run out", async || {
        let reaped = queue.reap(&default_queue()).await.ok()?;
        (reaped.put_back == 1).then_some(())
    })
    .await;
    let again = claim_one(&queue, LEASE).await;
    assert_eq!((again.id, again.crash_count), (lost.id, 1));
    let refused = queue.finish(&lost, Outcome::Ack(None)).await.unwrap_err();
    assert_eq!(refused.code(), Code::LeaseLost);
    queue.finish(&again, Outcome::Ack(None)).await.unwrap();
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_master_that_comes_back_late_gets_nothing_any_more() {
    let setup = Setup::start();
    let queue = setup.open();
    submit(&queue).await;
    setup.master.freeze();
    setup.until_promoted().await;
    let mut acknowledged = vec![submit(&queue).await];
    setup.master.thaw();
    // Until the sentinels have told it, it takes itself for the master.
    let demoted = async {
        while !setup
            .master
            .cli(&["INFO", "replication"])
            .contains("role:slave")
        {
            acknowledged.push(submit(&queue).await);
        }
    };
    timeout(PATIENCE, demoted).await.expect("it is demoted");
    let present = Setup::look_at(&queue, &setup.replica);
    for id in acknowledged {
        present.get(id).await.unwrap();
    }
    // Who goes there all the same is refused.
    let former = Setup::look_at(&queue, &setup.master);
    let refused = former.submit(job()).await.unwrap_err();
    assert_eq!(refused.code(), Code::StoreReadOnly);
    assert_sound(&queue).await;
}

/// Reads until it is connected, as it is said after each break.
async fn connected(reader: &mut ControlReader) {
    let connected = async {
        while !matches!(
            reader.next().await.as_deref(),
            Ok([ControlMessage::Connected])
        ) {}
    };
    timeout(PATIENCE, connected).await.expect("it connects");
}

/// A signal that is given at the new master reaches a listener of before.
async fn hears_again(queue: &JobQueue, reader: &mut ControlReader) {
    connected(reader).await;
    let beat = WorkerBeat {
        id: "w".to_owned(),
        ..WorkerBeat::default()
    };
    wait_for("a beat to be taken", async || queue.beat(&beat).await.ok()).await;
    let signal = WorkerSignal::Quiet;
    queue.signal_worker("w", signal).await.unwrap();
    let heard = async {
        loop {
            let messages = reader.next().await.unwrap();
            if !messages.is_empty() {
                break messages;
            }
        }
    };
    let worker = "w".to_owned();
    assert_eq!(
        timeout(PATIENCE, heard).await.expect("it is heard"),
        [ControlMessage::Signal { worker, signal }]
    );
}

#[tokio::test]
async fn those_who_wait_and_listen_go_on_at_the_new_master() {
    let setup = Setup::start();
    let queue = setup.open();
    submit(&queue).await;
    claim_one(&queue, LEASE).await;
    let mut reader = queue.control_reader();
    connected(&mut reader).await;
    let mut waiter = queue.waiter(&[default_queue()]);
    let mut events = queue.event_reader();
    events
        .follow(Partition::first(default_queue()))
        .await
        .unwrap();
    waiter
        .wait(Duration::from_millis(1), std::future::pending())
        .await
        .unwrap();

    setup.sentinels.fail_over();
    setup.until_promoted().await;
    hears_again(&queue, &mut reader).await;

    let submitted = async { submit(&queue).await };
    let woken = async {
        let began = std::time::Instant::now();
        // The first may only find out that its connection is one of before.
        while waiter
            .wait(Duration::from_secs(2), std::future::pending())
            .await
            .is_err()
        {}
        began.elapsed()
    };
    let (id, waited) = tokio::join!(submitted, woken);
    assert!(waited < PATIENCE, "{waited:?}");
    let told = async {
        loop {
            for batch in events
                .next(Duration::from_secs(1))
                .await
                .unwrap_or_default()
            {
                if batch.entries.iter().any(|entry| entry.jobs.contains(&id)) {
                    return;
                }
            }
        }
    };
    timeout(PATIENCE, told).await.expect("the job is told");
    assert_eq!(claim_one(&queue, LEASE).await.id, id);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn one_sentinel_is_enough_to_find_the_master() {
    let mut setup = Setup::start();
    setup.sentinels.kill(0);
    setup.sentinels.kill(1);
    let queue = setup.open();
    submit(&queue).await;
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_an_unavailable_store() {
    let setup = Setup::start();
    let queue = JobQueue::open(QueueConfig {
        redis_url: setup.sentinels.url().replace("/jobs", "/nobody"),
        ..QueueConfig::default()
    });
    let refused = queue.unwrap().submit(job()).await.unwrap_err();
    assert_eq!(refused.code(), Code::StoreUnavailable);
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_by_name() {
    for url in ["redis+sentinel://a:1", "redis+sentinel://a:1/x?y", "no url"] {
        let config = QueueConfig {
            redis_url: url.to_owned(),
            ..QueueConfig::default()
        };
        let refused = JobQueue::open(config).unwrap_err();
        assert_eq!(refused.field(), Some("redis"), "{url}");
    }
}
