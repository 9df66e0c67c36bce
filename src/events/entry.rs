//! What stands in an event stream: entries of a letter and the ids of jobs.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::job::{JobId, StoreTime};
use crate::partition::Partition;
use crate::state::JobState;

/// A place in the event stream of a partition: that of an entry, or the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EventId {
    pub(crate) ms: u64,
    pub(crate) seq: u64,
}

impl EventId {
    /// Before the first entry.
    pub const BEGINNING: Self = Self { ms: 0, seq: 0 };

    /// When the entry was written.
    #[must_use]
    pub const fn time(self) -> StoreTime {
        StoreTime(self.ms)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for EventId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('-');
        let parsed = parts.and_then(|(ms, seq)| {
            let (ms, seq) = (ms.parse().ok()?, seq.parse().ok()?);
            Some(Self { ms, seq })
        });
        parsed.ok_or_else(|| Error::Internal {
            message: "an entry of an event stream has no id".to_owned(),
        })
    }
}

/// What an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The jobs have moved to this state.
    Moved(JobState),
    /// Their handlers said something: progress or log lines.
    Reported,
    /// They were deleted.
    Deleted,
    /// The queue is draining and has become empty; it names no job.
    Drained,
}

impl Happening {
    /// The letters that scripts write.
    fn of_letter(letter: &str) -> Option<Self> {
        match letter.as_bytes() {
            b"p" => Some(Self::Reported),
            b"d" => Some(Self::Deleted),
            b"e" => Some(Self::Drained),
            &[letter] => JobState::from_letter(letter).map(Self::Moved),
            _ => None,
        }
    }

    /// Whether nothing more happens to the jobs by itself.
    #[must_use]
    pub const fn is_end(self) -> bool {
        match self {
            Self::Moved(state) => state.is_final(),
            Self::Deleted => true,
            Self::Reported | Self::Drained => false,
        }
    }
}

/// What happened to jobs of one partition at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventEntry {
    /// Its place.
    pub id: EventId,
    /// What happened.
    pub what: Happening,
    /// To which jobs, up to a few hundred.
    pub jobs: Vec<JobId>,
}

/// Entries of one partition that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBatch {
    /// The partition.
    pub part: Partition,
    /// No entry lies between this place and the first of these.
    pub after: EventId,
    /// Entries behind `after` were forgotten before they could be read.
    pub gap: bool,
    /// Where to go on.
    pub last: EventId,
    /// Oldest first.
    pub entries: Vec<EventEntry>,
    /// There may be more to read at once.
    pub more: bool,
}

/// As Redis answers: an id, and names and values in turn.
pub(super) type RawEntry = (String, Vec<Bytes>);

impl EventBatch {
    /// Reads what Redis answered. Letters of a newer version are passed over.
    pub(super) fn unpack(
        part: &Partition,
        after: EventId,
        raw: &[RawEntry],
        most: usize,
    ) -> Result<Self> {
        let mut batch = Self {
            part: part.clone(),
            after,
            gap: false,
            last: after,
            entries: Vec::with_capacity(raw.len()),
            more: raw.len() >= most,
        };
        for (id, fields) in raw {
            batch.last = id.parse()?;
            batch.entries.extend(unpack(batch.last, fields));
        }
        Ok(batch)
    }

    /// The end of a stream from which somebody goes on.
    #[must_use]
    pub const fn nothing_since(part: Partition, end: EventId) -> Self {
        Self {
            part,
            after: end,
            gap: false,
            last: end,
            entries: Vec::new(),
            more: false,
        }
    }

    /// Cuts it into batches of about `most` jobs; only the first has the gap.
    #[must_use]
    pub fn split(self, most: usize) -> Vec<Self> {
        let Self { last, more, .. } = self;
        let part = |after, gap| Self {
            part: self.part.clone(),
            after,
            gap,
            last: after,
            entries: Vec::new(),
            more: true,
        };
        let mut parts = vec![part(self.after, self.gap)];
        let mut jobs = 0;
        for entry in self.entries {
            let open = parts.last_mut().expect("starts with one part");
            // Nobody can go on between two of the same place.
            let target = if jobs >= most && open.last != entry.id {
                jobs = 0;
                let next = part(open.last, false);
                parts.push(next);
                parts.last_mut().expect("one was added")
            } else {
                open
            };
            jobs += entry.jobs.len();
            target.last = entry.id;
            target.entries.push(entry);
        }
        let end = parts.last_mut().expect("starts with one part");
        (end.last, end.more) = (last, more);
        parts
    }
}

fn unpack(id: EventId, fields: &[Bytes]) -> impl Iterator<Item = EventEntry> {
    fields.chunks_exact(2).filter_map(move |field| {
        let letter = std::str::from_utf8(&field[0]).ok()?;
        let jobs = field[1].chunks_exact(JobId::BYTES);
        Some(EventEntry {
            id,
            what: Happening::of_letter(letter)?,
            jobs: jobs.filter_map(JobId::from_slice).collect(),
        })
    })
}

/// For tests: reads names and values as Redis answers them.
#[cfg(feature = "testing")]
pub(crate) fn read_entry(fields: &[Bytes]) {
    let raw = ("1-1".to_owned(), fields.to_vec());
    let part = Partition::first(crate::job::QueueName::default());
    let batch = EventBatch::unpack(&part, EventId::default(), &[raw], 1);
    let read = batch.map_or(0, |batch| batch.split(3).len());
    assert!(
        read <= 1 + fields.len() * 1_000,
        "an entry of so many parts"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_letters_of_tomorrow_are_passed_over() {
        let part = Partition::parse("mail/2").unwrap();
        let id = JobId::generate_in(&part);
        let bytes = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        let raw = [
            (
                "5-0".to_owned(),
                vec![bytes(b"c"), bytes(id.as_bytes()), bytes(b"?"), bytes(b"x")],
            ),
            ("5-1".to_owned(), vec![bytes(b"e"), bytes(b"")]),
        ];
        let batch = EventBatch::unpack(&part, EventId::BEGINNING, &raw, 3).unwrap();
        let told: Vec<_> = batch
            .entries
            .iter()
            .map(|entry| (entry.what, entry.jobs.len()))
            .collect();
        let done = Happening::Moved(JobState::Completed);
        assert_eq!(told, [(done, 1), (Happening::Drained, 0)]);
        assert_eq!(batch.entries[0].jobs, [id]);
        assert_eq!((batch.last, batch.more), (EventId { ms: 5, seq: 1 }, false));
    }

    #[test]
    fn parts_follow_each_other() {
        let part = Partition::parse("mail").unwrap();
        let entry = |ms| EventEntry {
            id: EventId { ms, seq: 0 },
            what: Happening::Reported,
            jobs: vec![JobId::generate_in(&part); 2],
        };
        let whole = EventBatch {
            part: part.clone(),
            after: EventId { ms: 1, seq: 0 },
            gap: true,
            last: EventId { ms: 9, seq: 0 },
            entries: [2, 3, 3, 4, 5].map(entry).into(),
            more: false,
        };
        let parts = whole.clone().split(3);
        let places: Vec<_> = parts
            .iter()
            .map(|part| (part.after.ms, part.entries.len(), part.last.ms, part.gap))
            .collect();
        assert_eq!(places, [(1, 3, 3, true), (3, 2, 9, false)]);
        assert_eq!(whole.clone().split(100), [whole]);
    }

    #[test]
    fn an_id_reads_back() {
        let id = EventId { ms: 17, seq: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "-", "1", "1-", "-1", "1-2-3", "x-1"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
