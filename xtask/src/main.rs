//! The developer commands of JobFlow: plain `cargo xtask` lists them.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for terminals"
)]

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

mod attack;
mod bench;
mod check;
mod children;
mod cluster;
mod compat;
mod dev;
mod failover;
mod http;
mod npm;
mod package;
mod redis;
mod reference;
mod screenshots;
mod setup;
mod test;
mod tidy;
mod torture;
mod util;
mod web;

struct Command {
    name: &'static str,
    about: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: [Command; 15] = [
    Command {
        name: "setup",
        about: "bring what this machine lacks: wasm target, redis-server, browser, luacheck",
        help: setup::HELP,
        run: setup::command,
    },
    Command {
        name: "dev",
        about: "run everything: Redis, server, worker and dashboard",
        help: dev::HELP,
        run: dev::command,
    },
    Command {
        name: "check",
        about: "formatting, lints, Lua, tidy, licences",
        help: check::HELP,
        run: check::command,
    },
    Command {
        name: "test",
        about: "build what the tests need and run them all",
        help: test::HELP,
        run: test::command,
    },
    Command {
        name: "web",
        about: "build the dashboard into web/dist",
        help: web::HELP,
        run: web::command,
    },
    Command {
        name: "screenshots",
        about: "the pictures of the dashboard, into docs/images",
        help: screenshots::HELP,
        run: screenshots::command,
    },
    Command {
        name: "reference",
        about: "the tables of docs/configuration.md, as the programs tell their options",
        help: reference::HELP,
        run: reference::command,
    },
    Command {
        name: "bench",
        about: "measure on a fresh redis-server; one JSON line per figure",
        help: bench::HELP,
        run: bench::command,
    },
    Command {
        name: "torture",
        about: "faults under load, and a verdict from the logs",
        help: torture::HELP,
        run: torture::command,
    },
    Command {
        name: "attack",
        about: "attack a server beside a good client, and print what that noticed",
        help: attack::HELP,
        run: attack::command,
    },
    Command {
        name: "failover",
        about: "count what each durability class loses when a master dies cut off",
        help: failover::HELP,
        run: failover::command,
    },
    Command {
        name: "cluster",
        about: "what a cluster costs, and what its fail-overs and slot moves do to jobs",
        help: cluster::HELP,
        run: cluster::command,
    },
    Command {
        name: "compat",
        about: "run programs of an older build with those of this one, on one store",
        help: compat::HELP,
        run: compat::command,
    },
    Command {
        name: "package",
        about: "build the Debian package, and try it",
        help: package::HELP,
        run: package::command,
    },
    Command {
        name: "tidy",
        about: "the part of check that compares the tree with its own rules",
        help: tidy::HELP,
        run: tidy::command,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        list();
        return Ok(());
    };
    match name.as_str() {
        "help" | "--help" | "-h" => {
            list();
            return Ok(());
        }
        children::WRAPPER => return children::become_child(rest),
        _ => {}
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        list();
        bail!("there is no command `{name}`");
    };
    let own = rest.iter().take_while(|argument| *argument != "--");
    if own
        .clone()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        println!(
            "cargo xtask {}: {}\n\n{}",
            command.name, command.about, command.help
        );
        return Ok(());
    }
    (command.run)(rest)
}

fn list() {
    println!("Usage: cargo xtask COMMAND [--help]\n");
    for command in &COMMANDS {
        println!("  {:8} {}", command.name, command.about);
    }
}
