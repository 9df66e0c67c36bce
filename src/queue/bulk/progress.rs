//! What the partitions know of bulk operations: the scripts that change jobs count
//! there, beside the cursor.

use bytes::Bytes;

use super::{BulkFailure, BulkOperation};
use crate::error::Result;
use crate::job::JobId;
use crate::keys;
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::queue::reach::Reach;

/// How many failures are told.
const MAX_FAILURES: usize = 100;

impl JobQueue {
    /// Adds what each partition knows of the operations. Returns those that could
    /// not be asked.
    pub(super) async fn read_progress_of(
        &self,
        operations: &mut [BulkOperation],
        parts: &[String],
        with_failures: bool,
    ) -> Result<Vec<Partition>> {
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        // The operations themselves are known, whichever of these answer.
        let mut reach = Reach::going_on(true);
        // Ids that no queue had are skipped from the start.
        let mut live: Vec<_> = operations
            .iter()
            .map(|operation| (0, operation.failures.len() as u64))
            .collect();
        for part in parts {
            let part = Partition::parse(part)?;
            let mut get = ::redis::cmd("HMGET");
            get.arg(self.core.keys(&part).bulk());
            for operation in &*operations {
                for field in ["changed", "skipped", "failures"] {
                    get.arg(keys::bulk_field(&operation.id, field));
                }
            }
            let told = self.core.store.run::<Vec<Option<Bytes>>>(&get);
            let Some(fields) = reach.ask(&self.core, &part, told).await? else {
                continue;
            };
            let known = operations
                .iter_mut()
                .zip(&mut live)
                .zip(fields.chunks_exact(3));
            for ((operation, (changed, skipped)), fields) in known {
                *changed += number(fields[0].as_ref());
                *skipped += number(fields[1].as_ref());
                if let Some(packed) = fields[2].as_ref().filter(|_| with_failures) {
                    operation.failures.extend(failures(packed));
                }
            }
        }
        for (operation, (changed, skipped)) in operations.iter_mut().zip(live) {
            operation.changed = operation.changed.max(changed);
            operation.skipped = operation.skipped.max(skipped);
            let over = operation.failures.len().saturating_sub(MAX_FAILURES);
            operation.failures.drain(..over);
            if !with_failures {
                operation.failures.clear();
            }
        }
        reach.some()
    }
}

fn number(bytes: Option<&Bytes>) -> u64 {
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Entries of an id, a length, and a word of that length with details behind it.
fn failures(mut packed: &[u8]) -> Vec<BulkFailure> {
    let mut all = Vec::new();
    while let Some((id, rest)) = packed.split_at_checked(16) {
        let Some((len, rest)) = rest.split_first() else {
            break;
        };
        let Some((reason, rest)) = rest.split_at_checked(usize::from(*len)) else {
            break;
        };
        let reason = String::from_utf8_lossy(reason);
        all.extend(JobId::from_slice(id).map(|id| BulkFailure {
            id,
            reason: reason.split(' ').next().unwrap_or_default().to_owned(),
        }));
        packed = rest;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_read_as_the_scripts_write_them() {
        let queue = crate::job::QueueName::default();
        let (a, b) = (JobId::generate(&queue), JobId::generate(&queue));
        let mut packed = Vec::new();
        for (id, reason) in [(a, "JOB_NOT_FOUND"), (b, "INVALID_STATE_TRANSITION failed")] {
            packed.extend(id.as_bytes());
            packed.push(u8::try_from(reason.len()).unwrap());
            packed.extend(reason.as_bytes());
        }
        let told: Vec<_> = failures(&packed)
            .into_iter()
            .map(|f| (f.id, f.reason))
            .collect();
        assert_eq!(
            told,
            [
                (a, "JOB_NOT_FOUND".to_owned()),
                (b, "INVALID_STATE_TRANSITION".to_owned())
            ]
        );
        for len in 0..packed.len() {
            assert!(failures(&packed[..len]).len() <= 1, "{len}");
        }
    }
}
