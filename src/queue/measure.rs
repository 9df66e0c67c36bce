//! Workers tell what they measured of attempts that have ended.

use crate::error::Result;
use crate::job::QueueName;
use crate::lua::{self, Call};
use crate::measures::{Gathered, MAX_KINDS};
use crate::partition::Partition;
use crate::queue::JobQueue;

impl JobQueue {
    /// Adds what was measured to the history of a queue, in the minute and the
    /// hour in which it is told. Returns whether there is such a queue. What
    /// is told twice, because the first answer was lost, counts twice: the
    /// numbers of jobs do not come from here.
    ///
    /// # Errors
    /// Any fault of the store.
    pub async fn measure(&self, queue: &QueueName, gathered: &Gathered) -> Result<bool> {
        // Of all partitions together: the first one keeps it.
        let keys = self.core.keys(&Partition::first(queue.clone()));
        let mut call = Call::new(&lua::MEASURE, &keys);
        call.arg(MAX_KINDS).arg("").arg(gathered.all.pack());
        for (kind, measures) in &gathered.kinds {
            call.arg(kind.as_str()).arg(measures.pack());
        }
        let known: u8 = call.run_once(&self.core.store).await?;
        Ok(known == 1)
    }
}
