//! Look up the kinds of many jobs.

use crate::error::Result;
use crate::job::{JobId, Kind, QueueName};
use crate::lua::{self, Call};
use crate::partition::Partition;
use crate::queue::JobQueue;
use crate::queue::submit::by_partition;

/// The most jobs of one call, and bytes that it reads for them: Redis has a
/// job's kind together with its payload.
const STEP: usize = 200;
const STEP_BYTES: usize = 1024 * 1024;

impl JobQueue {
    /// The kind of each of these jobs of one queue; `None` for one that is gone.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn kinds(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<Option<Kind>>> {
        let mut all = vec![None; ids.len()];
        for (part, places) in by_partition(ids, |id| (queue, *id)) {
            let some: Vec<_> = places.iter().map(|at| ids[*at]).collect();
            for (at, kind) in places.into_iter().zip(self.kinds_in(&part, &some).await?) {
                all[at] = kind;
            }
        }
        Ok(all)
    }

    async fn kinds_in(&self, part: &Partition, ids: &[JobId]) -> Result<Vec<Option<Kind>>> {
        let keys = self.core.keys(part);
        let mut kinds = Vec::with_capacity(ids.len());
        while kinds.len() < ids.len() {
            let mut call = Call::new(&lua::KINDS, &keys);
            call.arg(STEP_BYTES);
            for id in ids.iter().skip(kinds.len()).take(STEP) {
                call.arg(id.as_bytes());
            }
            let step: Vec<String> = call.run(&self.core.store).await?;
            if step.is_empty() {
                // It looks at one at least, so this is not ours to go on with.
                break;
            }
            kinds.extend(step.into_iter().map(|kind| Kind::new(kind).ok()));
        }
        kinds.resize(ids.len(), None);
        Ok(kinds)
    }
}
