//! The binaries together, as their users meet them: server, workers and CLI as
//! processes, a browser, and a client in another language. Each test has a
//! system of its own, with its own Redis, and ends with an audit of it.
//!
//! The figures that some tests print are measurements, shown by
//! `cargo xtask test -- --package jobflow --test e2e -- --nocapture`; none of
//! them decides whether a test passes.
#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]
#![expect(
    clippy::print_stdout,
    reason = "figures, and what a failed process said"
)]

mod axe;
mod browser;
mod browser_job;
mod browser_jobs;
mod browser_keys;
mod browser_looks;
mod browser_memory;
mod browser_pages;
mod browser_partitions;
mod browser_past;
mod browser_roles;
mod browser_rows;
mod browser_safety;
mod browser_tabs;
mod browser_vectors;
mod browser_walk;
mod bulk;
mod canary;
mod control;
mod examples;
mod failover;
mod failpoints;
mod frames;
mod guarded;
mod journey;
mod metrics;
mod openapi;
mod outage;
mod past;
mod process;
mod python;
mod recovery;
mod rest;
mod rotation;
mod submitters;
mod supervisor;
mod system;
mod trace;
mod webdriver;
