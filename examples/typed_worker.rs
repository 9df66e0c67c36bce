//! Runs the jobs of `producer.rs` and shows what a handler can answer.
//!
//! ```text
//! RUST_LOG=info cargo run --example typed_worker
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jobflow::{Job, JobQueue};
use jobflow_worker::{AttemptError, Context, Worker, shutdown_signal};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct SendEmail {
    to: String,
}

impl Job for SendEmail {
    const KIND: &'static str = "send_email";
    const QUEUE: &'static str = "mail";
}

/// What the handler returns is kept as the job's result, as JSON. A handler
/// without a result returns `()`.
#[derive(Serialize)]
struct Sent {
    number: u64,
}

/// State that all attempts share is captured by the closure in `main`.
#[derive(Default)]
struct Mailer {
    sent: AtomicU64,
}

impl Mailer {
    async fn send(&self, job: SendEmail, ctx: Context) -> Result<Sent, AttemptError> {
        let Some((_, host)) = job.to.split_once('@') else {
            // No attempt can make this right.
            return Err(AttemptError::fail(format!("{} is no address", job.to)));
        };
        match host {
            "greylisted.example" if ctx.attempt() == 1 => {
                let delay = Duration::from_secs(300);
                Err(AttemptError::retry_after(delay, "greylisted"))
            }
            // Not now, and nobody's fault: uses up no attempt.
            "night.example" => Err(AttemptError::snooze(Duration::from_secs(3600))),
            _ => {
                // Any standard error turns into `Retry` by `?`: again after the backoff.
                deliver(&job.to).await?;
                println!("{} to {}, attempt {}", ctx.id(), job.to, ctx.attempt());
                let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
                Ok(Sent { number })
            }
        }
    }
}

/// A real one would talk to a mail server.
async fn deliver(_to: &str) -> std::io::Result<()> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt::init();
    let queue = JobQueue::connect("redis://127.0.0.1:6379/").await?;
    let mailer = Arc::new(Mailer::default());

    Worker::builder(&queue)
        .queues(["mail", "default"])
        .concurrency(64)
        .handler(move |job: SendEmail, ctx: Context| {
            let mailer = Arc::clone(&mailer);
            async move { mailer.send(job, ctx).await }
        })
        .build()?
        .run_until(shutdown_signal())
        .await?;
    Ok(())
}
