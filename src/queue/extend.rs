//! Renew leases.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::job::{JobId, LeaseToken, QueueName};
use crate::lua::{self, Call, MAX_JOBS};
use crate::queue::JobQueue;
use crate::queue::claim::check_lease;
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
    /// Renews leases of one queue, in calls of up to 125. One result per lease, in order.
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
        let keys = self.core.keys(queue);
        let mut extensions = Vec::with_capacity(leases.len());
        for chunk in leases.chunks(MAX_JOBS) {
            let mut call = Call::new(&lua::EXTEND, &keys);
            call.arg(millis(lease));
            for (id, token) in chunk {
                call.arg(id.as_bytes()).arg(&token.to_bytes());
            }
            let words: Vec<String> = call.run(&self.core.store).await?;
            crate::failpoint!("extend.renewed");
            if words.len() != chunk.len() {
                return Err(Error::Internal {
                    message: "extend answered for another number of jobs".to_owned(),
                });
            }
            extensions.extend(words.iter().map(|word| match word.as_str() {
                "held" => Extension::Held,
                "cancel" => Extension::CancelRequested,
                _ => Extension::Lost,
            }));
        }
        Ok(extensions)
    }
}
