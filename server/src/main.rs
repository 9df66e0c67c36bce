//! `jobflow-server`: see `--help`.

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = jobflow_server::Args::parse().into_config()?;
    jobflow_server::init_log(config.log_format);
    let listeners = jobflow_server::bind(&config.listen).await?;
    let mut terminate = signal(SignalKind::terminate()).context("can not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can not listen for SIGINT")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    jobflow_server::run(config, listeners, stop).await?;
    Ok(())
}
