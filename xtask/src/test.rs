//! `cargo xtask test`: everything the tests need, then all of them.

use anyhow::Result;

use crate::util::{self, Steps};
use crate::{setup, torture, web};

pub(crate) const HELP: &str = "\
Usage: cargo xtask test [-- ARGUMENTS]

Sets the machine up, builds the dashboard and the binaries, then runs
`cargo test --workspace`, the sweep through all failpoints and two minutes of
`cargo xtask torture`. The arguments go to `cargo test`; with any, there is
neither sweep nor torture:

  cargo xtask test -- a_stale_token
  cargo xtask test -- --package jobflow --test it claim -- --nocapture";

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let arguments = match arguments {
        [first, rest @ ..] if first == "--" => rest,
        all => all,
    };
    let mut steps = Steps::new();
    let outcome = run(&mut steps, arguments);
    eprintln!();
    steps.summary();
    outcome
}

fn run(steps: &mut Steps, arguments: &[String]) -> Result<()> {
    steps.run("setup", setup::for_tests)?;
    steps.run("web", web::build)?;
    // With the tests in the same call, so that the binaries which tests start
    // share every dependency with them.
    steps.run("build", || {
        util::run(util::cargo().args(["build", "--locked", "--workspace", "--bins", "--tests"]))
    })?;
    steps.run("test", || {
        let mut cargo = util::cargo();
        cargo.args(["test", "--locked", "--no-fail-fast"]);
        if !names_a_package(arguments) {
            cargo.arg("--workspace");
        }
        cargo.args(arguments);
        cargo.env("JOBFLOW_TEST_PYTHONPATH", setup::python_folder()?);
        util::run(&mut cargo)
    })?;
    if arguments.is_empty() {
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
