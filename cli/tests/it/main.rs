//! The binary against a server that is scripted by these tests.
#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod cli;
mod examples;
mod exit_codes;
mod fake;
mod jobs;
mod lines;
mod metrics;
mod operations;
mod output;
mod queues;
mod submit;
#[cfg(unix)]
mod terminal;
mod tokens;
mod watch;
