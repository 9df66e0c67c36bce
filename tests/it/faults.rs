//! What the store can do to a queue, and what the queue makes of it.

use std::time::Duration;

use jobflow::testing::{TestRedis, assert_sound, fresh_namespace, queue_key, wait_for};
use jobflow::{Code, JobId, JobQueue, JobState, NewJob, Outcome, QueueConfig, QueueName};

use crate::{LEASE, default_queue, job};

pub(crate) fn open(redis: &TestRedis) -> JobQueue {
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
    let tag = queue_key(&queue.config().namespace, &default_queue(), "");
    let spoil = format!(
        "local ids = redis.call('ZRANGE', '{tag}waiting', 0, -1) \
         redis.call('HSET', '{tag}meta', ids[1], 'short') \
         redis.call('HSET', '{tag}meta', ids[2], string.char(1) .. string.rep('\\255', 60)) \
         redis.call('HSET', '{tag}specs', ids[3], string.rep('\\255', 20)) return #ids"
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

/// Spoils the records of a job of the queue `default`.
fn spoil(redis: &TestRedis, queue: &JobQueue, column: &str, id: JobId) {
    let client = redis::Client::open(redis.url().as_str()).unwrap();
    let mut set = redis::cmd("HSET");
    let namespace = &queue.config().namespace;
    set.arg(queue_key(namespace, &default_queue(), column))
        .arg(id.as_bytes())
        .arg(vec![255_u8; 60]);
    set.query::<()>(&mut client.get_connection().unwrap())
        .unwrap();
}

#[tokio::test]
async fn a_job_whose_record_can_not_be_read_is_left_alone_and_can_be_deleted() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    for state in [JobState::Waiting, JobState::Scheduled, JobState::Failed] {
        let new = match state {
            JobState::Scheduled => job().run_at(jobflow::RunAt::After(LEASE)).unwrap(),
            _ => job(),
        };
        let id = queue.submit(new).await.unwrap().id;
        if state == JobState::Failed {
            let claimed = queue.claim(&default_queue(), 1, LEASE, "w").await.unwrap();
            let fail = Outcome::Fail(crate::error());
            queue.finish(&claimed.jobs[0], fail).await.unwrap();
        }
        spoil(&redis, &queue, "meta", id);
        let payload = Some(("new".into(), None));
        for refused in [
            queue.get(id).await.map(drop),
            queue.cancel(id, "", None).await.map(drop),
            queue.retry(id, None, None).await,
            queue.retry(id, payload, None).await,
            queue.promote_job(id).await,
            queue.update(id, jobflow::JobChanges::default(), None).await,
        ] {
            assert_eq!(refused.unwrap_err(), jobflow::Error::CorruptRecord { id });
        }
        let counts = queue.queue(&default_queue()).await.unwrap().counts;
        assert_eq!(counts.of(state), 1);
        queue.delete(id, jobflow::Force::No, None).await.unwrap();
    }
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_job_that_holds_a_key_and_can_not_be_read_is_not_replaced() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let keyed = || job().idempotency_key("k").unwrap();
    let id = queue.submit(keyed()).await.unwrap().id;
    spoil(&redis, &queue, "meta", id);
    let replacing = keyed().on_conflict(jobflow::OnConflict::CancelActive);
    let refused = queue.submit(replacing).await.unwrap_err();
    assert_eq!(refused.code(), Code::CorruptRecord);
    assert_eq!(
        queue.queue(&default_queue()).await.unwrap().counts.waiting,
        1
    );
}

#[tokio::test]
async fn unreadable_jobs_do_not_stop_limits_leases_pauses_and_purges() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let late = jobflow::StartLimit::Before(jobflow::StoreTime(1));
    let far = jobflow::StartLimit::Within(LEASE);
    let mut ids = Vec::new();
    for limit in [late, late, far, far] {
        let new = job().start_limit(limit).unwrap();
        ids.push(queue.submit(new).await.unwrap().id);
    }
    spoil(&redis, &queue, "meta", ids[0]);
    spoil(&redis, &queue, "specs", ids[2]);
    let kind = jobflow::Kind::new("noop").unwrap();
    queue
        .pause(&default_queue(), Some(&kind), "", None)
        .await
        .unwrap();
    let claimed = queue.claim(&default_queue(), 10, LEASE, "w").await.unwrap();
    assert!(claimed.jobs.is_empty());
    let counts = queue.queue(&default_queue()).await.unwrap().counts;
    // The late one, and the one whose kind can not be told.
    assert_eq!((counts.failed, counts.waiting), (2, 2));
    assert_eq!(
        queue.get(ids[1]).await.unwrap().error.unwrap().code,
        "EXPIRED"
    );
    queue.resume(&default_queue(), Some(&kind)).await.unwrap();
    let claimed = queue.claim(&default_queue(), 10, LEASE, "w").await.unwrap();
    assert_eq!(claimed.jobs[0].id, ids[3]);
    let purged = queue.purge(&default_queue(), &[JobState::Failed]).await;
    assert_eq!(purged.unwrap(), 3);
    assert_sound(&queue).await;
}

