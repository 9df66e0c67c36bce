//! A worker of a torture run: the library `jobflow-worker` with handlers that
//! log each start and end, and that misbehave in every way a payload asks for.

mod handler;
mod poison;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jobflow::{JobQueue, Namespace, QueueConfig};
use jobflow_torture::{clock, journal};
use jobflow_worker::{Health, Worker, shutdown_signal};
use lexopt::prelude::*;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::handler::{KINDS, Logged};
use crate::journal::Journal;

/// More handlers than these that block a thread for ever, and whoever looks
/// after workers would have started this one anew.
const MOST_STUCK: usize = 4;
/// The exit code of that.
const UNHEALTHY: i32 = 70;

struct Options {
    redis: String,
    namespace: String,
    queues: Vec<String>,
    slots: usize,
    lease: Duration,
    log: PathBuf,
    without: Option<String>,
    memory: Option<u64>,
}

impl Options {
    fn parse() -> Result<Self> {
        let mut options = Self {
            redis: String::new(),
            namespace: String::new(),
            queues: Vec::new(),
            slots: 16,
            lease: Duration::from_secs(2),
            log: PathBuf::new(),
            without: None,
            memory: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("redis") => options.redis = parser.value()?.string()?,
                Long("namespace") => options.namespace = parser.value()?.string()?,
                Long("queue") => options.queues.push(parser.value()?.string()?),
                Long("slots") => options.slots = parser.value()?.parse()?,
                Long("lease-ms") => options.lease = Duration::from_millis(parser.value()?.parse()?),
                Long("log") => options.log = parser.value()?.into(),
                Long("without") => options.without = Some(parser.value()?.string()?),
                Long("memory-mib") => options.memory = Some(parser.value()?.parse()?),
                other => bail!(other.unexpected()),
            }
        }
        Ok(options)
    }
}

fn main() -> Result<()> {
    let options = Options::parse()?;
    if let Some(mib) = options.memory {
        let limit = Some(mib << 20);
        setrlimit(
            Resource::As,
            Rlimit {
                current: limit,
                maximum: limit,
            },
        )
        .context("can not limit the memory")?;
    }
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(6)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(work(options));
    // A handler that blocks its thread must not keep the process from ending.
    runtime.shutdown_background();
    ended
}

async fn work(options: Options) -> Result<()> {
    let log = Arc::new(Journal::open(&options.log)?);
    let queue = JobQueue::open(QueueConfig {
        redis_url: options.redis,
        namespace: Namespace::new(options.namespace)?,
        ..QueueConfig::default()
    })?;
    let mut builder = Worker::builder(&queue)
        .queues(&options.queues)
        .concurrency(options.slots)
        .lease(options.lease);
    for kind in KINDS
        .iter()
        .filter(|kind| options.without.as_deref() != Some(kind.name))
    {
        builder = builder.handler_for(kind.name, Arc::new(Logged::new(kind, log.clone())));
    }
    let worker = builder.build()?;
    let (alive, watched) = mpsc::channel();
    let health = worker.health();
    std::thread::spawn(move || leave_when_stuck(&health, &watched));
    worker.run_until(shutdown_signal()).await?;
    drop(alive);
    Ok(())
}

/// From a thread of its own: handlers may block all of the runtime's.
fn leave_when_stuck(health: &Health, alive: &mpsc::Receiver<()>) {
    while alive.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Timeout) {
        if health.report().stuck_handlers >= MOST_STUCK {
            std::process::exit(UNHEALTHY);
        }
    }
}
