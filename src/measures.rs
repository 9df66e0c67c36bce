//! What workers measure of attempts that have ended, and how it is packed:
//! completed, failed and errored (4 bytes each), the length of the first
//! histogram (2 bytes), from ready to claimed, from claimed to ended.
//! `lua/prelude_measure.lua` adds two of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bytes_reader::Reader;
use crate::histogram::Histogram;
use crate::job::Kind;
use crate::state::JobState;

/// How many kinds of a queue are told apart at a time; the others count only
/// in all kinds together.
pub(crate) const MAX_KINDS: usize = 16;

/// What was measured of attempts that have ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measures {
    /// Jobs completed.
    pub completed: u64,
    /// Jobs failed.
    pub failed: u64,
    /// Attempts that errored, last ones included.
    pub errored: u64,
    /// From ready to claimed.
    pub wait: Histogram,
    /// From claimed to ended.
    pub run: Histogram,
}

impl std::ops::AddAssign<&Self> for Measures {
    fn add_assign(&mut self, other: &Self) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.errored += other.errored;
        self.wait += &other.wait;
        self.run += &other.run;
    }
}

impl Measures {
    pub(crate) fn pack(&self) -> Vec<u8> {
        let (wait, run) = (self.wait.pack(), self.run.pack());
        let mut packed = Vec::with_capacity(14 + wait.len() + run.len());
        for count in [self.completed, self.failed, self.errored] {
            packed.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        }
        let len = u16::try_from(wait.len()).expect("256 places of at most 9 bytes");
        packed.extend(len.to_le_bytes());
        packed.extend(wait);
        packed.extend(run);
        packed
    }

    /// `None` when it is damaged.
    pub(crate) fn unpack(packed: &[u8]) -> Option<Self> {
        let mut reader = Reader(packed);
        let mut measures = Self {
            completed: reader.number::<4>()?,
            failed: reader.number::<4>()?,
            errored: reader.number::<4>()?,
            ..Self::default()
        };
        let len = usize::try_from(reader.number::<2>()?).ok()?;
        let (wait, run) = reader.0.split_at_checked(len)?;
        measures.wait.add_packed(wait)?;
        measures.run.add_packed(run)?;
        Some(measures)
    }
}

/// One attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The state of its job by now.
    pub state: JobState,
    /// Whether it errored.
    pub errored: bool,
    /// From ready to claimed.
    pub waited: Duration,
    /// From claimed to ended.
    pub ran: Duration,
}

/// What a worker gathers for one queue until it tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gathered {
    pub(crate) all: Measures,
    pub(crate) kinds: BTreeMap<Kind, Measures>,
}

impl Gathered {
    /// Takes in an attempt.
    pub fn add(&mut self, kind: &Kind, measured: Measured) {
        let add_to = |measures: &mut Measures| {
            measures.completed += u64::from(measured.state == JobState::Completed);
            measures.failed += u64::from(measured.state == JobState::Failed);
            measures.errored += u64::from(measured.errored);
            measures.wait.record(measured.waited);
            measures.run.record(measured.ran);
        };
        add_to(&mut self.all);
        if let Some(measures) = self.kinds.get_mut(kind) {
            add_to(measures);
        } else if self.kinds.len() < MAX_KINDS {
            add_to(self.kinds.entry(kind.clone()).or_default());
        }
    }

    /// All kinds together.
    #[must_use]
    pub const fn all(&self) -> &Measures {
        &self.all
    }

    /// One kind, if it is among the first 16.
    #[must_use]
    pub fn of(&self, kind: &Kind) -> Option<&Measures> {
        self.kinds.get(kind)
    }

    /// Takes in what could not be told.
    pub fn merge(&mut self, other: &Self) {
        self.all += &other.all;
        for (kind, measures) in &other.kinds {
            if self.kinds.contains_key(kind) || self.kinds.len() < MAX_KINDS {
                *self.kinds.entry(kind.clone()).or_default() += measures;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(ran: u64) -> Measured {
        Measured {
            state: JobState::Failed,
            errored: true,
            waited: Duration::from_millis(3),
            ran: Duration::from_millis(ran),
        }
    }

    #[test]
    fn measures_read_back_and_a_damaged_one_is_told() {
        let mut gathered = Gathered::default();
        for ran in 1..200 {
            gathered.add(&Kind::new("k").unwrap(), measured(ran));
        }
        let packed = gathered.all.pack();
        assert_eq!(Measures::unpack(&packed), Some(gathered.all));
        for len in 0..14 {
            assert_eq!(Measures::unpack(&packed[..len]), None, "{len}");
        }
    }

    #[test]
    fn kinds_beyond_the_limit_count_in_all_together() {
        let mut gathered = Gathered::default();
        for n in 0..MAX_KINDS + 5 {
            gathered.add(&Kind::new(format!("k{n}")).unwrap(), measured(1));
        }
        assert_eq!(gathered.kinds.len(), MAX_KINDS);
        assert_eq!(gathered.all.failed, MAX_KINDS as u64 + 5);
        let mut other = Gathered::default();
        other.add(&Kind::new("late").unwrap(), measured(1));
        gathered.merge(&other);
        assert_eq!(gathered.kinds.len(), MAX_KINDS);
        assert_eq!(gathered.all.run.count(), MAX_KINDS as u64 + 6);
    }
}
