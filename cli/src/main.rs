//! `jobflow-cli`: submit, inspect and watch jobs from a terminal, over gRPC.
//!
//! `args` says what can be typed, `commands` does it with a call or two of
//! `client`, `view` gives the answer its form, and `output` alone prints.

mod args;
mod client;
mod commands;
mod confirm;
mod error;
mod lines;
mod list;
mod output;
mod payload;
mod reader;
mod top;
mod view;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::client::Client;
use crate::commands::{
    audit, bulk, completions, dead, doctor, events, job, man, markdown, metrics, queue, submit,
    token, worker,
};
use crate::error::{Error, Result};
use crate::output::Output;

fn main() -> ExitCode {
    let args = Args::parse();
    let mut output = Output::new(args.global.output, args.global.color);
    match run(args, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit as u8)
        }
    }
}

fn run(args: Args, output: &mut Output) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            // A command that has something to say about an interruption, as a
            // bulk submit has, listens for it as well and is asked first.
            biased;
            result = dispatch(args, output) => result,
            _ = tokio::signal::ctrl_c() => Err(Error::interrupted()),
        }
    });
    // A name look-up that hangs must not hold up the end.
    runtime.shutdown_background();
    result.and_then(|()| Ok(output.flush()?))
}

async fn dispatch(args: Args, output: &mut Output) -> Result<()> {
    let client = || Client::new(&args.global);
    match args.command {
        Command::Submit(submit) => submit::run(&client()?, *submit, output).await,
        Command::Job(job) => job::run(&client()?, job, args.global.timeout, output).await,
        Command::Queue(queue) => queue::run(&client()?, queue, output).await,
        Command::Worker(worker) => worker::run(&client()?, worker, output).await,
        Command::Dead(dead) => dead::run(&client()?, dead, output).await,
        Command::Bulk(bulk) => bulk::run(&client()?, bulk, output).await,
        Command::Events(events) => events::run(&client()?, &events, output).await,
        Command::Metrics(metrics) => metrics::run(&client()?, &metrics, output).await,
        Command::Top(top) => top::run(&client()?, &top, args.global.color.into(), output).await,
        Command::Doctor(doctor) => doctor::run(&doctor, &client()?, output).await,
        Command::Token(command) => token::run(&client()?, command, output).await,
        Command::Audit(audit) => audit::run(&client()?, &audit, output).await,
        Command::Completions { shell } => completions::run(shell, output),
        Command::CompleteNames { what } => completions::names(&args.global, what, output).await,
        Command::Man => man::run(output),
        Command::Markdown => markdown::run(output),
    }
}
