//! Puts the numbers of a queue together from those of its partitions.

use super::{Counts, QueueSnapshot, Totals};
use crate::error::{Error, Result};
use crate::job::QueueName;
use crate::measures::Measures;
use crate::partition::Partition;
use crate::queue::{PartitionsSnapshot, QueueControl};

/// The numbers of a queue from those of its partitions.
pub(super) struct Together {
    pub(super) queue: QueueName,
    whole: Option<QueueSnapshot>,
    unreachable: Vec<u8>,
    failed: Option<Error>,
}

impl Together {
    pub(super) const fn new(queue: QueueName) -> Self {
        Self {
            queue,
            whole: None,
            unreachable: Vec::new(),
            failed: None,
        }
    }

    pub(super) fn add(&mut self, part: &Partition, numbers: Result<QueueSnapshot>) {
        let numbers = match numbers {
            Ok(numbers) => numbers,
            Err(error) => {
                self.unreachable.push(part.number());
                // One that will not go away is told before one that may.
                if self.failed.as_ref().is_none_or(Error::is_transient) {
                    self.failed = Some(error);
                }
                return;
            }
        };
        let Some(whole) = &mut self.whole else {
            self.whole = Some(numbers);
            return;
        };
        // Settings are those of the first that answers, the first of all where it can be.
        whole.counts += numbers.counts;
        whole.totals += numbers.totals;
        whole.oldest_waiting = whole.oldest_waiting.max(numbers.oldest_waiting);
        whole.measured += &numbers.measured;
        whole.partitions.add(numbers.partitions);
    }

    /// Without the partitions that can not be reached. Fails with what is no matter
    /// of reach; also where none answered, unless others may.
    pub(super) fn end(self, others_may_answer: bool) -> Result<QueueSnapshot> {
        let Self {
            queue,
            whole,
            unreachable,
            failed,
        } = self;
        let mut whole = match (whole, failed) {
            (_, Some(error)) if !error.is_transient() => return Err(error),
            (Some(whole), _) => whole,
            (None, Some(_)) if others_may_answer => nothing_known(queue, unreachable.len()),
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(Error::QueueNotFound { queue }),
        };
        whole.partitions.unreachable = unreachable;
        Ok(whole)
    }
}

/// A queue of so many partitions, none of which can be reached.
fn nothing_known(name: QueueName, partitions: usize) -> QueueSnapshot {
    QueueSnapshot {
        name,
        counts: Counts::default(),
        totals: Totals::default(),
        oldest_waiting: None,
        control: QueueControl::default(),
        measured: Measures::default(),
        partitions: PartitionsSnapshot {
            count: u8::try_from(partitions).unwrap_or(u8::MAX),
            ..PartitionsSnapshot::default()
        },
    }
}
