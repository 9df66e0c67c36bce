//! What a submit waits for, and what it says when that does not come.

use std::time::Duration;

use jobflow::testing::{TestRedis, assert_sound, fresh_namespace, wait_for};
use jobflow::{
    Code, Durability, Error, JobId, JobQueue, JobState, NewJob, OnConflict, QueueConfig, QueueName,
    SettingsChange, Submitted,
};

use crate::{default_queue, job};

/// Short, to wait in vain.
const PATIENCE: Duration = Duration::from_millis(300);

fn open_with(redis: &TestRedis, change: impl FnOnce(&mut QueueConfig)) -> JobQueue {
    let mut config = QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        durability_timeout: PATIENCE,
        ..QueueConfig::default()
    };
    change(&mut config);
    JobQueue::open(config).unwrap()
}

fn open(redis: &TestRedis) -> JobQueue {
    open_with(redis, |_| {})
}

/// A process of its own on the same queues: it knows nothing yet.
fn again(queue: &JobQueue) -> JobQueue {
    JobQueue::open(queue.config().clone()).unwrap()
}

/// As [`again`], for what must come however busy the machine is.
fn patient(queue: &JobQueue) -> JobQueue {
    JobQueue::open(QueueConfig {
        durability_timeout: Duration::from_secs(20),
        ..queue.config().clone()
    })
    .unwrap()
}

fn job_of(class: Durability) -> NewJob {
    job().durability(class)
}

async fn jobs(queue: &JobQueue) -> u64 {
    let queues = queue.snapshot().await.unwrap().queues;
    queues.iter().map(|queue| queue.counts.waiting).sum()
}

async fn set_durability(queue: &JobQueue, class: Option<Durability>) {
    let change = SettingsChange::Durability(class);
    queue
        .update_settings(&default_queue(), &[change], None)
        .await
        .unwrap();
}

fn set(redis: &TestRedis, name: &str, value: &str) {
    assert_eq!(redis.cli(&["CONFIG", "SET", name, value]).trim(), "OK");
}

