//! What was submitted, as it is stored: written once, read by every claim.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;

use crate::backoff::Backoff;
use crate::job::{Kind, StoreTime};
use crate::new_job::NewJob;
use crate::options::{DEFAULT_CONTENT_TYPE, DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT};

/// The stored form. Fields at their defaults are left out, so that an ordinary
/// job costs its kind, its payload and nine bytes.
#[derive(Clone, PartialEq, Message)]
struct StoredSpec {
    /// First, so that a script can read it without decoding the rest.
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(bytes = "bytes", tag = "2")]
    payload: Bytes,
    #[prost(string, tag = "3")]
    content_type: String,
    #[prost(uint32, tag = "4")]
    max_attempts: u32,
    #[prost(uint64, tag = "5")]
    timeout_ms: u64,
    #[prost(message, optional, tag = "6")]
    backoff: Option<StoredBackoff>,
    #[prost(btree_map = "string, string", tag = "7")]
    headers: BTreeMap<String, String>,
    /// Last: `submit.lua` appends it, by the clock of the store.
    #[prost(fixed64, tag = "15")]
    created_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredBackoff {
    #[prost(uint64, tag = "1")]
    initial_ms: u64,
    #[prost(double, tag = "2")]
    multiplier: f64,
    #[prost(uint64, tag = "3")]
    max_ms: u64,
}

/// What a claim or a look-up finds of what was submitted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    pub(crate) payload: Bytes,
    pub(crate) content_type: String,
    pub(crate) max_attempts: u32,
    pub(crate) timeout: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) created: StoreTime,
}

impl Spec {
    /// The stored form of a new job, without the time, which the script adds.
    pub(crate) fn encode(job: &NewJob) -> BytesMut {
        let stored = StoredSpec {
            kind: job.kind.as_str().to_owned(),
            payload: job.payload.clone(),
            content_type: unless(job.content_type.as_str(), DEFAULT_CONTENT_TYPE).to_owned(),
            max_attempts: unless(job.max_attempts, DEFAULT_MAX_ATTEMPTS),
            timeout_ms: unless(millis(job.timeout), millis(DEFAULT_TIMEOUT)),
            backoff: (job.backoff != Backoff::default()).then(|| StoredBackoff {
                initial_ms: millis(job.backoff.initial()),
                multiplier: job.backoff.multiplier(),
                max_ms: millis(job.backoff.max()),
            }),
            headers: job.headers.clone(),
            created_ms: 0,
        };
        let mut bytes = BytesMut::with_capacity(stored.encoded_len());
        stored
            .encode(&mut bytes)
            .expect("the buffer has the encoded length and can grow");
        bytes
    }

    /// Reads the stored form; `None` when it is not one.
    pub(crate) fn decode(bytes: Bytes) -> Option<Self> {
        let stored = StoredSpec::decode(bytes).ok()?;
        let or = |value, default| if value == 0 { default } else { value };
        let content_type = match stored.content_type {
            empty if empty.is_empty() => DEFAULT_CONTENT_TYPE.to_owned(),
            content_type => content_type,
        };
        Some(Self {
            kind: Kind::new(stored.kind).ok()?,
            payload: stored.payload,
            content_type,
            max_attempts: if stored.max_attempts == 0 {
                DEFAULT_MAX_ATTEMPTS
            } else {
                stored.max_attempts
            },
            timeout: Duration::from_millis(or(stored.timeout_ms, millis(DEFAULT_TIMEOUT))),
            backoff: match stored.backoff {
                None => Backoff::default(),
                Some(stored) => Backoff::new(
                    Duration::from_millis(stored.initial_ms),
                    stored.multiplier,
                    Duration::from_millis(stored.max_ms),
                )
                .ok()?,
            },
            headers: stored.headers,
            created: StoreTime(stored.created_ms),
        })
    }
}

/// A value, or the empty one where it is the default.
fn unless<T: PartialEq + Default + Copy>(value: T, default: T) -> T {
    if value == default {
        T::default()
    } else {
        value
    }
}

/// Whole milliseconds; every duration that gets here has a limit far below 2^64 of them.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(job: &NewJob) -> Bytes {
        let mut bytes = Spec::encode(job);
        bytes.extend_from_slice(&[121]);
        bytes.extend_from_slice(&1_700_000_000_123_u64.to_le_bytes());
        bytes.freeze()
    }

    #[test]
    fn what_the_script_appends_is_the_time() {
        let job = NewJob::new("k", "payload").unwrap();
        let spec = Spec::decode(stored(&job)).unwrap();
        assert_eq!(spec.created, StoreTime(1_700_000_000_123));
        assert_eq!(&spec.payload[..], b"payload");
        assert_eq!(spec.content_type, DEFAULT_CONTENT_TYPE);
        assert_eq!(spec.max_attempts, DEFAULT_MAX_ATTEMPTS);
        assert_eq!(spec.timeout, DEFAULT_TIMEOUT);
        assert_eq!(spec.backoff, Backoff::default());
    }

    #[test]
    fn everything_that_is_not_a_default_survives() {
        let backoff = Backoff::new(Duration::from_millis(5), 3.5, Duration::from_secs(9)).unwrap();
        let job = NewJob::new("Send.Email", vec![0, 255, 10])
            .and_then(|job| job.content_type("application/octet-stream"))
            .and_then(|job| job.max_attempts(1_000))
            .and_then(|job| job.timeout(Duration::from_millis(1)))
            .and_then(|job| job.headers([("a".to_owned(), "b".to_owned())]))
            .unwrap()
            .backoff(backoff);
        let spec = Spec::decode(stored(&job)).unwrap();
        assert_eq!(spec.content_type, "application/octet-stream");
        assert_eq!(
            (spec.max_attempts, spec.timeout),
            (1_000, Duration::from_millis(1))
        );
        assert_eq!((spec.backoff, spec.headers.len()), (backoff, 1));
    }

    #[test]
    fn the_kind_stands_first_where_a_script_reads_it() {
        let bytes = stored(&NewJob::new("a".repeat(64), "x").unwrap());
        assert_eq!(bytes[0], 0x0a);
        assert_eq!(usize::from(bytes[1]), 64);
        assert_eq!(&bytes[2..66], "a".repeat(64).as_bytes());
    }

    #[test]
    fn what_is_not_a_spec_is_told() {
        assert_eq!(Spec::decode(Bytes::from_static(b"\xff\xff")), None);
        assert_eq!(Spec::decode(Bytes::new()), None);
    }
}
