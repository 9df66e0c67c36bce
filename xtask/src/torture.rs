//! `cargo xtask torture`: kills, stops, cuts and fills everything under load,
//! and has a checker look at the logs and at what is left.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::bench::peers;
use crate::{setup, util};

pub(crate) const HELP: &str = "\
Usage: cargo xtask torture [--scenario NAME] [--seed N] [--minutes M] [--faults A,B,…]
                           [--aof always|everysec|no] [--rate N] [--jobs N] [--workers N]
       cargo xtask torture --peer bullmq|bullmq-rs|bee-queue [--seed N] [--minutes M] …
       cargo xtask torture --check FOLDER
       cargo xtask torture --list

  --scenario  what to run (default mixed); --list tells all of them
  --seed      repeats the faults of a run (default 1)
  --minutes   how long jobs are submitted (default 5)
  --faults    only these, by name
  --aof       how Redis writes to disk (default always)
  --rate      jobs a second; --jobs ends the submits after so many
  --workers   how many processes
  --peer      another job system under the kills of the scenario `peers`,
              as far as its own programs can tell what became of its jobs
  --check     judges the files of an earlier run again

The files of a run are in target/torture/SEED, or target/torture/SCENARIO-SEED.
Fails when a rule is broken. disk-full needs root, fake clocks libfaketime.";

/// The run, and what it starts.
const PACKAGES: [&str; 2] = ["jobflow-torture", "jobflow-server"];
const PROGRAM: &str = "jobflow-torture";

/// The seeds of the short runs that are a part of the tests, a minute each.
const SHORT_SEEDS: [&str; 2] = ["1", "7"];

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    setup::for_bench()?;
    let mut cargo = util::cargo();
    cargo.args(["build", "--locked", "--release", "--bins"]);
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    util::run(&mut cargo)?;
    let Some(at) = arguments.iter().position(|argument| argument == "--peer") else {
        return run("release", arguments.iter().map(String::as_str));
    };
    let name = arguments.get(at + 1).context("--peer needs a name")?;
    let command = peer(name, &peers::install()?)?;
    let into = util::target_dir()?.join("torture").join(name);
    let mut told = vec!["--scenario", "peers"];
    told.extend(arguments.iter().map(String::as_str));
    told[at + 3] = &command;
    run_into(&into, "release", told)
}

/// How a peer's programs are called.
fn peer(name: &str, folder: &Path) -> Result<String> {
    let program = match name {
        "bullmq" | "bee-queue" => {
            return Ok(format!(
                "node {} {name}",
                folder.join("node/torture.mjs").display()
            ));
        }
        "bullmq-rs" => folder.join("rust/release/torture"),
        other => bail!("no peer `{other}`: bullmq, bullmq-rs or bee-queue"),
    };
    Ok(program.display().to_string())
}

/// Two minutes of all faults, with the binaries that the tests have built.
pub(crate) fn short() -> Result<()> {
    SHORT_SEEDS
        .iter()
        .try_for_each(|seed| run("debug", ["--seed", seed, "--minutes", "1", "--rate", "300"]))
}

fn run<'a>(profile: &str, arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
    run_into(&util::target_dir()?.join("torture"), profile, arguments)
}

fn run_into<'a>(
    folder: &Path,
    profile: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    let mut torture = Command::new(util::target_dir()?.join(profile).join(PROGRAM));
    torture.current_dir(util::root()).args(arguments);
    torture.arg("--into").arg(folder);
    util::run(&mut torture)
}
