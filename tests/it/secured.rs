//! The way to Redis: TLS, certificates, users and passwords. Each test has stores
//! of its own.

use std::future::pending;
use std::time::Duration;

use jobflow::testing::{
    TestAuthority, TestRedis, TestSentinels, TestUsers, assert_sound, fresh_namespace,
    start_tls_cluster, wait_for,
};
use jobflow::{
    Code, ControlMessage, JobQueue, NewJob, Outcome, QueueConfig, QueueName, RedisAccess,
    WorkerSignal, WorkerState,
};
use rcgen::SanType;

use crate::signals::beat;
use crate::{LEASE, WORKER};

pub(crate) fn open(redis_url: String, redis_access: RedisAccess) -> JobQueue {
    JobQueue::open(QueueConfig {
        redis_url,
        redis_access,
        namespace: fresh_namespace(),
        ..QueueConfig::default()
    })
    .unwrap()
}

/// Commands, blocking reads and subscriptions, over a queue for each slot of a few.
async fn use_everything(queue: &JobQueue) {
    queue.check_store().await.unwrap();
    let mut control = queue.control_reader();
    let connected = control.next().await.unwrap();
    assert_eq!(connected, [ControlMessage::Connected]);
    for number in 0..8 {
        let name = QueueName::new(format!("q{number}")).unwrap();
        let job = NewJob::new("noop", "{}").unwrap().queue(&name).unwrap();
        let id = queue.submit(job).await.unwrap().id;
        let mut waiter = queue.waiter(std::slice::from_ref(&name));
        waiter
            .wait(Duration::from_secs(2), pending())
            .await
            .unwrap();
        let claimed = queue.claim(&name, 1, LEASE, WORKER).await.unwrap();
        assert_eq!(claimed.jobs[0].id, id);
        queue
            .finish(&claimed.jobs[0], Outcome::Ack(None))
            .await
            .unwrap();
    }
    queue.beat(&beat("w", WorkerState::Running)).await.unwrap();
    queue.signal_worker("w", WorkerSignal::Quiet).await.unwrap();
    assert_eq!(control.next().await.unwrap().len(), 1);
    assert_sound(queue).await;
}

async fn code(queue: &JobQueue) -> Code {
    queue.check_store().await.unwrap_err().code()
}

#[tokio::test]
async fn a_store_is_used_by_tls_with_an_authority_and_a_certificate() {
    let authority = TestAuthority::new();
    let redis = TestRedis::start_tls(&authority, &["--save", ""]);
    let queue = open(redis.safe_url(), authority.access());
    use_everything(&queue).await;
}

#[tokio::test]
async fn a_store_that_is_not_what_it_should_be_is_not_spoken_to() {
    let authority = TestAuthority::new();
    let redis = TestRedis::start_tls(&authority, &["--save", ""]);
    let url = redis.safe_url();
    let known = authority.access();

    let stranger = TestAuthority::new();
    let foreign = RedisAccess {
        ca: stranger.access().ca,
        ..known.clone()
    };
    let silent = RedisAccess {
        cert: None,
        key: None,
        ..known.clone()
    };
    let of_another = RedisAccess {
        ca: known.ca.clone(),
        ..stranger.access()
    };
    let unknown = RedisAccess::default();
    for access in [foreign, silent, of_another, unknown] {
        let refused = code(&open(url.clone(), access.clone())).await;
        assert_eq!(refused, Code::StoreUnavailable, "{access:?}");
    }
    let plain = url.replace("rediss", "redis");
    let refused = code(&open(plain, RedisAccess::default())).await;
    assert_eq!(refused, Code::StoreUnavailable);
    // The same port is there for who is known.
    open(url, known).check_store().await.unwrap();
}

/// A store that shows this certificate in place of its own.
async fn shown(authority: &TestAuthority, (cert, key): (String, String)) -> Code {
    let cert = authority.file("shown.pem", &cert).display().to_string();
    let key = authority.file("shown.key", &key).display().to_string();
    let arguments = ["--tls-cert-file", &cert, "--tls-key-file", &key];
    let redis = TestRedis::start_tls(authority, &arguments);
    code(&open(redis.safe_url(), authority.access())).await
}

#[tokio::test]
async fn a_certificate_that_is_over_or_of_another_machine_is_refused() {
    let authority = TestAuthority::new();
    let over = shown(&authority, authority.sign_expired("redis")).await;
    assert_eq!(over, Code::StoreUnavailable);
    let elsewhere = authority.sign_with("redis.internal", |params| {
        let name = "redis.internal".try_into().unwrap();
        params.subject_alt_names = vec![SanType::DnsName(name)];
    });
    assert_eq!(shown(&authority, elsewhere).await, Code::StoreUnavailable);
}

#[tokio::test]
async fn the_servers_of_a_cluster_are_found_and_spoken_to_by_tls() {
    let authority = TestAuthority::new();
    let servers = start_tls_cluster(&authority);
    let url = servers[0].safe_url().replace("rediss", "rediss+cluster");
    for url in [servers[1].safe_url(), url] {
        use_everything(&open(url, authority.access())).await;
    }
    for server in &servers {
        let keys: u32 = server.cli(&["DBSIZE"]).trim().parse().unwrap();
        assert!(keys > 0, "each server has its share");
    }
}

#[tokio::test]
async fn sentinels_and_the_master_that_they_name_are_spoken_to_by_tls() {
    let authority = TestAuthority::new();
    let master = TestRedis::start_tls(&authority, &["--save", ""]);
    let sentinels = TestSentinels::start_tls(&master, 0, &authority);
    let queue = open(sentinels.url(), authority.access());
    use_everything(&queue).await;
    let foreign = TestAuthority::new();
    let refused = code(&open(sentinels.url(), foreign.access())).await;
    assert_eq!(refused, Code::StoreUnavailable);
}

#[tokio::test]
async fn a_user_logs_in_with_the_password_of_a_file() {
    let users = TestUsers::packaged();
    let redis = users.start(&["--save", ""]);
    let seen = redis.cli(&["ACL", "SETUSER", "default", "off"]);
    assert_eq!(seen.trim(), "OK");
    let known = open(redis.url(), users.access("jobflow-server"));
    known.check_store().await.unwrap();
    let wrong = RedisAccess {
        password_file: Some(users.password_file("jobflow-worker")),
        ..users.access("jobflow-server")
    };
    for access in [wrong, RedisAccess::default()] {
        let refused = code(&open(redis.url(), access)).await;
        assert_eq!(refused, Code::StoreUnavailable);
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again_by_tls() {
    let authority = TestAuthority::new();
    let mut redis = TestRedis::start_tls(&authority, &["--save", ""]);
    let queue = open(redis.safe_url(), authority.access());
    queue.check_store().await.unwrap();
    redis.kill();
    redis.resume();
    let there = async || queue.check_store().await.ok();
    wait_for("the store", there).await;
    use_everything(&queue).await;
}
