//! The server over a real redis-server, from outside: by gRPC and by HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod dashboard;
mod jobs;
mod metrics;
mod names;
mod one_port;
mod outage;
mod rest;
mod shutdown;
mod stream;
mod support;
mod wait;
