//! What runs a job: typed Rust functions, and the handlers of the binary.

use std::time::Duration;

mod exec;
mod grpc;
mod http;
mod limits;
mod registry;
mod said;
mod simulate;
mod spec;
mod stderr;

pub use self::{
    exec::Exec,
    grpc::Grpc,
    http::{Http, Secret},
    limits::Limits,
    registry::{Handler, HandlerFuture},
    simulate::Simulate,
    spec::{HandlerSpec, SpecError},
};

pub(crate) use self::registry::{Handlers, typed};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::{grpc::read_grpc_answer, http::read_http_answer};

/// When a job comes back that a handler in another process can not run now.
const NOT_NOW: Duration = Duration::from_secs(10);