fn big() -> NewJob {
    let job = NewJob::new("big", vec![1; 10_000]).unwrap();
    job.tags(["t".to_owned()]).unwrap()
}

#[tokio::test]
async fn a_full_store_still_lets_people_clear_up() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let results = queue.submit_batch((0..100).map(|_| big()).collect()).await;
    let ids: Vec<_> = results.into_iter().map(|new| new.unwrap().id).collect();
    let keyed = || big().idempotency_key("k").unwrap();
    let holder = queue.submit(keyed()).await.unwrap().id;
    let held = queue.claim(&default_queue(), 2, LEASE, "w").await.unwrap();
    assert_eq!(
        redis.cli(&["CONFIG", "SET", "maxmemory", "1mb"]).trim(),
        "OK"
    );
    let replacing = keyed().on_conflict(jobflow::OnConflict::ReplaceWaiting);
    let refused = queue.submit(replacing).await.unwrap_err();
    assert_eq!(refused.code(), Code::StoreOutOfMemory);
    assert_eq!(queue.get(holder).await.unwrap().state, JobState::Waiting);

    let kind = jobflow::Kind::new("big").unwrap();
    for kind in [None, Some(&kind)] {
        queue
            .pause(&default_queue(), kind, "full", None)
            .await
            .unwrap();
        let none = queue.claim(&default_queue(), 1, LEASE, "w").await.unwrap();
        assert!(none.jobs.is_empty());
        queue.resume(&default_queue(), kind).await.unwrap();
    }
    for (id, state) in [(ids[0], JobState::Active), (ids[5], JobState::Cancelled)] {
        assert_eq!(queue.cancel(id, "", None).await.unwrap(), state);
    }
    for claimed in &held.jobs {
        let fail = Outcome::Fail(crate::error());
        queue.finish(claimed, fail).await.unwrap();
    }
    queue.retry(ids[1], None, None).await.unwrap();
    let priority = jobflow::JobChanges {
        priority: Some(jobflow::Priority::new(1).unwrap()),
        ..jobflow::JobChanges::default()
    };
    queue.update(ids[1], priority, None).await.unwrap();
    queue
        .delete(ids[6], jobflow::Force::No, None)
        .await
        .unwrap();
    queue.drain(&default_queue()).await.unwrap();
    let next = queue.claim(&default_queue(), 1, LEASE, "w").await.unwrap();
    assert_eq!(next.jobs[0].id, ids[1]);
    queue
        .finish(&next.jobs[0], Outcome::Ack(None))
        .await
        .unwrap();
    let states = [JobState::Waiting, JobState::Cancelled];
    let purged = queue.purge(&default_queue(), &states).await.unwrap();
    assert_eq!(purged, 99);
    assert_sound(&queue).await;
}
