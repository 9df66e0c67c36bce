//! Instants, durations and numbers on the wire, and back.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::job::StoreTime;

/// An instant on the wire.
#[must_use]
pub fn timestamp(time: StoreTime) -> prost_types::Timestamp {
    let (seconds, millis) = (time.0 / 1_000, time.0 % 1_000);
    prost_types::Timestamp {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanos: i32::try_from(millis * 1_000_000).unwrap_or_default(),
    }
}

/// An instant from the wire.
///
/// # Errors
/// `INVALID_FIELD` naming `field` when it lies before 1970 or is malformed.
pub fn timestamp_from(field: &str, time: &prost_types::Timestamp) -> Result<StoreTime> {
    let seconds = u64::try_from(time.seconds)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000));
    let nanos = u64::try_from(time.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Some(millis), Some(nanos)) => Ok(StoreTime(millis.saturating_add(nanos / 1_000_000))),
        _ => Err(Error::invalid(field, "must be a valid time after 1970")),
    }
}

/// A duration on the wire.
#[must_use]
pub fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// A duration from the wire.
///
/// # Errors
/// `INVALID_FIELD` naming `field` when it is negative or malformed.
pub fn duration_from(field: &str, duration: &prost_types::Duration) -> Result<Duration> {
    let seconds = u64::try_from(duration.seconds).ok();
    let nanos = u32::try_from(duration.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Some(seconds), Some(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(Error::invalid(field, "must not be negative")),
    }
}

/// A value of an enum, if this version knows it.
///
/// # Errors
/// `INVALID_FIELD` naming `field`.
pub fn known<T>(field: &str, value: Result<T, prost::UnknownEnumValue>) -> Result<T> {
    value.map_err(|unknown| Error::invalid(field, format!("{} is not known", unknown.0)))
}

/// Limits keep these numbers far below the 31 bits of the wire.
pub(super) fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// As [`int`], for counts.
#[cfg(feature = "queue")]
pub(super) fn wide(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
