//! The binary against a server that is scripted by these tests.
#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod bulk;
mod cli;
mod exit_codes;
mod fake;
mod metrics;
mod output;
mod submit;
