//! The gRPC edge: parse, make one call, reply.

mod admin;
mod health;
mod jobs;
mod metrics;
mod queues;
mod routes;
mod status;
mod submit;

pub(crate) use health::{HealthService, follow_store, health};
pub(crate) use routes::{is_grpc, routes, unimplemented};
