//! How far a reader has come in the streams of all queues, also as text that
//! callers bring back.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;

use super::EventId;
use crate::error::{Error, Result};
use crate::fingerprint::fnv1a;
use crate::job::Namespace;
use crate::partition::Partition;

/// Of the form of the text.
const VERSION: u32 = 1;
/// The longest text that is read. That is 9,500 partitions of queues with the
/// longest of names, and more than twice as many with usual ones.
const MAX_TOKEN: usize = 1024 * 1024;

/// A place in the stream of every partition of every queue of a namespace. One
/// that is not named is at the beginning of its stream, as it did not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPositions {
    namespace: Namespace,
    queues: BTreeMap<Partition, EventId>,
    /// Of these the place is not known yet.
    unknown: BTreeSet<Partition>,
}

#[derive(Clone, PartialEq, Message)]
struct Packed {
    #[prost(uint32, tag = "1")]
    version: u32,
    /// Of the namespace and the queues, so that other texts are told.
    #[prost(fixed64, tag = "2")]
    check: u64,
    #[prost(message, repeated, tag = "3")]
    queues: Vec<PackedQueue>,
    /// Not a part of the check, as older programs do not know of it: they read the
    /// rest, and tell of these from the beginning on.
    #[prost(string, repeated, tag = "4")]
    unknown: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct PackedQueue {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint64, tag = "2")]
    ms: u64,
    #[prost(uint64, tag = "3")]
    seq: u64,
}

impl EventPositions {
    pub(super) fn new(namespace: Namespace, queues: BTreeMap<Partition, EventId>) -> Self {
        Self {
            namespace,
            queues,
            unknown: BTreeSet::new(),
        }
    }

    /// The same without places in partitions that can not be reached.
    pub(super) fn without(self, unreachable: Vec<Partition>) -> Self {
        Self {
            unknown: unreachable.into_iter().collect(),
            ..self
        }
    }

    /// Whether the end of a partition could not be asked for: it is where somebody
    /// sees the stream first.
    #[must_use]
    pub fn is_unknown(&self, part: &Partition) -> bool {
        self.unknown.contains(part)
    }

    /// The place in one partition.
    #[must_use]
    pub fn of(&self, queue: &Partition) -> EventId {
        self.queues
            .get(queue)
            .copied()
            .unwrap_or(EventId::BEGINNING)
    }

    /// Those that are not at their beginning.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.queues.keys()
    }

    /// Forgets the places in all others.
    pub fn retain(&mut self, keep: impl Fn(&Partition) -> bool) {
        self.queues.retain(|part, _| keep(part));
        self.unknown.retain(keep);
    }

    /// Goes on to another place.
    pub fn set(&mut self, queue: &Partition, id: EventId) {
        self.unknown.remove(queue);
        if id == EventId::BEGINNING {
            self.queues.remove(queue);
        } else if let Some(place) = self.queues.get_mut(queue) {
            *place = id;
        } else {
            self.queues.insert(queue.clone(), id);
        }
    }

    /// The text to give out.
    #[must_use]
    pub fn token(&self) -> String {
        let queues = self.queues.iter().map(|(name, id)| PackedQueue {
            name: name.to_string(),
            ms: id.ms,
            seq: id.seq,
        });
        let mut packed = Packed {
            version: VERSION,
            check: 0,
            queues: queues.collect(),
            unknown: self.unknown.iter().map(ToString::to_string).collect(),
        };
        packed.check = packed.check(&self.namespace);
        URL_SAFE_NO_PAD.encode(packed.encode_to_vec())
    }

    pub(super) fn from_token(namespace: &Namespace, token: &str) -> Result<Self> {
        // Before it is decoded: its entries take many times their size of memory.
        if token.len() > MAX_TOKEN {
            let message = format!("must be at most {MAX_TOKEN} bytes: follow fewer queues");
            return Err(Error::invalid("resume_token", message));
        }
        Self::unpack(namespace, token).ok_or_else(|| {
            Error::invalid(
                "resume_token",
                "must be the resume_token of a message of this installation",
            )
        })
    }

    fn unpack(namespace: &Namespace, token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let packed = Packed::decode(&bytes[..]).ok()?;
        let is_own = packed.version == VERSION && packed.check == packed.check(namespace);
        let queue = |queue: &PackedQueue| {
            let (ms, seq) = (queue.ms, queue.seq);
            Some((Partition::parse(&queue.name).ok()?, EventId { ms, seq }))
        };
        let queues: Option<_> = packed.queues.iter().map(queue).collect();
        let unknown = packed.unknown.iter().map(|name| Partition::parse(name));
        is_own.then_some(Self {
            namespace: namespace.clone(),
            queues: queues?,
            unknown: unknown.collect::<Result<_>>().ok()?,
        })
    }
}

impl Packed {
    fn check(&self, namespace: &Namespace) -> u64 {
        let queues = self.queues.iter().flat_map(Message::encode_to_vec);
        fnv1a(namespace.as_str().bytes().chain([0]).chain(queues))
    }
}

/// For tests: reads a token.
#[cfg(feature = "testing")]
pub(crate) fn read_positions(token: &str) {
    let namespace = Namespace::default();
    if let Ok(positions) = EventPositions::from_token(&namespace, token) {
        let again = EventPositions::from_token(&namespace, &positions.token());
        assert!(again.is_ok(), "what was read can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_others_are_refused() {
        let (own, other) = (Namespace::default(), Namespace::new("other").unwrap());
        let mut positions = EventPositions::new(own.clone(), BTreeMap::new());
        let (mail, video) = (
            Partition::parse("mail/7").unwrap(),
            Partition::parse("video").unwrap(),
        );
        positions.set(&mail, EventId { ms: 9, seq: 1 });
        positions.set(&video, EventId { ms: 9, seq: 2 });
        positions.set(&video, EventId::BEGINNING);
        let positions = positions.without(vec![Partition::parse("away/3").unwrap()]);
        let token = positions.token();
        assert_eq!(EventPositions::from_token(&own, &token), Ok(positions));
        let longer = format!("{token}AA");
        for bad in [&token[1..], &longer, "", "AA", "mail", "%%%", "😀"] {
            let refused = EventPositions::from_token(&own, bad);
            assert_eq!(
                refused.unwrap_err().field(),
                Some("resume_token"),
                "{bad:?}"
            );
        }
        assert!(EventPositions::from_token(&other, &token).is_err());
    }

    #[test]
    fn what_an_installation_needs_is_read_and_nothing_longer() {
        let own = Namespace::default();
        // In the year 2109.
        let late = EventId {
            ms: 0x3ff_ffff_ffff,
            seq: 99_999,
        };
        let parts = |count| {
            let names = (0..count).map(|n| Partition::parse(&format!("{n:q<64}/63")).unwrap());
            EventPositions::new(own.clone(), names.map(|part| (part, late)).collect())
        };
        let many = parts(9_500);
        assert!(EventPositions::from_token(&own, &many.token()) == Ok(many));
        let token = parts(12_000).token();
        let refused = EventPositions::from_token(&own, &token).unwrap_err();
        assert_eq!(refused.field(), Some("resume_token"));
    }
}
