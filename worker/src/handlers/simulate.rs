//! A handler that only pretends: for demonstrations, tests and load.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use jobflow::JobResult;
use rand::Rng;

use crate::attempt_error::AttemptError;
use crate::context::Context;
use crate::handlers::{Handler, HandlerFuture};

/// How long a simulated snooze is.
const SNOOZE: Duration = Duration::from_secs(2);

/// Waits, then ends as the dice fall.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulate {
    /// How long an attempt takes.
    pub takes: RangeInclusive<Duration>,
    /// The share of attempts that error, 0 to 1.
    pub fail: f64,
    /// The share of attempts that panic, 0 to 1.
    pub panic: f64,
    /// The share of attempts that put the job off, 0 to 1.
    pub snooze: f64,
}

impl Handler for Simulate {
    fn prepare(&self, ctx: Context) -> Result<HandlerFuture, AttemptError> {
        let simulate = self.clone();
        Ok(Box::pin(async move { simulate.attempt(&ctx).await }))
    }
}

impl Simulate {
    async fn attempt(&self, ctx: &Context) -> Result<Option<JobResult>, AttemptError> {
        let takes = rand::rng().random_range(self.takes.clone());
        tokio::select! {
            () = tokio::time::sleep(takes) => {}
            () = ctx.cancelled() => return Err(AttemptError::retry("cancelled")),
        }
        let dice: f64 = rand::rng().random();
        if dice < self.panic {
            panic!("simulated panic");
        }
        if dice < self.panic + self.fail {
            return Err(AttemptError::retry("simulated error"));
        }
        if dice < self.panic + self.fail + self.snooze {
            return Err(AttemptError::Snooze(SNOOZE));
        }
        let result = serde_json::json!({ "simulated_ms": takes.as_secs_f64() * 1e3, "attempt": ctx.attempt() });
        Ok(Some(JobResult {
            bytes: Bytes::from(result.to_string()),
            content_type: jobflow::DEFAULT_CONTENT_TYPE.to_owned(),
        }))
    }
}
