//! What all modes share: the queue, the job, and the form of a figure.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use jobflow::{JobQueue, Namespace, NewJob, QueueConfig};
use serde_json::{Value, json};

/// What peers are measured with too: about 50 bytes.
pub(crate) const PAYLOAD: &str = r#"{"to":"user@example.com","template":"welcome"}"#;

/// The redis-server to measure on.
pub(crate) fn redis_url() -> Result<String> {
    std::env::var("JOBFLOW_REDIS_URL")
        .context("JOBFLOW_REDIS_URL names the redis-server to measure on")
}

/// A namespace of its own for one measurement, about as long as those that
/// people choose: each call names its keys.
pub(crate) fn config(mode: &str) -> Result<QueueConfig> {
    #[expect(
        clippy::disallowed_methods,
        reason = "only has to differ from the run before"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    Ok(QueueConfig {
        redis_url: redis_url()?,
        namespace: Namespace::new(format!("{mode}-{:x}", now % (1 << 32)))?,
        ..QueueConfig::default()
    })
}

/// A queue in a namespace of its own.
pub(crate) fn queue(mode: &str) -> Result<JobQueue> {
    Ok(JobQueue::open(config(mode)?)?)
}

pub(crate) fn job() -> jobflow::Result<NewJob> {
    NewJob::new("noop", PAYLOAD)
}

/// Prints a rate, with what it was measured on.
pub(crate) fn print_rate(mode: &str, n: usize, size: (&str, usize), took: Duration) {
    let mut line = json!({"peer": "jobflow", "mode": mode, "n": n, "jobs_per_s": rate(n, took)});
    line[size.0] = json!(size.1);
    print(&line);
}

/// Jobs a second, to the next whole one.
pub(crate) fn rate(n: usize, took: Duration) -> f64 {
    (number(n as u64) / took.as_secs_f64()).round()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn number(n: u64) -> f64 {
    n as f64
}

/// Three digits behind the point.
pub(crate) fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

/// Milliseconds, to the next microsecond.
pub(crate) fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3)
}

/// The middle one; zero of none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    if sorted.len().is_multiple_of(2) && !sorted.is_empty() {
        f64::midpoint(sorted[sorted.len() / 2 - 1], upper)
    } else {
        upper
    }
}

pub(crate) fn print(line: &Value) {
    print_text(&line.to_string());
}

#[expect(clippy::print_stdout, reason = "the figures are the output")]
pub(crate) fn print_text(text: &str) {
    println!("{text}");
}

/// Tells whoever waits what goes on.
pub(crate) fn say(what: &str) {
    // Nobody has to listen.
    let _unread = writeln!(std::io::stderr(), "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "halves are exact")]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }
}
