//! `jobflow-server`: see `--help`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use jobflow::telemetry::Export;
use jobflow_server::Args;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When nobody reads standard error, the exit code has to do.
            let _unread = writeln!(std::io::stderr(), "jobflow-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<()> {
    let config = args.into_config()?;
    jobflow_server::init_log(config.log_format);
    let export = Export::begin("jobflow-server").context("traces can not be exported")?;
    let listeners = jobflow_server::bind(&config).await?;
    let mut terminate = signal(SignalKind::terminate()).context("can not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can not listen for SIGINT")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let ended = jobflow_server::run(config, listeners, stop).await;
    if let Some(export) = export {
        tokio::task::spawn_blocking(|| export.end()).await?;
    }
    Ok(ended?)
}
