//! Where a page ended, as text that callers bring back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::fingerprint::fnv1a;
use crate::job::JobId;
use crate::partition::Partition;

/// A place between two jobs of a walk.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Position {
    /// Partitions before this one are done.
    pub(crate) queue: Option<Partition>,
    pub(crate) place: Place,
}

/// A place between two jobs of one partition.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Place {
    #[default]
    Start,
    /// In a scan: the store's cursor, an id up to which all have been listed
    /// (where they came in the order of ids), and ids that the last step found
    /// but that were too many for the page.
    Scan {
        cursor: Cursor,
        floor: Option<JobId>,
        surplus: Vec<JobId>,
    },
    /// In a set, or in a list of ids, whose scores are 0.
    Behind {
        score: f64,
        id: JobId,
    },
    End,
}

/// Where the store is in a scan. Another process of the store, after a restart or
/// a fail-over, has its entries in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    /// 0 at the start, and at the end.
    pub(crate) at: u64,
    /// Which process that is of.
    pub(crate) run: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Packed {
    /// Of all else and of what the token is bound to.
    #[prost(fixed64, tag = "1")]
    check: u64,
    #[prost(string, tag = "2")]
    queue: String,
    #[prost(uint64, tag = "3")]
    cursor: u64,
    #[prost(bytes = "vec", tag = "4")]
    floor: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    surplus: Vec<u8>,
    #[prost(double, tag = "6")]
    score: f64,
    #[prost(bytes = "vec", tag = "7")]
    behind: Vec<u8>,
    /// The queue is done.
    #[prost(bool, tag = "8")]
    ended: bool,
    /// Of the cursor.
    #[prost(fixed64, tag = "9")]
    run: u64,
}

impl Position {
    /// In a list of things with a UUID each.
    pub(crate) fn behind(id: Uuid) -> Self {
        let id = JobId::from_slice(id.as_bytes());
        let place = id.map_or(Place::End, |id| Place::Behind { score: 0.0, id });
        Self { queue: None, place }
    }

    /// Where it is in such a list.
    pub(crate) fn id(&self) -> Option<Uuid> {
        match &self.place {
            Place::Behind { id, .. } => Some(Uuid::from_bytes(*id.as_bytes())),
            _ => None,
        }
    }

    /// The text, bound to `scope`.
    pub(crate) fn write(&self, scope: &str) -> String {
        let mut packed = Packed::default();
        if let Some(queue) = &self.queue {
            packed.queue = queue.to_string();
        }
        match &self.place {
            Place::Start => {}
            Place::Scan {
                cursor,
                floor,
                surplus,
            } => {
                (packed.cursor, packed.run) = (cursor.at, cursor.run);
                packed.floor = floor.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
                packed.surplus = surplus.iter().flat_map(|id| *id.as_bytes()).collect();
            }
            Place::Behind { score, id } => {
                packed.score = *score;
                packed.behind = id.as_bytes().to_vec();
            }
            Place::End => packed.ended = true,
        }
        packed.check = packed.check(scope);
        URL_SAFE_NO_PAD.encode(packed.encode_to_vec())
    }

    /// The start for an empty text.
    pub(crate) fn read(text: &str, scope: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        Self::unpack(text, scope).ok_or_else(|| {
            Error::invalid(
                "page_token",
                "must be the next_page_token of an answer to the same filter and order",
            )
        })
    }

    fn unpack(text: &str, scope: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let packed = Packed::decode(&bytes[..]).ok()?;
        if packed.check != packed.check(scope) || packed.encode_to_vec() != bytes {
            return None;
        }
        let queue = match packed.queue.as_str() {
            "" => None,
            queue => Some(Partition::parse(queue).ok()?),
        };
        let surplus: Option<Vec<_>> = packed.surplus.chunks(16).map(JobId::from_slice).collect();
        let (surplus, floor) = (surplus?, JobId::from_slice(&packed.floor));
        let place = if packed.ended {
            Place::End
        } else if let Some(id) = JobId::from_slice(&packed.behind) {
            let score = packed.score;
            Place::Behind { score, id }
        } else if packed.cursor == 0 && floor.is_none() && surplus.is_empty() {
            Place::Start
        } else {
            let (at, run) = (packed.cursor, packed.run);
            let cursor = Cursor { at, run };
            Place::Scan {
                cursor,
                floor,
                surplus,
            }
        };
        Some(Self { queue, place })
    }
}

impl Packed {
    fn check(&self, scope: &str) -> u64 {
        let unchecked = Self {
            check: 0,
            ..self.clone()
        };
        fnv1a(scope.bytes().chain(unchecked.encode_to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions() -> Vec<Position> {
        let queue = Partition::parse("mail/3").unwrap();
        let id = JobId::generate_in(&queue);
        let scan = |at, floor, surplus| Place::Scan {
            cursor: Cursor { at, run: 7 },
            floor,
            surplus,
        };
        let places = [
            Place::Start,
            Place::End,
            Place::Behind { score: -7.5, id },
            scan(u64::MAX, None, Vec::new()),
            scan(0, Some(id), Vec::new()),
            scan(3, Some(id), vec![id, id]),
        ];
        let in_queue = |place| Position {
            queue: Some(queue.clone()),
            place,
        };
        places.into_iter().map(in_queue).collect()
    }

    #[test]
    fn a_token_reads_back_under_its_own_scope_only() {
        for position in positions() {
            let token = position.write("state = failed\n");
            assert_eq!(
                Position::read(&token, "state = failed\n").unwrap(),
                position
            );
            let error = Position::read(&token, "state = failed\nfinish_time").unwrap_err();
            assert_eq!(error.field(), Some("page_token"), "{position:?}");
        }
        assert_eq!(Position::read("", "any").unwrap(), Position::default());
    }

    #[test]
    fn a_changed_token_is_told() {
        for position in positions() {
            let token = position.write("s");
            for at in 0..token.len() {
                let mut bytes = token.clone().into_bytes();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(bytes).unwrap();
                assert!(Position::read(&changed, "s").is_err(), "{changed}");
                assert!(Position::read(&token[..at], "s").is_err() || at == 0);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[A-Za-z0-9_-]{0,60}|\\PC{0,20}") {
            let _told = Position::read(&text, "s");
        }
    }
}
