//! `cargo xtask bench`: measures on a fresh redis-server that keeps nothing.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::children::Children;
use crate::redis::{self, Keeping};
use crate::{setup, util};

mod options;
pub(crate) mod peers;

pub(crate) use options::HELP;

use options::{Options, What};

/// The measuring program, and what it starts.
const PACKAGE: &str = "jobflow-bench";
const PACKAGES: [&str; 3] = [PACKAGE, "jobflow-server", "jobflow-worker"];

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    setup::for_bench()?;
    let mut cargo = util::cargo();
    cargo.args(["build", "--locked", "--release", "--bins"]);
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    util::run(&mut cargo)?;
    let arguments = arguments_of(&options)?;

    let folder = util::target_dir()?.join("bench-redis");
    let port = redis::free_port()?;
    let mut children = Children::new()?;
    redis::start(&mut children, port, &folder, Keeping::InMemory)?;
    let mut bench = Command::new(util::target_dir()?.join("release").join(PACKAGE));
    bench
        .args(arguments)
        .env("REDIS_PORT", port.to_string())
        .env("JOBFLOW_REDIS_URL", format!("redis://127.0.0.1:{port}/"));
    children.start_printing("bench", &bench)?;
    let outcome = children.wait_for("bench");
    children.stop();
    let _ = fs::remove_dir_all(&folder);
    outcome
}

/// What the measuring program is told.
fn arguments_of(options: &Options) -> Result<Vec<String>> {
    let mut arguments = Vec::new();
    match &options.what {
        What::Modes(modes) => arguments.extend_from_slice(modes),
        What::Rounds {
            modes,
            count,
            peers,
        } => {
            arguments.extend(["rounds".to_owned(), format!("--rounds={count}")]);
            arguments.push(format!("--out={}", raw_lines(options)?));
            if *peers {
                let folder = peers::install()?;
                arguments.push(format!("--peers={}", folder.display()));
            }
            arguments.extend_from_slice(modes);
        }
        What::Guard { record } => {
            let file = util::root().join("docs/benchmarks/guard.json");
            arguments.extend(["guard".to_owned(), file.display().to_string()]);
            arguments.extend(record.then(|| "--record".to_owned()));
        }
    }
    Ok(arguments)
}

/// Where the raw lines go.
fn raw_lines(options: &Options) -> Result<String> {
    let file = match &options.out {
        Some(file) => file.clone(),
        None => util::target_dir()?.join("bench.jsonl"),
    };
    let folder = file.parent().context("--out names no file")?;
    ensure!(
        folder == PathBuf::new() || folder.is_dir(),
        "there is no folder {}",
        folder.display()
    );
    util::say(&format!("raw lines go to {}", file.display()));
    Ok(file.display().to_string())
}
