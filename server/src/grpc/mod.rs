//! The gRPC edge: parse, make one call, reply.

mod admin;
mod bulk;
mod change;
mod codec;
mod health;
mod jobs;
mod look;
mod metrics;
mod paging;
mod queues;
mod routes;
mod services;
mod status;
mod submit;
mod tokens;
mod watch;
mod workers;

pub(crate) use codec::LookingCodec;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use codec::read_batch;
pub(crate) use health::{HealthService, follow_store, health};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use paging::read_page_token;
pub(crate) use routes::{forbidden, is_grpc, routes, unimplemented};
pub(crate) use status::of as status;
