//! The services of `proto/`, read by the server's own codec.

#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    unreachable_pub,
    reason = "generated"
)]
mod generated {
    tonic::include_proto!("jobflow.v1");
}

pub(crate) use generated::*;
