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

mod convert;
pub use convert::{duration, duration_from, timestamp, timestamp_from};
