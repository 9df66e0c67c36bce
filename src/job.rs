//! A job and the names that find it.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use uuid::{ClockSequence, Timestamp, Uuid};

use crate::error::{Error, Result};

/// The longest queue name, kind or namespace, in bytes.
pub const MAX_NAME: usize = 64;
/// The longest worker id, in bytes.
pub const MAX_WORKER: usize = 128;

/// Declares a validated name: a `String` that can only hold what its rule allows,
/// and is cheap to clone, since a job carries its names everywhere.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $field:literal, $upper:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks the spelling.
            ///
            /// # Errors
            /// `INVALID_FIELD` naming the field when it is empty, too long or oddly spelled.
            pub fn new(name: impl AsRef<str>) -> Result<Self> {
                let name = name.as_ref();
                check_name($field, name, $upper)?;
                Ok(Self(name.into()))
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = Error;
            fn from_str(name: &str) -> Result<Self> {
                Self::new(name)
            }
        }
    };
}

name!(
    /// A named line of jobs: 1 to 64 of `a-z 0-9 . _ -`, beginning with a letter or digit.
    QueueName, "queue", false
);
name!(
    /// The stable name that picks the handler: 1 to 64 of `A-Z a-z 0-9 . _ -`,
    /// beginning with a letter or digit.
    Kind, "kind", true
);
name!(
    /// The prefix that separates installations in one Redis; spelled like a queue.
    Namespace, "namespace", false
);

impl Default for QueueName {
    fn default() -> Self {
        Self("default".into())
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self("default".into())
    }
}

/// Names become parts of keys, so nothing that has a meaning there is allowed.
fn check_name(field: &str, name: &str, upper: bool) -> Result<()> {
    let letter =
        |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || (upper && b.is_ascii_uppercase());
    let bytes = name.as_bytes();
    let well_spelled = bytes.first().is_some_and(|b| letter(*b))
        && bytes.len() <= MAX_NAME
        && bytes.iter().all(|b| letter(*b) || b"._-".contains(b));
    if well_spelled {
        return Ok(());
    }
    let letters = if upper { "A-Z a-z" } else { "a-z" };
    Err(Error::invalid(
        field,
        format!(
            "must be 1 to {MAX_NAME} characters of {letters} 0-9 . _ - and begin with a letter or digit"
        ),
    ))
}

/// Identifies a job, and carries the address of its queue.
///
/// A UUIDv7: the submitter's milliseconds, 18 bits that count the ids of the
/// process, 24 bits that name the queue (a 16-bit hash of its name and an 8-bit
/// partition), so that the id alone finds the job's keys, and 32 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(Uuid);

/// Where the queue's hash stands in the id's bytes; the partition follows it.
const HASH_AT: usize = 9;
const PARTITION_AT: usize = 11;

impl JobId {
    /// How long one is.
    #[cfg(feature = "queue")]
    pub(crate) const BYTES: usize = 16;

    /// Makes a new id for a job of `queue`; of its first partition, where it has several.
    #[must_use]
    pub fn generate(queue: &QueueName) -> Self {
        Self::generate_at(queue, 0)
    }

    /// Makes a new id for a job of a partition.
    #[cfg(feature = "queue")]
    pub(crate) fn generate_in(partition: &crate::partition::Partition) -> Self {
        Self::generate_at(partition.queue(), partition.number())
    }

    fn generate_at(queue: &QueueName, partition: u8) -> Self {
        let mut bytes = Uuid::new_v7(Timestamp::now(IdCount)).into_bytes();
        bytes[HASH_AT..PARTITION_AT].copy_from_slice(&queue_hash(queue).to_be_bytes());
        bytes[PARTITION_AT] = partition;
        Self(Uuid::from_bytes(bytes))
    }

    /// The number of the partition of its queue that the job is in.
    #[cfg(feature = "queue")]
    pub(crate) const fn partition(self) -> u8 {
        self.0.as_bytes()[PARTITION_AT]
    }

    /// Whether a job of `queue` can have this id. Another queue may share the
    /// hash, so this narrows the search; it does not end it.
    #[must_use]
    pub fn may_belong_to(&self, queue: &QueueName) -> bool {
        self.0.as_bytes()[HASH_AT..PARTITION_AT] == queue_hash(queue).to_be_bytes()
    }

    /// The 16 bytes under which Redis knows the job.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id of those 16 bytes; `None` when there are not 16.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

/// Counts the ids of this process in the bits that the queue leaves free, so
/// that two of one millisecond differ whatever is drawn at random behind them.
/// The count that the uuid crate keeps by itself stands where the queue does.
struct IdCount;

impl IdCount {
    /// More than a process can make in a millisecond.
    const BITS: u8 = 18;
}

impl ClockSequence for IdCount {
    type Output = u64;

