//! Passwords and certificates are replaced while a queue is in use. Each test has
//! stores of its own.

use std::fs;
use std::future::pending;
use std::path::Path;
use std::time::Duration;

use jobflow::testing::{
    PATIENCE, TestAuthority, TestRedis, TestSentinels, assert_sound, start_tls_cluster, wait_for,
};
use jobflow::{
    ControlMessage, ControlReader, Durability, JobQueue, JobState, NewJob, Outcome, QueueName,
    RedisAccess, WorkerSignal, WorkerState,
};
use tokio::time::timeout;

use crate::secured::open;
use crate::signals::beat;
use crate::{LEASE, WORKER};

const USER: &str = "rotated";

/// A password of [`USER`], as a file and in each of these servers.
struct Password<'a> {
    folder: tempfile::TempDir,
    servers: &'a [TestRedis],
}

impl<'a> Password<'a> {
    fn new(servers: &'a [TestRedis]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let password = Self { folder, servers };
        password.each(&["ACL", "SETUSER", USER, "on", "~*", "&*", "+@all", ">first"]);
        password.write("first");
        password
    }

    fn each(&self, command: &[&str]) {
        for server in self.servers {
            let said = server.cli(command);
            assert!(!said.contains("ERR"), "{said}");
        }
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("password"), text).unwrap();
    }

    fn access(&self) -> RedisAccess {
        RedisAccess {
            user: Some(USER.to_owned()),
            password_file: Some(self.folder.path().join("password")),
            // Sentinels might name a server anywhere.
            plaintext_password: true,
            ..RedisAccess::default()
        }
    }

    /// Takes the old password away, and the connections that were made with it.
    fn replace(&self, old: &str, new: &str) {
        self.each(&["ACL", "SETUSER", USER, &format!(">{new}")]);
        self.write(new);
        self.each(&["ACL", "SETUSER", USER, &format!("<{old}")]);
        self.each(&["CLIENT", "KILL", "USER", USER]);
    }
}

