//! What was submitted, as it is stored: written once, read by every claim.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;

use crate::backoff::Backoff;
use crate::job::{Kind, StoreTime};
use crate::new_job::NewJob;
use crate::options::DEFAULT_CONTENT_TYPE;

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
    /// The script appends it where the job is scheduled and needs no record, by the
    /// clock of the store.
    #[prost(fixed64, tag = "13")]
    run_at_ms: u64,
    /// The script appends it where there is a limit, by the clock of the store.
    #[prost(fixed64, tag = "14")]
    start_before_ms: u64,
    /// Last: the script appends it, by the clock of the store.
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
    /// These three: what the queue says where it is `None`.
    pub(crate) max_attempts: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) headers: BTreeMap<String, String>,
    /// When it was to run, where no record says so.
    pub(crate) run_at: Option<StoreTime>,
    pub(crate) start_before: Option<StoreTime>,
    pub(crate) created: StoreTime,
}

impl Spec {
    /// The stored form of a new job, without the times, which the script adds.
    pub(crate) fn encode(job: &NewJob) -> BytesMut {
        encode(&StoredSpec {
            kind: job.kind.as_str().to_owned(),
            payload: job.payload.clone(),
            content_type: without_default(&job.content_type),
            max_attempts: job.max_attempts.unwrap_or_default(),
            timeout_ms: job.timeout.map(millis).unwrap_or_default(),
            backoff: job.backoff.map(Into::into),
            headers: job.headers.clone(),
            run_at_ms: 0,
            start_before_ms: 0,
            created_ms: 0,
        })
    }

    /// The stored form of a changed job, times included.
    pub(crate) fn encode_again(&self) -> BytesMut {
        encode(&StoredSpec {
            kind: self.kind.as_str().to_owned(),
            payload: self.payload.clone(),
            content_type: without_default(&self.content_type),
            max_attempts: self.max_attempts.unwrap_or_default(),
            timeout_ms: self.timeout.map(millis).unwrap_or_default(),
            backoff: self.backoff.map(Into::into),
            headers: self.headers.clone(),
            // A change writes a record.
            run_at_ms: 0,
            start_before_ms: self.start_before.map_or(0, |time| time.0),
            created_ms: self.created.0,
        })
    }

    /// Reads the stored form; `None` when it is not one.
    pub(crate) fn decode(bytes: Bytes) -> Option<Self> {
        let stored = StoredSpec::decode(bytes).ok()?;
        let content_type = match stored.content_type {
            empty if empty.is_empty() => DEFAULT_CONTENT_TYPE.to_owned(),
            content_type => content_type,
        };
        let backoff = match stored.backoff {
            None => None,
            Some(stored) => Some(
                Backoff::new(
                    Duration::from_millis(stored.initial_ms),
                    stored.multiplier,
                    Duration::from_millis(stored.max_ms),
                )
                .ok()?,
            ),
        };
        let instant = |ms| (ms > 0).then_some(StoreTime(ms));
        Some(Self {
            kind: Kind::new(stored.kind).ok()?,
            payload: stored.payload,
            content_type,
            max_attempts: (stored.max_attempts > 0).then_some(stored.max_attempts),
            timeout: (stored.timeout_ms > 0).then(|| Duration::from_millis(stored.timeout_ms)),
            backoff,
            headers: stored.headers,
            run_at: instant(stored.run_at_ms),
            start_before: instant(stored.start_before_ms),
            created: StoreTime(stored.created_ms),
        })
    }
}

impl From<Backoff> for StoredBackoff {
    fn from(backoff: Backoff) -> Self {
        Self {
            initial_ms: millis(backoff.initial()),
            multiplier: backoff.multiplier(),
            max_ms: millis(backoff.max()),
        }
    }
}

fn encode(stored: &StoredSpec) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(stored.encoded_len());
    stored
        .encode(&mut bytes)
        .expect("the buffer has the encoded length and can grow");
    bytes
}

fn without_default(content_type: &str) -> String {
    match content_type {
        DEFAULT_CONTENT_TYPE => String::new(),
        other => other.to_owned(),
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
        assert_eq!((spec.max_attempts, spec.timeout), (None, None));
        assert_eq!((spec.backoff, spec.start_before), (None, None));
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
            (Some(1_000), Some(Duration::from_millis(1)))
        );
        assert_eq!((spec.backoff, spec.headers.len()), (Some(backoff), 1));
        assert_eq!(Spec::decode(spec.encode_again().freeze()), Some(spec));
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
