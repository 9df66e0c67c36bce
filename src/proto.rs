//! The wire protocol, and the only conversions between it and the model.

#[expect(
    missing_docs,
    reason = "generated; the .proto files hold the documentation"
)]
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::must_use_candidate,
    clippy::too_many_lines,
    reason = "generated"
)]
mod generated {
    tonic::include_proto!("jobflow.v1");
}

pub use generated::*;

#[cfg(feature = "queue")]
mod bulk;
#[cfg(feature = "queue")]
mod change;
#[cfg(feature = "queue")]
mod events;
mod job;
#[cfg(feature = "queue")]
mod look;
#[cfg(feature = "queue")]
mod past;
#[cfg(feature = "queue")]
mod queue;
mod submit;
#[cfg(feature = "queue")]
mod token;
mod values;
#[cfg(feature = "queue")]
mod worker;

#[cfg(feature = "queue")]
pub use change::{job_changes, settings_changes};
#[cfg(feature = "queue")]
pub use look::names;
#[cfg(feature = "queue")]
pub use past::percentiles;
#[cfg(feature = "queue")]
pub use token::role;
pub use values::{duration, duration_from, known, timestamp, timestamp_from};
#[cfg(feature = "queue")]
pub use worker::worker_signal;
