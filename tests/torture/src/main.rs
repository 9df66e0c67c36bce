//! `jobflow-torture`: kills, stops, cuts and fills everything under load, then
//! has the checker look at the logs and at what is left in Redis.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for terminals"
)]

mod dump;
mod faults;
mod fleet;
mod nemesis;
mod options;
mod peer;
mod process;
mod proxy;
mod redis_server;
mod run;
mod scenario;
mod schedule;
mod setup;
mod submit;
mod world;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use jobflow_torture::{clock, journal};
use jobflow_torture_checker::check;

use crate::options::Command;

/// The verdict was that a rule is broken.
const BROKEN: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match act(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every rule holds.
fn act(arguments: &[String]) -> Result<bool> {
    if let [first, rest @ ..] = arguments
        && first == process::WRAPPER
    {
        process::become_child(rest)?;
    }
    match Command::parse(arguments)? {
        Command::List => {
            list();
            Ok(true)
        }
        Command::Check(folder) => verdict(&folder),
        Command::Run(options) => {
            run::run(&options)?;
            verdict(&options.folder)
        }
    }
}

fn verdict(folder: &Path) -> Result<bool> {
    let report = check(folder)?;
    println!("\n{}", report.table());
    println!("{}", report.json());
    println!("\nthe files of this run: {}", folder.display());
    Ok(report.holds())
}

fn list() {
    println!("Scenarios:");
    for scenario in scenario::all() {
        println!("  {:18} {}", scenario.name, scenario.about);
    }
    println!("\nFaults:");
    for fault in faults::all() {
        println!("  {:18} {}", fault.name, fault.about);
    }
}
