//! Values of the wire as the pages use them.

use std::time::Duration;

use jobflow::{JobState, proto};

/// The wire counts in signed numbers; a count is never below zero.
pub(crate) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// The wire's durations are signed; what is shown here is never below zero.
pub(crate) fn duration(message: prost_types::Duration) -> Duration {
    Duration::try_from(message).unwrap_or_default()
}

/// Milliseconds since 1970.
pub(crate) fn millis(time: &prost_types::Timestamp) -> u64 {
    natural(time.seconds) * 1_000 + natural((time.nanos / 1_000_000).into())
}

/// `None` for a state that this page does not know: a newer server's.
pub(crate) fn state(state: proto::JobState) -> Option<JobState> {
    JobState::try_from(state).ok()
}
