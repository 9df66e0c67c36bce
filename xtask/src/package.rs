//! `cargo xtask package`: the Debian package, and a trial of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::util::{self, Steps, say, succeeds};
use crate::web;

pub(crate) const HELP: &str = "\
Usage: cargo xtask package [--try]

Builds the Debian package with cargo-deb, which it installs where it is missing,
into target/debian.

  --try  as root: installs it, checks its units, starts what they start, has a
         job run, and removes it again";

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let mut trial = false;
    for argument in arguments {
        match argument.as_str() {
            "--try" => trial = true,
            other => bail!("there is no option {other}"),
        }
    }
    let mut steps = Steps::new();
    let outcome = run(&mut steps, trial);
    eprintln!();
    steps.summary();
    outcome
}

fn run(steps: &mut Steps, trial: bool) -> Result<()> {
    steps.run("web", web::build)?;
    steps.run("build", || {
        let mut cargo = util::cargo();
        cargo.args(["build", "--locked", "--release"]);
        for package in ["jobflow-server", "jobflow-worker", "jobflow-cli"] {
            cargo.args(["--package", package]);
        }
        util::run(&mut cargo)
    })?;
    let package = steps.run("package", package)?;
    say(&format!("built {}", package.display()));
    if trial {
        steps.run("try", || {
            let script = util::root().join("packaging/debian/try.sh");
            util::run(Command::new("sh").arg(script).arg(&package))
        })?;
    }
    Ok(())
}

fn package() -> Result<PathBuf> {
    if !succeeds(util::cargo().args(["deb", "--version"])) {
        say("cargo-deb is missing");
        util::run(util::cargo().args(["install", "--locked", "cargo-deb"]))?;
    }
    let folder = util::target_dir()?.join("debian");
    // Packages of before are not in the way.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut deb = util::cargo();
    deb.args([
        "deb",
        "--package",
        "jobflow-server",
        "--no-build",
        "--no-strip",
    ])
    .arg("--output")
    .arg(&folder);
    util::run(&mut deb)?;
    let built = fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_package = |path: &PathBuf| path.extension().is_some_and(|end| end == "deb");
    let mut packages = built.filter(is_package);
    packages.next().context("cargo-deb left no package")
}
