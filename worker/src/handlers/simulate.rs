//! A handler that only pretends: for demonstrations, tests and load.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use jobflow::{JobResult, Report};
use rand::Rng;
use tokio::time::{Instant, sleep_until};

use crate::attempt_error::AttemptError;
use crate::context::Context;
use crate::handlers::{Handler, HandlerFuture};

/// How long a simulated snooze is.
const SNOOZE: Duration = Duration::from_secs(2);
/// In how many steps an attempt is done that says how far it has come.
const STEPS: u8 = 4;

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
    /// Whether it tells its progress.
    pub progress: bool,
    /// Whether it logs what it does.
    pub log: bool,
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
        let work = async {
            let begun = Instant::now();
            let steps = if self.progress || self.log { STEPS } else { 1 };
            for step in 1..=steps {
                // By the clock: telling takes no time of its own.
                sleep_until(begun + takes * u32::from(step) / u32::from(steps)).await;
                self.tell(ctx, step).await;
            }
        };
        tokio::select! {
            () = work => {}
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

    async fn tell(&self, ctx: &Context, step: u8) {
        let said = format!("step {step} of {STEPS} is done");
        let report = Report {
            progress: self.progress.then(|| (step * (100 / STEPS), said.clone())),
            lines: if self.log { vec![said] } else { Vec::new() },
        };
        if (self.progress || self.log)
            && let Err(error) = ctx.report(report).await
        {
            tracing::debug!(job = %ctx.id(), %error, "a step was not told");
        }
    }
}
