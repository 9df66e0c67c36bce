//! The server over a real redis-server, from outside: by gRPC and by HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api_table;
mod bad_input;
mod breaking;
mod bulk;
mod change;
mod dashboard;
mod deaf;
mod drained;
mod durability;
mod events;
mod every_call;
mod integrity;
mod jobs;
mod look;
mod metrics;
mod names;
mod one_port;
mod outage;
mod past;
mod queues;
mod rest;
mod secure;
mod shutdown;
mod silent;
mod stream;
mod support;
mod wait;
mod watch;
mod workers;
