//! Puts the numbers of a queue together from those of its partitions.

use super::QueueSnapshot;
use crate::error::{Error, Result};
use crate::job::QueueName;
use crate::partition::Partition;

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

    /// Fails where none could be asked, or with what is no matter of reach.
    pub(super) fn end(self) -> Result<QueueSnapshot> {
        match (self.whole, self.failed) {
            (Some(mut whole), None) => {
                whole.partitions.unreachable = self.unreachable;
                Ok(whole)
            }
            (Some(mut whole), Some(error)) if error.is_transient() => {
                whole.partitions.unreachable = self.unreachable;
                Ok(whole)
            }
            (_, Some(error)) => Err(error),
            (None, None) => Err(Error::QueueNotFound { queue: self.queue }),
        }
    }
}
