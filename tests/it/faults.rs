//! What the store can do to a queue, and what the queue makes of it.

use std::time::Duration;

use jobflow::testing::{TestRedis, assert_sound, fresh_namespace, wait_for};
use jobflow::{Code, JobId, JobQueue, JobState, NewJob, Outcome, QueueConfig, QueueName};

use crate::{LEASE, default_queue, job};

fn open(redis: &TestRedis) -> JobQueue {
    let config = QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    };
    JobQueue::open(config).unwrap()
}

#[tokio::test]
async fn a_store_that_is_down_is_told_and_found_again() {
    let mut redis = TestRedis::start_durable();
    let queue = open(&redis);
    let id = queue.submit(job()).await.unwrap().id;
    for stop in [TestRedis::stop, TestRedis::kill] {
        stop(&mut redis);
        let refused = queue.submit(job()).await.unwrap_err();
        assert_eq!(refused.code(), Code::StoreUnavailable);
        assert!(refused.is_transient());
        redis.resume();
        let found = wait_for("the store to be found again", || async {
            queue.get(id).await.ok()
        })
        .await;
        assert_eq!(found.state, JobState::Waiting);
    }
    assert_sound(&queue).await;
}

#[tokio::test]
async fn scripts_that_the_store_has_forgotten_are_loaded_again() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    for _ in 0..20 {
        assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]).trim(), "OK");
        queue.submit(job()).await.unwrap();
        assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]).trim(), "OK");
        let claimed = queue
            .claim(&default_queue(), 1, LEASE, "w")
            .await
            .unwrap()
            .jobs
            .remove(0);
        assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]).trim(), "OK");
        queue.finish(&claimed, Outcome::Ack(None)).await.unwrap();
    }
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_full_store_takes_no_new_jobs_and_still_drains() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let big = || NewJob::new("big", vec![1; 10_000]).unwrap();
    for result in queue.submit_batch((0..300).map(|_| big()).collect()).await {
        result.unwrap();
    }
    let held = queue
        .claim(&default_queue(), 10, LEASE, "w")
        .await
        .unwrap()
        .jobs;
    assert_eq!(
        redis.cli(&["CONFIG", "SET", "maxmemory", "1mb"]).trim(),
        "OK"
    );

    let refused = queue.submit(big()).await.unwrap_err();
    assert_eq!(refused.code(), Code::StoreOutOfMemory);
    // A worker that comes only now claims as well.
    let newcomer = JobQueue::open(queue.config().clone()).unwrap();
    let mut held = held;
    held.extend(
        newcomer
            .claim(&default_queue(), 5, LEASE, "w2")
            .await
            .unwrap()
            .jobs,
    );
    let leases: Vec<_> = held.iter().map(|job| (job.id, job.token)).collect();
    let extended = queue
        .extend(&default_queue(), LEASE, &leases)
        .await
        .unwrap();
    assert_eq!(extended, vec![jobflow::Extension::Held; 15]);
    let mut jobs = held;
    let mut done = 0;
    while !jobs.is_empty() {
        for job in &jobs {
            let outcome = match done % 3 {
                0 => Outcome::Ack(None),
                1 => Outcome::Fail(crate::error()),
                _ => Outcome::ErrorAfter(Duration::ZERO, crate::error()),
            };
            queue.finish(job, outcome).await.unwrap();
            done += 1;
        }
        queue.promote(&default_queue()).await.unwrap();
        queue.reap(&default_queue()).await.unwrap();
        queue.prune(&default_queue()).await.unwrap();
        jobs = queue
            .claim(&default_queue(), 100, LEASE, "w")
            .await
            .unwrap()
            .jobs;
    }
    assert!(done > 300, "{done}");
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_store_that_may_throw_jobs_away_is_refused() {
    let redis = TestRedis::start();
    for policy in [
        "allkeys-lru",
        "volatile-lru",
        "allkeys-random",
        "volatile-ttl",
    ] {
        assert_eq!(
            redis
                .cli(&["CONFIG", "SET", "maxmemory-policy", policy])
                .trim(),
            "OK"
        );
        let refused = JobQueue::connect(&redis.url()).await.unwrap_err();
        assert_eq!(refused.code(), Code::StoreUnsafe);
        assert!(refused.to_string().contains(policy));
    }
    let allowed = QueueConfig {
        redis_url: redis.url(),
        allow_eviction: true,
        ..QueueConfig::default()
    };
    JobQueue::open(allowed)
        .unwrap()
        .check_store()
        .await
        .unwrap();
    assert_eq!(
        redis
            .cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
            .trim(),
        "OK"
    );
    JobQueue::connect(&redis.url()).await.unwrap();
}

#[tokio::test]
async fn records_that_can_not_be_read_are_set_aside_and_do_not_stop_the_others() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let ids: Vec<JobId> = {
        let results = queue.submit_batch((0..4).map(|_| job()).collect()).await;
        results
            .into_iter()
            .map(|result| result.unwrap().id)
            .collect()
    };
    let tag = format!("jf:{{{}/default}}", queue.config().namespace);
    let spoil = format!(
        "local ids = redis.call('ZRANGE', '{tag}:waiting', 0, -1) \
         redis.call('HSET', '{tag}:meta', ids[1], 'short') \
         redis.call('HSET', '{tag}:meta', ids[2], string.char(1) .. string.rep('\\255', 60)) \
         redis.call('HSET', '{tag}:specs', ids[3], string.rep('\\255', 20)) return #ids"
    );
    assert_eq!(redis.cli(&["EVAL", &spoil, "0"]).trim(), "4");
    let claimed = queue.claim(&default_queue(), 10, LEASE, "w").await.unwrap();
    assert_eq!(
        claimed.jobs.iter().map(|job| job.id).collect::<Vec<_>>(),
        [ids[3]]
    );
    let counts = queue.snapshot().await.unwrap().queues[0].counts;
    assert_eq!((counts.failed, counts.active), (3, 1));
    for id in &ids[..3] {
        assert_eq!(
            queue.get(*id).await.unwrap_err().code(),
            Code::CorruptRecord
        );
    }
}

#[tokio::test]
async fn a_queue_of_a_store_that_came_back_empty_is_known_again() {
    let mut redis = TestRedis::start();
    let queue = open(&redis);
    queue.submit(job()).await.unwrap();
    redis.kill();
    redis.resume();
    let id = wait_for("the store to be found again", || async {
        queue.submit(job()).await.ok()
    })
    .await
    .id;
    // The look-up needs the queue's name in the set of queues.
    wait_for("the queue to be registered", || async {
        queue.submit(job()).await.ok()?;
        queue.get(id).await.ok()
    })
    .await;
    assert_eq!(queue.queues().await.unwrap(), [QueueName::default()]);
}

#[tokio::test]
async fn a_handle_that_nobody_used_meanwhile_does_not_notice_a_restart() {
    let mut redis = TestRedis::start_durable();
    let queue = open(&redis);
    let id = queue.submit(job()).await.unwrap().id;
    let mut restart = || {
        redis.stop();
        redis.resume();
    };
    restart();
    queue.submit(job()).await.unwrap();
    restart();
    assert_eq!(queue.get(id).await.unwrap().state, JobState::Waiting);
    restart();
    queue.snapshot().await.unwrap();
    assert_sound(&queue).await;
}
