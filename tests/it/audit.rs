//! The audit itself must tell each kind of damage.

use jobflow::testing::{TestRedis, fresh_namespace, queue_key};
use jobflow::{JobQueue, NewJob, Outcome, QueueConfig};

use crate::default_queue;

/// Plants damage with redis-cli and returns what the audit says of it.
async fn problems_after(damage: &str) -> String {
    let redis = TestRedis::start();
    let config = QueueConfig {
        redis_url: redis.url(),
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    };
    let tag = queue_key(&config.namespace, &default_queue(), "");
    let queue = JobQueue::open(config).unwrap();
    for _ in 0..3 {
        queue
            .submit(
                NewJob::new("noop", "{}")
                    .unwrap()
                    .idempotency_key(uuid::Uuid::now_v7().to_string())
                    .unwrap(),
            )
            .await
            .unwrap();
    }
    let name = jobflow::QueueName::default();
    let jobs = queue
        .claim(&name, 2, jobflow::DEFAULT_LEASE, "w")
        .await
        .unwrap()
        .jobs;
    queue.finish(&jobs[0], Outcome::Ack(None)).await.unwrap();
    assert_eq!(queue.audit().await.unwrap().problems, Vec::<String>::new());
    let script = format!(
        "local t = '{tag}' local function first(set) return redis.call('ZRANGE', t..set, 0, 0)[1] end {damage}"
    );
    let said = redis.cli(&["EVAL", &script, "0"]);
    assert!(!said.contains("ERR"), "{said}");
    queue.audit().await.unwrap().problems.join("\n")
}

#[tokio::test]
async fn each_kind_of_damage_is_told() {
    for (damage, told) in [
        (
            "redis.call('ZADD', t..'failed', 1, first('waiting'))",
            "is both",
        ),
        (
            "redis.call('ZREM', t..'waiting', first('waiting'))",
            "has a spec but no state",
        ),
        (
            "redis.call('HDEL', t..'specs', first('active'))",
            "has a state but no spec",
        ),
        (
            "redis.call('HDEL', t..'meta', first('active'))",
            "is active without a record",
        ),
        (
            "redis.call('HSET', t..'meta', first('active'), 'x')",
            "record that can not be read",
        ),
        (
            "redis.call('ZADD', t..'active', 1, first('waiting')) redis.call('ZREM', t..'waiting', first('waiting'))",
            "is active with token None",
        ),
        (
            "redis.call('HSET', t..'results', 'nobody', 'x')",
            "has a result but no state",
        ),
        (
            "redis.call('HSET', t..'progress', 'nobody', 'x')",
            "has a progress but no state",
        ),
        (
            "redis.call('HSET', t..'logs', 'nobody but 17 by', 'x')",
            "has a log but no state",
        ),
        ("redis.call('DEL', t..'idem')", "idempotency entries"),
        (
            "redis.call('ZADD', t..'expiring', 1, 'nobody')",
            "has a start limit but no state",
        ),
        (
            "redis.call('ZADD', t..'parked', 1, first('active'))",
            "is both active and parked",
        ),
        (
            "redis.call('HSET', t..'tags', first('active'), 'red')",
            "the index of tag red is not right",
        ),
        (
            "redis.call('ZADD', t..'tag:red', 1, first('active'))",
            "tag:red belongs to nobody",
        ),
        ("redis.call('SET', t..'stray', 1)", "belongs to nobody"),
    ] {
        let problems = problems_after(damage).await;
        assert!(problems.contains(told), "{damage}: {problems:?}");
    }
}