/// How often a command was called, by scripts as well.
fn calls(redis: &TestRedis, command: &str) -> u64 {
    let stats = redis.cli(&["INFO", "commandstats"]);
    let start = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// Whether this store tells when something is on disk.
fn tells_of_disk(redis: &TestRedis) -> bool {
    !redis.cli(&["COMMAND", "INFO", "WAITAOF"]).trim().is_empty()
}

/// The job that a submit left in doubt.
fn in_doubt(answer: jobflow::Result<Submitted>) -> JobId {
    let refused = answer.unwrap_err();
    assert_eq!(refused.code(), Code::DurabilityUnknown);
    assert!(refused.is_transient());
    let Error::DurabilityUnknown { id, durability, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!(durability, Durability::Replicated);
    id
}

#[tokio::test]
async fn each_class_is_acknowledged_where_the_store_can_keep_it() {
    let redis = TestRedis::start_durable();
    let _replica = redis.start_replica();
    let queue = patient(&open(&redis));
    for class in Durability::ALL {
        let submitted = queue.submit(job_of(class)).await.unwrap();
        assert!(!submitted.duplicate);
        let found = queue.get(submitted.id).await.unwrap();
        assert_eq!(found.state, JobState::Waiting, "{class}");
    }
    assert!(calls(&redis, "wait") >= 1);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn fsync_is_refused_where_the_store_does_not_bring_each_write_to_disk() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let refused = queue.submit(job_of(Durability::Fsync)).await.unwrap_err();
    assert_eq!(refused.code(), Code::DurabilityUnavailable);
    assert!(refused.to_string().contains("appendonly"), "{refused}");
    assert_eq!(jobs(&queue).await, 0);

    // The file is complete only when what is there has been written to it.
    set(&redis, "appendfsync", "always");
    set(&redis, "appendonly", "yes");
    wait_for("the class to be there", async || {
        queue.submit(job_of(Durability::Fsync)).await.ok()
    })
    .await;
    assert_eq!(jobs(&queue).await, 1);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_change_of_the_settings_of_the_store_is_noticed() {
    let redis = TestRedis::start_durable();
    let queue = open(&redis);
    queue.submit(job_of(Durability::Fsync)).await.unwrap();
    if tells_of_disk(&redis) {
        // It says of each job when it is on disk, whatever the setting.
        set(&redis, "appendfsync", "everysec");
        let queue = patient(&queue);
        queue.submit(job_of(Durability::Fsync)).await.unwrap();
        assert!(calls(&redis, "waitaof") >= 1);
        return;
    }
    for (name, bad, good) in [
        ("appendfsync", "everysec", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
    ] {
        set(&redis, name, bad);
        // At once by who has not looked before, and soon by who has.
        let newcomer = again(&queue);
        let refused = newcomer
            .submit(job_of(Durability::Fsync))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::DurabilityUnavailable);
        assert!(refused.to_string().contains(name), "{refused}");
        let refused = wait_for("the change to be noticed", async || {
            queue.submit(job_of(Durability::Fsync)).await.err()
        })
        .await;
        assert_eq!(refused.code(), Code::DurabilityUnavailable);
        set(&redis, name, good);
        queue.submit(job_of(Durability::Fsync)).await.unwrap();
    }
}

#[tokio::test]
async fn settings_that_may_not_be_read_are_not_taken_for_good_ones() {
    let redis = TestRedis::start_durable();
    if tells_of_disk(&redis) {
        return;
    }
    let hidden = ["ACL", "SETUSER", "default", "-config"];
    assert_eq!(redis.cli(&hidden).trim(), "OK");
    let queue = open(&redis);
    let refused = queue.submit(job_of(Durability::Fsync)).await.unwrap_err();
    assert_eq!(refused.code(), Code::DurabilityUnavailable);
    assert!(refused.to_string().contains("can not be read"), "{refused}");
    assert_eq!(jobs(&queue).await, 0);
}

#[tokio::test]
async fn a_replica_that_stands_still_leaves_the_job_stored_and_in_doubt() {
    let redis = TestRedis::start();
    let replica = redis.start_replica();
    let queue = open(&redis);
    let request = uuid::Uuid::now_v7();
    let repeated = || job_of(Durability::Replicated).request_id(request);
    replica.freeze();
    let id = in_doubt(queue.submit(repeated()).await);
    assert_eq!(queue.get(id).await.unwrap().state, JobState::Waiting);
    // A repeat waits again, also on a connection that has written nothing.
    for queue in [&queue, &again(&queue)] {
        assert_eq!(in_doubt(queue.submit(repeated()).await), id);
    }
    replica.thaw();
    let submitted = patient(&queue).submit(repeated()).await.unwrap();
    assert_eq!((submitted.id, submitted.duplicate), (id, true));
    assert_eq!(jobs(&queue).await, 1);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn a_repeat_under_the_id_of_the_job_waits_again() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let id = JobId::generate(&default_queue());
    let repeated = || job_of(Durability::Replicated).id(id).unwrap();
    assert_eq!(in_doubt(queue.submit(repeated()).await), id);
    let replica = redis.start_replica();
    let submitted = patient(&queue).submit(repeated()).await.unwrap();
    assert_eq!(submitted.id, id);
    drop(replica);
    assert_eq!(jobs(&queue).await, 1);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn as_many_replicas_as_asked_for_must_have_the_job() {
    let redis = TestRedis::start();
    let _one = redis.start_replica();
    let queue = open_with(&redis, |config| config.replicas = 2);
    let answer = queue.submit(job_of(Durability::Replicated)).await;
    let refused = answer.clone().unwrap_err();
    assert!(refused.to_string().contains("1 of 2"), "{refused}");
    in_doubt(answer);
    let _other = redis.start_replica();
    patient(&queue)
        .submit(job_of(Durability::Replicated))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_job_that_was_not_stored_is_not_in_doubt() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    let keyed = || job().idempotency_key("k").unwrap();
    let first = queue.submit(keyed()).await.unwrap();
    let second = keyed()
        .on_conflict(OnConflict::Reject)
        .durability(Durability::Replicated);
    let refused = queue.submit(second).await.unwrap_err();
    assert_eq!(refused.code(), Code::IdempotencyConflict);
    queue.drain(&default_queue()).await.unwrap();
    let refused = queue.submit(job_of(Durability::Replicated)).await;
    assert_eq!(refused.unwrap_err().code(), Code::QueueDraining);
    assert_eq!(queue.get(first.id).await.unwrap().id, first.id);
    assert_eq!(jobs(&queue).await, 1);
}

#[tokio::test]
async fn a_queue_has_a_durability_that_every_process_goes_by_at_once() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    queue.submit(job()).await.unwrap();
    let other = again(&queue);
    other.submit(job()).await.unwrap();
    set_durability(&queue, Some(Durability::Replicated)).await;
    for process in [&queue, &other, &again(&queue)] {
        in_doubt(process.submit(job()).await);
        // A job that says is not asked of, nor is another queue.
        process.submit(job_of(Durability::Memory)).await.unwrap();
        let mail = job().queue("mail").unwrap();
        process.submit(mail).await.unwrap();
    }
    let mixed = vec![job(), job_of(Durability::Memory), job_of(Durability::Fsync)];
    let codes = queue.submit_batch(mixed).await.into_iter();
    let codes: Vec<_> = codes.map(|result| result.map_err(|e| e.code())).collect();
    assert_eq!(codes[0], Err(Code::DurabilityUnknown));
    assert!(codes[1].is_ok());
    assert_eq!(codes[2], Err(Code::DurabilityUnavailable));

    set_durability(&other, None).await;
    for process in [&queue, &other] {
        process.submit(job()).await.unwrap();
    }
    assert_eq!(jobs(&queue).await, 15);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn the_default_of_the_installation_is_for_those_who_do_not_say() {
    let redis = TestRedis::start();
    let queue = open_with(&redis, |config| config.durability = Durability::Fsync);
    let refused = queue.submit(job()).await.unwrap_err();
    assert_eq!(refused.code(), Code::DurabilityUnavailable);
    queue.submit(job_of(Durability::Memory)).await.unwrap();
    set_durability(&queue, Some(Durability::Memory)).await;
    queue.submit(job()).await.unwrap();
    assert_eq!(jobs(&queue).await, 2);
}

#[tokio::test]
async fn a_number_out_of_its_range_is_refused_by_name() {
    let odd = |replicas, durability_timeout| {
        let config = QueueConfig {
            replicas,
            durability_timeout,
            ..QueueConfig::default()
        };
        let refused = JobQueue::open(config).unwrap_err();
        refused.field().map(str::to_owned)
    };
    for replicas in [0, 17] {
        assert_eq!(odd(replicas, PATIENCE).as_deref(), Some("replicas"));
    }
    for timeout in [Duration::ZERO, Duration::from_secs(61)] {
        assert_eq!(odd(1, timeout).as_deref(), Some("durability_timeout"));
    }
}

#[tokio::test]
async fn the_class_memory_costs_one_script_call_and_nothing_else() {
    let redis = TestRedis::start();
    let queue = open(&redis);
    queue.submit(job()).await.unwrap();
    let outside = ["evalsha", "wait", "config|get", "info", "sadd"];
    let before = outside.map(|command| calls(&redis, command));
    for _ in 0..50 {
        queue.submit(job()).await.unwrap();
    }
    let after = outside.map(|command| calls(&redis, command));
    // The INFO is the one that this test asks with.
    assert_eq!(after[0] - before[0], 50);
    assert_eq!(after[1..3], before[1..3]);
    assert_eq!(after[3] - before[3], 5);
    assert!(after[4] - before[4] <= 1, "said again every ten seconds");
}

#[tokio::test]
async fn submits_of_the_same_time_share_a_wait() {
    let redis = TestRedis::start();
    let _replica = redis.start_replica();
    let queue = patient(&open(&redis));
    let submits = (0..200).map(|n| {
        let queue = queue.clone();
        let name = if n % 2 == 0 { "mail" } else { "default" };
        let job = job_of(Durability::Replicated).queue(name).unwrap();
        tokio::spawn(async move { queue.submit(job).await.unwrap().id })
    });
    for submit in submits.collect::<Vec<_>>() {
        submit.await.unwrap();
    }
    let waits = calls(&redis, "wait");
    assert!((1..100).contains(&waits), "{waits} waits for 200 jobs");
    assert_eq!(jobs(&queue).await, 200);
    assert_sound(&queue).await;
}

#[tokio::test]
async fn connections_that_broke_while_idle_are_not_told_to_a_caller() {
    let mut redis = TestRedis::start_durable();
    let queue = open(&redis);
    for _ in 0..3 {
        let submits = (0..4).map(|_| queue.submit_batch(vec![job_of(Durability::Fsync)]));
        for results in futures_util::future::join_all(submits).await {
            assert!(results[0].is_ok(), "{results:?}");
        }
        redis.stop();
        redis.resume();
    }
    let queues = queue.queues().await.unwrap();
    assert_eq!(queues, [QueueName::default()]);
    assert_eq!(jobs(&queue).await, 12);
    assert_sound(&queue).await;
}
