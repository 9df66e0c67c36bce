//! A long job that stops well: SIGTERM or Ctrl-C hands it back without a
//! penalty, and its next run goes on where this one was told to end.
//!
//! ```text
//! RUST_LOG=info cargo run --example graceful_shutdown
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use jobflow::{Job, JobQueue, NewJob};
use jobflow_worker::{AttemptError, Context, Worker, shutdown_signal};
use serde::{Deserialize, Serialize};

const CHAPTERS: usize = 60;

#[derive(Serialize, Deserialize)]
struct PrintBook {
    title: String,
}

impl Job for PrintBook {
    const KIND: &'static str = "print_book";
}

async fn print_book(job: PrintBook, ctx: Context) -> Result<(), AttemptError> {
    for chapter in chapters_done(&job)..CHAPTERS {
        tokio::select! {
            () = print_chapter(&job, chapter) => {}
            // The grace is over, or the lease is lost: two seconds are left to
            // put things in order. The error costs no attempt.
            () = ctx.cancelled() => {
                println!("{}: stopped in chapter {chapter}", job.title);
                return Err(AttemptError::retry("told to stop"));
            }
        }
    }
    Ok(())
}

/// A real handler would look into its own database.
fn chapters_done(_job: &PrintBook) -> usize {
    0
}

async fn print_chapter(job: &PrintBook, chapter: usize) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("{}: chapter {chapter}", job.title);
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt::init();
    let queue = JobQueue::connect("redis://127.0.0.1:6379/").await?;
    let book = PrintBook {
        title: "Dubliners".to_owned(),
    };
    queue.submit(NewJob::of(&book)?).await?;

    Worker::builder(&queue)
        // How long running jobs may go on after the signal. Less than the time
        // after which your orchestrator kills the process, by five seconds.
        .grace(Duration::from_secs(5))
        .handler(print_book)
        .build()?
        // Any future will do: a signal, a channel, a token.
        .run_until(shutdown_signal())
        .await?;
    Ok(())
}
