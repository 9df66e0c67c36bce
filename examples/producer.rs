//! Submits jobs and waits for one of them.
//!
//! ```text
//! cargo run --example producer
//! ```
//! A worker for them is in `typed_worker.rs`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use jobflow::{Job, JobQueue, NewJob, Priority, RunAt};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct SendEmail {
    to: String,
}

impl Job for SendEmail {
    const KIND: &'static str = "send_email";
    const QUEUE: &'static str = "mail";
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let queue = JobQueue::connect("redis://127.0.0.1:6379/").await?;

    // The shortest form: kind and queue come from the type.
    let email = SendEmail {
        to: "user@example.com".to_owned(),
    };
    let first = queue.submit(NewJob::of(&email)?).await?;
    println!("{} is {}", first.id, first.state);

    // A second submit under the same idempotency key returns the first job.
    let welcome = NewJob::of(&email)?.idempotency_key("welcome-42")?;
    let once = queue.submit(welcome.clone()).await?;
    let twice = queue.submit(welcome).await?;
    println!("{} once more: {}", once.id, twice.duplicate);

    // In a minute, ahead of the others, with five attempts of ten seconds each.
    let later = NewJob::of(&email)?
        .run_at(RunAt::After(Duration::from_secs(60)))?
        .priority(Priority::new(1)?)
        .max_attempts(5)?
        .timeout(Duration::from_secs(10))?;
    println!("{} runs later", queue.submit(later).await?.id);

    // Many at once: one verdict per job, in order.
    let jobs = (0..100).map(|n| SendEmail {
        to: format!("user-{n}@example.com"),
    });
    let jobs: Vec<_> = jobs
        .map(|job| NewJob::of(&job))
        .collect::<jobflow::Result<_>>()?;
    let verdicts = queue.submit_batch(jobs).await;
    let stored = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
    println!("{stored} of {} stored", verdicts.len());

    let job = queue.get(first.id).await?;
    println!("{} is {} now, attempt {}", job.id, job.state, job.attempt);
    Ok(())
}
