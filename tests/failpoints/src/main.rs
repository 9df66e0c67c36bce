//! A process that dies at the point which `JOBFLOW_FAILPOINT` names: the
//! server, a worker whose handlers write down what they do, or the duties.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use jobflow::maintenance::{self, Duties};
use jobflow::{JobQueue, Namespace, Pulses, QueueConfig};
use jobflow_server::LogFormat;
use jobflow_worker::{AttemptError, Context, Handler, HandlerFuture, Worker, shutdown_signal};

/// Short, so that what a dead worker held is soon free.
const LEASE: Duration = Duration::from_secs(1);
/// Shorter than the handlers that wait to be told.
const GRACE: Duration = Duration::from_millis(200);
/// The duties of a server come every few seconds; here nobody wants to wait.
const OFTEN: Option<Duration> = Some(Duration::from_millis(50));

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// What `jobflow-server` does, and on a free port.
    Server {
        redis: String,
        namespace: Namespace,
    },
    Worker {
        redis: String,
        namespace: Namespace,
        /// Where the handlers write down what they do.
        log: PathBuf,
    },
    Duties {
        redis: String,
        namespace: Namespace,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    jobflow_server::init_log(LogFormat::Text);
    match Args::parse().role {
        Role::Server { redis, namespace } => {
            let args = [
                "jobflow-server",
                "--listen",
                "127.0.0.1:0",
                "--redis",
                &redis,
                "--namespace",
                namespace.as_str(),
            ];
            let config = jobflow_server::Args::try_parse_from(args)?.into_config()?;
            let listeners = jobflow_server::bind(&config).await?;
            jobflow_server::run(config, listeners, shutdown_signal()).await?;
        }
        Role::Worker {
            redis,
            namespace,
            log,
        } => {
            let queue = open(redis, namespace)?;
            Worker::builder(&queue)
                .queues(["default"])
                .concurrency(4)
                .lease(LEASE)
                .grace(GRACE)
                .handler_for("*", Arc::new(Diary(log)))
                .build()?
                .run_until(shutdown_signal())
                .await?;
        }
        Role::Duties { redis, namespace } => {
            let duties = Duties {
                promote_every: OFTEN,
                reap_every: OFTEN,
                prune_every: OFTEN,
            };
            let queue = open(redis, namespace)?;
            maintenance::run(queue, duties, Pulses::default(), shutdown_signal()).await;
        }
    }
    Ok(())
}

fn open(redis_url: String, namespace: Namespace) -> anyhow::Result<JobQueue> {
    let config = QueueConfig {
        redis_url,
        namespace,
        ..QueueConfig::default()
    };
    JobQueue::open(config).context("can not use Redis")
}

/// Does what the kind says, and writes a line when it begins and ends.
struct Diary(PathBuf);

impl Handler for Diary {
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        let log = self.0.clone();
        Ok(Box::pin(async move {
            write(&log, "begin", &ctx)?;
            match ctx.kind().as_str() {
                "flaky" if ctx.attempt() == 1 => {
                    return Err(AttemptError::retry("not at the first attempt"));
                }
                "hopeless" => return Err(AttemptError::fail("never")),
                "talk" => {
                    ctx.log("half-way").await.map_err(AttemptError::retry)?;
                    ctx.progress(50).await.map_err(AttemptError::retry)?;
                }
                "wait" => {
                    ctx.cancelled().await;
                    return Err(AttemptError::retry("told to end"));
                }
                "block" => loop {
                    thread::park();
                },
                _ => {}
            }
            write(&log, "end", &ctx)?;
            Ok(None)
        }))
    }
}

/// One write each, so that lines of several processes do not mix.
fn write(log: &Path, what: &str, ctx: &Context) -> Result<(), AttemptError> {
    let line = format!("{what} {} {}\n", ctx.id(), ctx.attempt());
    let file = File::options().create(true).append(true).open(log);
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    written.map_err(AttemptError::retry)
}