/// Everything that has a connection of its own: commands, blocking reads, submits
/// that wait, and subscriptions. Each may find out first that its connection has gone.
async fn goes_on(queue: &JobQueue, control: &mut ControlReader) {
    for number in 0..4 {
        let name = QueueName::new(format!("q{number}")).unwrap();
        let (names, submit) = (std::slice::from_ref(&name), || {
            let job = NewJob::new("noop", "{}").unwrap().queue(&name).unwrap();
            job.durability(Durability::Fsync)
        });
        let mut waiter = queue.waiter(names);
        let submitted = async || queue.submit(submit()).await.ok();
        wait_for("a submit", submitted).await;
        let waited = async {
            let wait = Duration::from_secs(2);
            while waiter.wait(wait, pending()).await.is_err() {}
        };
        timeout(PATIENCE, waited).await.expect("a blocking read");
        let claimed = async || {
            let claimed = queue.claim(&name, 1, LEASE, WORKER).await.ok()?;
            claimed.jobs.into_iter().next()
        };
        let job = wait_for("a claim", claimed).await;
        let finished = async || queue.finish(&job, Outcome::Ack(None)).await.ok();
        assert_eq!(wait_for("an end", finished).await, JobState::Completed);
    }
    let told = async || {
        queue.beat(&beat("w", WorkerState::Running)).await.ok()?;
        queue.signal_worker("w", WorkerSignal::Quiet).await.ok()
    };
    let heard = async {
        loop {
            wait_for("a signal", told).await;
            match control.next().await {
                Ok(heard) if heard != [ControlMessage::Connected] && !heard.is_empty() => break,
                Ok(_) | Err(_) => {}
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("a subscription");
}

async fn rotate(queue: &JobQueue, password: &Password<'_>) {
    let mut control = queue.control_reader();
    goes_on(queue, &mut control).await;
    for (old, new) in [("first", "second"), ("second", "third")] {
        password.replace(old, new);
        goes_on(queue, &mut control).await;
    }
    for unfit in ["", "\n\n"] {
        password.write(unfit);
        password.each(&["CLIENT", "KILL", "USER", USER]);
        goes_on(queue, &mut control).await;
    }
    assert_sound(queue).await;
}

/// Files on disk, so that submits can wait for it.
fn store() -> TestRedis {
    TestRedis::start_durable()
}

#[tokio::test]
async fn a_password_is_replaced_without_a_restart() {
    let redis = [store()];
    let password = Password::new(&redis);
    rotate(&open(redis[0].url(), password.access()), &password).await;
}

#[tokio::test]
async fn a_password_is_replaced_behind_sentinels() {
    let redis = [store()];
    let password = Password::new(&redis);
    let sentinels = TestSentinels::start(&redis[0], 0);
    rotate(&open(sentinels.url(), password.access()), &password).await;
}

#[tokio::test]
async fn a_password_is_replaced_in_a_cluster() {
    let authority = TestAuthority::new();
    let servers = start_tls_cluster(&authority);
    for server in &servers {
        for (option, value) in [("appendonly", "yes"), ("appendfsync", "always")] {
            assert_eq!(server.cli(&["CONFIG", "SET", option, value]).trim(), "OK");
        }
    }
    let password = Password::new(&servers);
    let access = RedisAccess {
        plaintext_password: false,
        password_file: password.access().password_file,
        user: password.access().user,
        ..authority.access()
    };
    rotate(&open(servers[0].safe_url(), access), &password).await;
}

#[tokio::test]
async fn a_login_that_is_right_later_finds_the_cluster() {
    let authority = TestAuthority::new();
    let servers = start_tls_cluster(&authority);
    let password = Password::new(&servers);
    password.write("not yet");
    let access = RedisAccess {
        password_file: password.access().password_file,
        user: password.access().user,
        ..authority.access()
    };
    let queue = open(servers[0].safe_url(), access);
    queue.check_store().await.unwrap_err();
    password.write("first");
    let there = async || queue.check_store().await.ok();
    wait_for("the store", there).await;
    for number in 0..8 {
        let name = QueueName::new(format!("q{number}")).unwrap();
        let job = NewJob::new("noop", "{}").unwrap().queue(&name).unwrap();
        queue.submit(job).await.unwrap();
    }
    assert_sound(&queue).await;
}

/// Gives a client what another authority has signed, in the files that it has.
fn hand_over(from: &RedisAccess, to: &RedisAccess, cert_too: bool) {
    let copy = |from: &Option<_>, to: &Option<_>| {
        let (from, to): (&std::path::PathBuf, &std::path::PathBuf) =
            (from.as_ref().unwrap(), to.as_ref().unwrap());
        fs::copy::<&Path, &Path>(from, to).unwrap();
    };
    copy(&from.key, &to.key);
    if cert_too {
        copy(&from.cert, &to.cert);
        copy(&from.ca, &to.ca);
    }
}

#[tokio::test]
async fn authority_certificate_and_key_are_replaced_without_a_restart() {
    let (old, new) = (TestAuthority::new(), TestAuthority::new());
    let redis = TestRedis::start_tls(&old, &["--appendonly", "yes", "--appendfsync", "always"]);
    let access = old.access();
    let queue = open(redis.safe_url(), access.clone());
    let mut control = queue.control_reader();
    goes_on(&queue, &mut control).await;
    let cut = || redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);

    // A key without its certificate, as it is while both are being replaced.
    let other = new.access();
    hand_over(&other, &access, false);
    cut();
    goes_on(&queue, &mut control).await;

    hand_over(&other, &access, true);
    let arguments = new.redis_arguments(redis.tls_port().unwrap());
    let files: Vec<_> = arguments
        .chunks(2)
        .filter(|option| option[0].ends_with("-file"))
        .flat_map(|option| [option[0].trim_start_matches('-'), &option[1]])
        .collect();
    let set = redis.cli(&[&["CONFIG", "SET"], &files[..]].concat());
    assert_eq!(set.trim(), "OK");
    cut();
    goes_on(&queue, &mut control).await;
    assert_sound(&queue).await;
}
