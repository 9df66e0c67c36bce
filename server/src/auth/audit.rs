//! What is told to the audit log, and that nobody can fill it with noise.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jobflow::{AuditEvent, Code, JobQueue};
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::who::Caller;
use crate::request_id;

/// Refusals that are written down: the log is bounded, and whoever could fill it
/// with them could push out what they have done.
const REFUSALS_A_SECOND: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
const REFUSALS_AT_ONCE: NonZeroU32 = NonZeroU32::new(50).expect("not zero");

pub(crate) struct AuditLog {
    queue: JobQueue,
    refusals: DefaultDirectRateLimiter,
}

impl AuditLog {
    pub(crate) fn new(queue: JobQueue) -> Self {
        let quota = Quota::per_second(REFUSALS_A_SECOND).allow_burst(REFUSALS_AT_ONCE);
        Self {
            queue,
            refusals: RateLimiter::direct(quota),
        }
    }

    /// A call was made. Told before it is answered, so that what is known to be
    /// done is in the log.
    pub(super) async fn made(&self, call: &str, caller: &Caller) {
        self.write(caller.event(call)).await;
    }

    /// A call was refused to somebody who is known.
    pub(super) async fn refused(&self, call: &str, caller: &Caller) {
        self.note(caller.event(call)).await;
    }

    /// A call was refused to somebody who is not.
    pub(super) async fn not_let_in(&self, call: &str, peer: Option<IpAddr>, code: Code) {
        let event = AuditEvent {
            caller: String::new(),
            peer: peer.map(|peer| peer.to_string()).unwrap_or_default(),
            call: call.trim_start_matches("jobflow.v1.").to_owned(),
            target: String::new(),
            result: code.as_str().to_owned(),
            request_id: request_id::current().unwrap_or_default(),
        };
        self.note(event).await;
    }

    async fn note(&self, event: AuditEvent) {
        if self.refusals.check().is_ok() {
            info!(
                request_id = request_id::current(),
                call = event.call,
                caller = event.caller,
                peer = event.peer,
                target = event.target,
                reason = event.result,
                "refused"
            );
            self.write(event).await;
        }
    }

    async fn write(&self, event: AuditEvent) {
        if let Err(error) = self.queue.record_audit(event).await {
            warn!(
                request_id = request_id::current(),
                "the audit log misses a call: {error}"
            );
        }
    }
}

/// The result of a call whose caller went before it was answered. It may have
/// done what it was asked for, all the same.
const BROKEN_OFF: &str = "BROKEN_OFF";

/// A call that is under way. Dropped without an answer, it is told as such:
/// nobody is to leave no trace by going early.
pub(super) struct Unanswered(Option<(Arc<AuditLog>, Arc<Caller>, AuditEvent)>);

impl Unanswered {
    pub(super) fn new(audit: &Arc<AuditLog>, call: &str, caller: &Arc<Caller>) -> Self {
        let event = AuditEvent {
            result: BROKEN_OFF.to_owned(),
            ..caller.event(call)
        };
        Self(Some((Arc::clone(audit), Arc::clone(caller), event)))
    }

    /// The log has the call.
    pub(super) fn tell_no_more(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some((audit, caller, mut event)) = self.0.take() else {
            return;
        };
        event.target = caller.target().unwrap_or_default();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { audit.write(event).await })),
            Err(_) => warn!(
                call = event.call,
                "the audit log misses a call that was broken off"
            ),
        }
    }
}
