//! What runs a job: typed Rust functions, and the handlers of the binary.

mod exec;
mod registry;
mod simulate;
mod spec;
mod stderr;

pub use self::{
    exec::Exec,
    registry::{Handler, HandlerFuture},
    simulate::Simulate,
    spec::{HandlerSpec, SpecError},
};

pub(crate) use self::registry::{Handlers, typed};
