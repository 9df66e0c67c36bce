//! The worker against a real Redis.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it must be"
)]

mod foreign;
mod support;

mod binary;
mod cancel;
mod claims;
mod deaf;
mod exec;
mod grpc;
mod health;
mod http;
mod leases;
mod outcomes;
mod partitions;
mod passed_on;
mod report;
mod seal;
mod shutdown;
mod signals;
mod silent;
mod stuck;
mod typed;
