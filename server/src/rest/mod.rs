//! The REST edge, for callers without gRPC: parse, make one call, reply.

mod body;
mod jobs;
mod metrics;
mod probes;
mod problem;
mod routes;
mod stats;

pub(crate) use problem::Problem;
pub(crate) use routes::routes;
