//! `cargo xtask check`: all that can be said without running the tests.

use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::util::{self, Steps, find_program, say, succeeds};
use crate::{setup, tidy};

pub(crate) const HELP: &str = "\
Usage: cargo xtask check

Formatting, clippy (for this machine and for WebAssembly), luacheck, tidy,
links in the docs of the code and, where cargo-deny is installed, licences, bans
and sources of dependencies.
Goes on after a failure and tells all of them.";

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    ensure!(
        arguments.is_empty(),
        "`cargo xtask check` takes no arguments"
    );
    let mut steps = Steps::new();
    steps.attempt("format", || {
        util::run(util::cargo().args(["fmt", "--all", "--check"]))
    });
    steps.attempt("tidy", || tidy::command(&[]));
    steps.attempt("lua", luacheck);
    steps.attempt("clippy", || {
        clippy(&["--workspace", "--all-targets", "--all-features"])
    });
    steps.attempt("clippy for wasm", || {
        setup::wasm_target()?;
        clippy(&[
            "--package",
            "jobflow-web",
            "--target",
            "wasm32-unknown-unknown",
        ])
    });
    steps.attempt("docs", || {
        let mut cargo = util::cargo();
        cargo.args(["doc", "--locked", "--workspace", "--all-features"]);
        cargo.args(["--lib", "--no-deps", "--quiet"]);
        util::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
    });
    steps.attempt("licences", licences);
    eprintln!();
    steps.summary();
    let failed = steps.failed();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn clippy(selection: &[&str]) -> Result<()> {
    let mut cargo = util::cargo();
    cargo.args(["clippy", "--locked"]).args(selection);
    util::run(cargo.args(["--", "-D", "warnings"]))
}

fn luacheck() -> Result<()> {
    let Some(program) = find_program("luacheck") else {
        if util::in_ci() {
            bail!("luacheck is not installed; `cargo xtask setup` brings it");
        }
        say("the Lua scripts are not checked: `cargo xtask setup` brings luacheck");
        return Ok(());
    };
    let mut luacheck = Command::new(program);
    luacheck
        .args(["--quiet", "src/lua"])
        .current_dir(util::root());
    util::run(&mut luacheck)
}

/// Advisories are left out: their database is fetched from the network, and a
/// new one would turn an unchanged tree red.
fn licences() -> Result<()> {
    if !succeeds(util::cargo().args(["deny", "--version"])) {
        say("licences are not checked: `cargo install --locked cargo-deny` brings what it takes");
        return Ok(());
    }
    util::run(util::cargo().args(["deny", "check", "licenses", "bans", "sources"]))
}
