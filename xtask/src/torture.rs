//! `cargo xtask torture`: kills, stops, cuts and fills everything under load,
//! and has a checker look at the logs and at what is left.

use std::process::Command;

use anyhow::Result;

use crate::{setup, util};

pub(crate) const HELP: &str = "\
Usage: cargo xtask torture [--scenario NAME] [--seed N] [--minutes M] [--faults A,B,…]
                           [--aof always|everysec|no] [--rate N] [--jobs N] [--workers N]
       cargo xtask torture --check FOLDER
       cargo xtask torture --list

  --scenario  what to run (default mixed); --list tells all of them
  --seed      repeats the faults of a run (default 1)
  --minutes   how long jobs are submitted (default 5)
  --faults    only these, by name
  --aof       how Redis writes to disk (default always)
  --rate      jobs a second; --jobs ends the submits after so many
  --workers   how many processes
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
    run("release", arguments.iter().map(String::as_str))
}

/// Two minutes of all faults, with the binaries that the tests have built.
pub(crate) fn short() -> Result<()> {
    SHORT_SEEDS
        .iter()
        .try_for_each(|seed| run("debug", ["--seed", seed, "--minutes", "1", "--rate", "300"]))
}

fn run<'a>(profile: &str, arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let target = util::target_dir()?;
    let mut torture = Command::new(target.join(profile).join(PROGRAM));
    torture.current_dir(util::root()).args(arguments);
    torture.arg("--into").arg(target.join("torture"));
    util::run(&mut torture)
}
