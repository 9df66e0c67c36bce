//! What all modes share: the queue, the job, and the form of a figure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use jobflow::{JobQueue, Namespace, NewJob, QueueConfig};
use serde_json::{Value, json};

/// What peers are measured with too: about 50 bytes.
pub(crate) const PAYLOAD: &str = r#"{"to":"user@example.com","template":"welcome"}"#;

/// A queue of its own for one measurement.
pub(crate) fn queue(mode: &str) -> Result<JobQueue> {
    let url = std::env::var("JOBFLOW_REDIS_URL")
        .context("JOBFLOW_REDIS_URL names the redis-server to measure on")?;
    #[expect(
        clippy::disallowed_methods,
        reason = "only has to differ from the run before"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let namespace = Namespace::new(format!("bench-{mode}-{now}"))?;
    Ok(JobQueue::open(QueueConfig {
        redis_url: url,
        namespace,
        ..QueueConfig::default()
    })?)
}

pub(crate) fn job() -> jobflow::Result<NewJob> {
    NewJob::new("noop", PAYLOAD)
}

/// Prints a rate, with what it was measured on.
pub(crate) fn print_rate(mode: &str, n: usize, size: (&str, usize), took: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rate = n as f64 / took.as_secs_f64();
    let mut line = json!({"peer": "jobflow", "mode": mode, "n": n, "jobs_per_s": rate.round()});
    line[size.0] = json!(size.1);
    print(&line);
}

#[expect(clippy::print_stdout, reason = "the figures are the output")]
pub(crate) fn print(line: &Value) {
    println!("{line}");
}