    fn generate_sequence(&self, _seconds: u64, _nanos: u32) -> u64 {
        // Begins at random: other processes count, too.
        static NEXT: LazyLock<AtomicU64> =
            LazyLock::new(|| AtomicU64::new(Uuid::now_v7().as_u64_pair().1));
        NEXT.fetch_add(1, Ordering::Relaxed) % (1 << Self::BITS)
    }

    fn usable_bits(&self) -> usize {
        usize::from(Self::BITS)
    }
}

/// FNV-1a, folded to 16 bits: stable across versions and machines, which the
/// standard library's hasher is not.
fn queue_hash(queue: &QueueName) -> u16 {
    let hash = queue.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = Error;
    fn from_str(id: &str) -> Result<Self> {
        Uuid::try_parse(id)
            .map(Self)
            .map_err(|_| Error::invalid("id", "must be a UUID"))
    }
}

/// The fence of one lease: grows with every claim of a queue and is never given
/// twice, so a write that carries an old one can be told and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseToken(pub(crate) u64);

impl LeaseToken {
    /// The number, for systems that refuse writes with a smaller one.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As it stands in a job's record.
    #[cfg(feature = "queue")]
    pub(crate) fn to_bytes(self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = self.0.to_le_bytes();
        [a, b, c, d, e, f]
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An instant by the clock of the store: milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreTime(pub u64);

impl StoreTime {
    /// How long `earlier` lies before this instant; zero when it does not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A typed job: the Rust type of a payload, and where it goes.
///
/// The payload is the value as JSON.
#[cfg(feature = "queue")]
pub trait Job: serde::Serialize + serde::de::DeserializeOwned + Send + 'static {
    /// The stable name of this kind of job.
    const KIND: &'static str;
    /// The queue it is submitted to unless told otherwise.
    const QUEUE: &'static str = "default";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_in_a_key_do_not_construct() {
        let long = "a".repeat(MAX_NAME + 1);
        let huge = "a".repeat(4096);
        for bad in [
            "", "{", "a}", "a:b", "a\0", "../x", "😀", "-a", ".a", " a", "a b", &long, &huge,
        ] {
            assert!(QueueName::new(bad).is_err(), "{bad:?}");
            assert!(Kind::new(bad).is_err(), "{bad:?}");
            assert!(Namespace::new(bad).is_err(), "{bad:?}");
        }
        assert!(QueueName::new("Mail").is_err());
        assert!(Kind::new("SendEmail").is_ok());
        assert!(QueueName::new("a".repeat(MAX_NAME)).is_ok());
        assert!(QueueName::new("mail.high-1_x").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_name_that_a_key_can_hold_or_is_refused(text in "\\PC{0,80}|[a-z0-9._-]{0,70}") {
            let special = |name: &str| name.contains(['{', '}', ':', '/', '=', '\n', ' ']);
            match QueueName::new(&text) {
                Ok(name) => assert!(name.as_str() == text && text.len() <= MAX_NAME && !special(&text)),
                Err(error) => assert_eq!(error.field(), Some("queue")),
            }
            match Kind::new(&text) {
                Ok(kind) => assert!(kind.as_str() == text && text.len() <= MAX_NAME && !special(&text)),
                Err(error) => assert_eq!(error.field(), Some("kind")),
            }
        }
    }

    #[test]
    fn an_id_knows_its_queue_and_stays_a_uuid_v7() {
        let (mail, video) = (
            QueueName::new("mail").unwrap(),
            QueueName::new("video").unwrap(),
        );
        let id = JobId::generate(&mail);
        assert!(id.may_belong_to(&mail));
        assert!(!id.may_belong_to(&video));
        assert_eq!(id.0.get_version_num(), 7);
        assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
        assert_eq!(JobId::from_slice(id.as_bytes()), Some(id));
    }

    /// 32 random bits alone would give a million ids of one second a chance of
    /// ten percent that two are the same, and one of those jobs would be lost.
    #[test]
    fn ids_of_one_process_do_not_repeat_even_without_their_random_bits() {
        let queue = QueueName::default();
        let made = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| {
                scope.spawn(|| {
                    (0..50_000)
                        .map(|_| JobId::generate(&queue))
                        .collect::<Vec<_>>()
                })
            });
            threads.map(|thread| thread.join().unwrap()).concat()
        });
        let fixed: std::collections::HashSet<_> = made
            .iter()
            .map(|id| id.as_bytes()[..=PARTITION_AT].to_vec())
            .collect();
        assert_eq!(fixed.len(), made.len());
    }
}
