//! `cargo xtask bench`: measures on a fresh redis-server that keeps nothing.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use crate::children::Children;
use crate::redis::{self, Keeping};
use crate::{setup, util};

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [MODE…]

  enqueue   one job a call, 1, 64 and 512 callers
  bulk      500 jobs a call
  drain     waiting no-op jobs through one worker, concurrency 100
  latency   200 jobs a second on an idle worker: submitted until run

None means all. Prints one JSON line per figure on standard output.";

/// The measuring program: a package and its binary in `benches/`.
const PACKAGE: &str = "jobflow-bench";
const MODES: [&str; 4] = ["enqueue", "bulk", "drain", "latency"];

pub(crate) fn command(modes: &[String]) -> Result<()> {
    if let Some(unknown) = modes.iter().find(|mode| !MODES.contains(&mode.as_str())) {
        bail!("there is no mode `{unknown}`, only {}", MODES.join(", "));
    }
    setup::for_bench()?;
    util::run(util::cargo().args(["build", "--locked", "--release", "--package", PACKAGE]))?;

    let folder = util::target_dir()?.join("bench-redis");
    let port = redis::free_port()?;
    let mut children = Children::new()?;
    redis::start(&mut children, port, &folder, Keeping::InMemory)?;
    let mut bench = Command::new(util::target_dir()?.join("release").join(PACKAGE));
    bench
        .args(modes)
        .env("REDIS_PORT", port.to_string())
        .env("JOBFLOW_REDIS_URL", format!("redis://127.0.0.1:{port}/"));
    children.start_printing("bench", &bench)?;
    let outcome = children.wait_for("bench");
    children.stop();
    let _ = fs::remove_dir_all(&folder);
    outcome
}
