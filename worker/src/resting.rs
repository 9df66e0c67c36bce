//! Queues that are left out for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobflow::QueueName;

/// A queue whose claim failed is left out for so long while others are served:
/// in a cluster it may be on a server that has gone.
const REST: Duration = Duration::from_secs(1);

/// Until when queues are left out.
#[derive(Default)]
pub(crate) struct Resting(Mutex<HashMap<QueueName, Instant>>);

impl Resting {
    pub(crate) fn begin(&self, name: &QueueName) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.clone(), Instant::now() + REST);
    }

    /// Until when a queue is left out, if it still is.
    pub(crate) fn until(&self, name: &QueueName) -> Option<Instant> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = *all.get(name)?;
        if until > Instant::now() {
            return Some(until);
        }
        all.remove(name);
        None
    }
}
