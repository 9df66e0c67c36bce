//! The passwords of Redis are replaced under load, and nothing is restarted.

use std::fs;
use std::future::ready;
use std::path::Path;

use jobflow::testing::{TestUsers, wait_for};
use tokio::task::block_in_place;

use crate::outage::{all_are_completed, busy};
use crate::submitters::Submitters;
use crate::system::System;

const USERS: [&str; 2] = ["jobflow-server", "jobflow-worker"];
const ROTATIONS: usize = 3;

fn set_user(system: &System, rules: &[&str]) {
    let set = system.redis.cli(&[&["ACL", "SETUSER"], rules].concat());
    assert_eq!(set.trim(), "OK");
}

/// All connections of a user have to be made again. Returns how many there were.
fn cut(system: &System, user: &str) -> u32 {
    let killed = system.redis.cli(&["CLIENT", "KILL", "USER", user]);
    killed.trim().parse().unwrap()
}

/// As an operator does it: the old password holds until the file has the new one.
fn rotate(system: &System, user: &str, file: &Path, new: &str) {
    let old = fs::read_to_string(file).unwrap();
    set_user(system, &[user, &format!(">{new}")]);
    let beside = file.with_extension("new");
    fs::write(&beside, new).unwrap();
    fs::rename(&beside, file).unwrap();
    set_user(system, &[user, &format!("<{old}")]);
    assert!(cut(system, user) > 0, "{user} was connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_of_redis_are_replaced_under_load_without_a_restart() {
    let users = TestUsers::packaged();
    let mut system = System::prepare(users.start(&["--save", ""]), &[]);
    let login = |user: &str| {
        let file = users.password_file(user).display().to_string();
        ["--redis-user", user, "--redis-password-file", &file].map(str::to_owned)
    };
    let for_server = login(USERS[0]);
    let for_server: Vec<_> = for_server.iter().map(String::as_str).collect();
    system.start_server_with(&for_server).await;
    let for_worker = [Submitters::queues(), login(USERS[1]).to_vec()].concat();
    let mut for_worker: Vec<_> = for_worker.iter().map(String::as_str).collect();
    for_worker.extend(["--lease", "10s", "--handler", "*=simulate:1ms..20ms"]);
    let worker = system.worker(&for_worker).await;
    let load = Submitters::start(&system);

    let mut passwords = Vec::new();
    for round in 0..ROTATIONS {
        busy(&load, load.acknowledged() + 50).await;
        for user in USERS {
            let new = format!("secret-{round}-of-{user}");
            block_in_place(|| rotate(&system, user, &users.password_file(user), &new));
            passwords.push(new);
        }
    }
    busy(&load, load.acknowledged() + 50).await;

    // The first line counts, and there is none: what was there before holds.
    for user in USERS {
        fs::write(users.password_file(user), "\nsecret-below").unwrap();
        assert!(cut(&system, user) > 0, "{user} was connected");
    }
    passwords.push("secret-below".to_owned());
    busy(&load, load.acknowledged() + 50).await;
    let ledger = load.finish().await;
    assert!(system.worker_at(worker).is_running() && system.server().is_running());
    all_are_completed(&system, ledger, &[]).await;

    for user in USERS {
        let refused = format!("{}: has no password", users.password_file(user).display());
        let told = || {
            let process = match user {
                "jobflow-server" => system.server(),
                _ => system.worker_at(worker),
            };
            let log = process.log();
            for password in &passwords {
                assert!(!log.contains(password), "{process}");
            }
            ready(log.contains(&refused).then_some(()))
        };
        wait_for("a warning that names the file", told).await;
    }
    system.close().await;
}
