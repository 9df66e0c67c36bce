//! The REST edge, for callers without gRPC: parse, make one call, reply.

mod body;
mod jobs;
mod metrics;
mod probes;
mod problem;
mod routes;
mod stats;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use body::parse as read_body;
pub(crate) use problem::Problem;
pub(crate) use routes::routes;
