//! Renew leases.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::job::{JobId, LeaseToken, QueueName};
use crate::lua::{self, Call, MAX_JOBS};
use crate::queue::JobQueue;
use crate::queue::claim::check_lease;
use crate::queue::submit::by_partition;
use crate::spec::millis;

/// What became of one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// It holds for another term from now.
    Held,
    /// Held, and somebody asked for the job's end.
    CancelRequested,
    /// It ran out before and the job is no longer this caller's.
    Lost,
}

impl JobQueue {
    /// Renews leases of one queue, in calls of up to 125 of one partition. One
    /// result per lease, in order.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a lease outside 100 ms to 24 h, and any fault of the
    /// store; leases of calls that went through before are renewed.
    pub async fn extend(
        &self,
        queue: &QueueName,
        lease: Duration,
        leases: &[(JobId, LeaseToken)],
    ) -> Result<Vec<Extension>> {
        check_lease(lease)?;
        let mut extensions = vec![Extension::Lost; leases.len()];
        let parts = by_partition(leases, |(id, _)| (queue, *id));
        let chunks = parts.flat_map(|(part, places)| {
            let chunks: Vec<_> = places.chunks(MAX_JOBS).map(<[usize]>::to_vec).collect();
            chunks.into_iter().map(move |chunk| (part.clone(), chunk))
        });
        for (part, chunk) in chunks {
            let mut call = Call::new(&lua::EXTEND, &self.core.keys(&part));
            call.arg(millis(lease));
            for (id, token) in chunk.iter().map(|at| &leases[*at]) {
                call.arg(id.as_bytes()).arg(&token.to_bytes());
            }
            let words: Vec<String> = call.run(&self.core.store).await?;
            crate::failpoint!("extend.renewed");
            if words.len() != chunk.len() {
                return Err(Error::Internal {
                    message: "extend answered for another number of jobs".to_owned(),
                });
            }
            for (at, word) in chunk.into_iter().zip(words) {
                extensions[at] = match word.as_str() {
                    "held" => Extension::Held,
                    "cancel" => Extension::CancelRequested,
                    _ => Extension::Lost,
                };
            }
        }
        Ok(extensions)
    }
}
