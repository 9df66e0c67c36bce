//! The binary `jobflow-worker`.

mod config;
mod metrics;

use std::future::pending;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use jobflow::JobQueue;
use jobflow::payload::Keyring;
use jobflow::supervisor;
use jobflow::telemetry::Export;
use jobflow_worker::handlers::{HandlerSpec, Secret};
use jobflow_worker::{Worker, health, shutdown_signal};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::metrics::Exporter;

const DEFAULT_LISTEN: &str = "127.0.0.1:4001";
const FREE_PORT: &str = "127.0.0.1:0";

fn main() -> ExitCode {
    let config = Config::parse();
    if config.handlers.is_empty() {
        let help = "no handler given: say what runs the jobs, for example --handler '*=simulate:50ms..500ms,fail=5%'";
        Config::command()
            .error(ErrorKind::MissingRequiredArgument, help)
            .exit();
    }
    log_to_stderr(config.log_format);
    match work(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by the log, whose filter may be set to anything.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(config: Config) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("can not start the runtime")?;
    let ended = runtime.block_on(run(config));
    // A handler that blocks its thread must not keep the process from ending.
    runtime.shutdown_background();
    ended
}

async fn run(config: Config) -> anyhow::Result<()> {
    let export = Export::begin("jobflow-worker").context("traces can not be exported")?;
    // Before the worker is built, which asks for what it will measure.
    let exporter = Exporter::install()?;
    let queue = JobQueue::open(config.queue()).context("can not use --redis")?;
    let mut builder = Worker::builder(&queue)
        .queues(&config.queues)
        .concurrency(config.concurrency)
        .lease(config.lease)
        .grace(config.grace);
    if let Some(keys) = keys(config.payload_keys_file.as_deref())? {
        builder = builder.keys(keys);
    }
    let secrets = secrets(config.http_secret_file.as_deref())?;
    for (kind, spec) in config.handlers {
        if secrets.is_empty() && matches!(spec, HandlerSpec::Http(_)) {
            tracing::warn!(
                kind,
                "requests are not signed: give --http-secret-file, or the receiver can not tell them from others"
            );
        }
        builder = builder.handler_for(kind, spec.signed_with(&secrets).handler());
    }
    let worker = builder.build()?;
    let listener = listen(config.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "health and metrics are served");
    let routes = exporter.routes(&worker);
    let health = worker.health();
    // Until it first hears of the store it waits, which is no reason to start it anew.
    let lives = || {
        let report = health.report();
        report.status == "SERVING" || report.last_claim_poll_age_ms.is_none()
    };
    let stop = async {
        shutdown_signal().await;
        supervisor::stopping();
    };
    supervisor::ready();
    let ended = tokio::select! {
        served = health::serve_beside(listener, health.clone(), routes, pending()) => {
            served.context("health can not be served")
        }
        () = exporter.upkeep() => Ok(()),
        () = supervisor::stay_alive(lives) => Ok(()),
        worked = worker.run_until(stop) => worked.map_err(Into::into),
    };
    if let Some(export) = export {
        tokio::task::spawn_blocking(|| export.end()).await?;
    }
    ended
}

fn secrets(file: Option<&Path>) -> anyhow::Result<Vec<Secret>> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let read = || anyhow::Ok(Secret::read_all(&std::fs::read_to_string(file)?)?);
    read().with_context(|| format!("can not use --http-secret-file {}", file.display()))
}

fn keys(file: Option<&Path>) -> anyhow::Result<Option<Keyring>> {
    let read = |file| anyhow::Ok(Keyring::read(&std::fs::read_to_string(file)?)?);
    let keys = file.map(|file| {
        read(file).with_context(|| format!("can not use --payload-keys-file {}", file.display()))
    });
    keys.transpose()
}

/// An address that was asked for must be free; the default one may be another
/// worker's.
async fn listen(asked: Option<SocketAddr>) -> anyhow::Result<TcpListener> {
    if let Some(address) = asked {
        let bound = TcpListener::bind(address).await;
        return bound.with_context(|| {
            format!("can not listen on {address}; give another --listen ADDR:PORT")
        });
    }
    match TcpListener::bind(DEFAULT_LISTEN).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            tracing::warn!("{DEFAULT_LISTEN} is taken; health goes to a free port");
            Ok(TcpListener::bind(FREE_PORT).await?)
        }
        bound => bound.with_context(|| format!("can not listen on {DEFAULT_LISTEN}")),
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
