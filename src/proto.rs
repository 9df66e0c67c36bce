//! The wire protocol, and the only conversions between it and the model.

#[expect(
    missing_docs,
    reason = "generated; the .proto files hold the documentation"
)]
#[expect(clippy::all, clippy::clone_on_ref_ptr, reason = "generated")]
mod generated {
    tonic::include_proto!("jobflow.v1");
}

pub use generated::*;

mod convert;
pub use convert::{duration, duration_from, timestamp, timestamp_from};
