//! `cargo xtask test`: everything the tests need, then all of them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::util::{self, Steps};
use crate::{reference, setup, torture, web};

pub(crate) const HELP: &str = "\
Usage: cargo xtask test [--redis PROGRAM] [-- ARGUMENTS]

Sets the machine up, builds the dashboard and the binaries, then runs
`cargo test --workspace`, the integration tests once more on a cluster, on
Redis 6.2 and as the user of Redis that a server is, the sweep through all failpoints and two minutes of
`cargo xtask torture`. The arguments go to `cargo test`; with any, that is all
that is run:

  cargo xtask test -- a_stale_token
  cargo xtask test -- --package jobflow --test it claim -- --nocapture

  --redis PROGRAM  the redis-server that tests start, instead of that of the machine
  --cluster        the tests that share a store share a cluster";

/// What starts stores of its own is the same whatever the others share.
const OF_THE_SHARED_STORE: [&str; 16] = [
    "--skip",
    "cluster::",
    "--skip",
    "lost::",
    "--skip",
    "rotated::",
    "--skip",
    "secured::",
    "--skip",
    "sentinel::",
    "--skip",
    "silent::",
    "--skip",
    "durability::",
    "--skip",
    "faults::",
];

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let mut store = Store::default();
    let mut rest = arguments;
    let arguments = loop {
        rest = match rest {
            [first, rest @ ..] if first == "--" => break rest,
            [first, program, rest @ ..] if first == "--redis" => {
                store.redis = Some(program.into());
                rest
            }
            [first, rest @ ..] if first == "--cluster" => {
                store.cluster = true;
                rest
            }
            all => break all,
        };
    };
    let mut steps = Steps::new();
    let outcome = run(&mut steps, &store, arguments);
    eprintln!();
    steps.summary();
    outcome
}

/// Which store the tests use.
#[derive(Default)]
struct Store {
    redis: Option<PathBuf>,
    cluster: bool,
    /// Of `packaging/redis/users.acl`.
    user: Option<&'static str>,
}

impl Store {
    fn tell(&self, cargo: &mut Command) {
        if let Some(program) = &self.redis {
            cargo.env("JOBFLOW_TEST_REDIS", program);
        }
        if self.cluster {
            cargo.env("JOBFLOW_TEST_STORE", "cluster");
        }
        if let Some(user) = self.user {
            cargo.env("JOBFLOW_TEST_USER", user);
        }
    }
}

fn run(steps: &mut Steps, store: &Store, arguments: &[String]) -> Result<()> {
    steps.run("setup", setup::for_tests)?;
    steps.run("web", web::build)?;
    // With the tests in the same call, so that the binaries which tests start
    // share every dependency with them.
    steps.run("build", || {
        util::run(util::cargo().args(["build", "--locked", "--workspace", "--bins", "--tests"]))
    })?;
    if arguments.is_empty() {
        steps.run("reference", reference::check)?;
    }
    steps.run("test", || {
        let mut cargo = util::cargo();
        cargo.args(["test", "--locked", "--no-fail-fast"]);
        if !names_a_package(arguments) {
            cargo.arg("--workspace");
        }
        cargo.args(arguments);
        cargo.env("JOBFLOW_TEST_PYTHONPATH", setup::python_folder()?);
        store.tell(&mut cargo);
        cargo.env(
            "JOBFLOW_TEST_NODE_PATH",
            setup::node_folder()?.join("node_modules"),
        );
        util::run(&mut cargo)
    })?;
    if arguments.is_empty() {
        let cluster = Store {
            redis: store.redis.clone(),
            cluster: true,
            user: None,
        };
        steps.run("cluster", || integration(&cluster))?;
        let oldest = Store {
            redis: Some(setup::oldest_redis()?),
            ..Store::default()
        };
        steps.run("redis 6.2", || integration(&oldest))?;
        let as_server = Store {
            redis: store.redis.clone(),
            cluster: false,
            user: Some("jobflow-server"),
        };
        steps.run("rights", || integration(&as_server))?;
        // A build of its own, because no other may have failpoints.
        steps.run("failpoints", || {
            let mut cargo = util::cargo();
            cargo.args(["test", "--locked", "--package", "jobflow-failpoints"]);
            cargo.args(["--features", "armed", "--", "--nocapture"]);
            util::run(&mut cargo)
        })?;
        steps.run("torture", torture::short)?;
    }
    Ok(())
}

/// The integration tests that share a store, on this one.
fn integration(store: &Store) -> Result<()> {
    let mut cargo = util::cargo();
    // With all packages, so that nothing is built anew for other features.
    cargo.args(["test", "--locked", "--workspace", "--test", "it", "--"]);
    cargo.args(OF_THE_SHARED_STORE);
    store.tell(&mut cargo);
    util::run(&mut cargo)
}

fn names_a_package(arguments: &[String]) -> bool {
    let mut for_cargo = arguments.iter().take_while(|argument| *argument != "--");
    for_cargo.any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_of_the_callers_choice_replaces_the_workspace() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        assert!(names_a_package(&words("-p jobflow --test it")));
        assert!(names_a_package(&words("--package=jobflow")));
        assert!(!names_a_package(&words("claim -- -p")));
    }
}
