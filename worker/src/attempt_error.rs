//! How an attempt ends other than well: what a handler returns.

use std::error::Error as StdError;
use std::time::Duration;

use jobflow::JobError;

/// The code of an attempt that errored without naming a code of its own.
pub(crate) const HANDLER_ERROR: &str = "HANDLER_ERROR";

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why an attempt did not complete its job, and what becomes of the job.
///
/// Any standard error turns into [`Retry`](Self::Retry) by `?`. For the others
/// there are constructors that take an error or a message.
#[derive(Debug)]
pub enum AttemptError {
    /// The attempt errored: the job runs again after its backoff, while it has attempts left.
    Retry(BoxError),
    /// The same with a delay of the handler's choice in place of the backoff.
    RetryAfter(Duration, BoxError),
    /// The job fails for good, whatever attempts are left.
    Fail(BoxError),
    /// The job runs again after the delay. Nothing went wrong: no attempt is used up.
    Snooze(Duration),
    /// Nobody behind this handler knows the kind: given back and counted as a
    /// kind without a handler is. No attempt is used up.
    Unhandled,
    /// What ran the job is gone, and nobody knows how far it came. The lease is
    /// left to run out, and the job goes on as after a lost worker: no attempt is
    /// used up, and too many losses fail it.
    Lost(BoxError),
}

impl AttemptError {
    /// The attempt errored: again after the backoff.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self::Retry(error.into())
    }

    /// The attempt errored: again after `delay`.
    pub fn retry_after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self::RetryAfter(delay, error.into())
    }

    /// The job fails for good.
    pub fn fail(error: impl Into<BoxError>) -> Self {
        Self::Fail(error.into())
    }

    /// What ran the job is gone.
    pub fn lost(error: impl Into<BoxError>) -> Self {
        Self::Lost(error.into())
    }

    /// Later, without a penalty.
    #[must_use]
    pub const fn snooze(delay: Duration) -> Self {
        Self::Snooze(delay)
    }
}

// This is why `AttemptError` is no standard error itself: the two would overlap.
impl<E: StdError + Send + Sync + 'static> From<E> for AttemptError {
    fn from(error: E) -> Self {
        Self::Retry(Box::new(error))
    }
}

/// An error with a stable word of its own, which the job record then shows
/// instead of `HANDLER_ERROR`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CodedError {
    /// The stable word, for example `COMMAND_FAILED`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl CodedError {
    /// An error with this word and message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// What the job record keeps of an error: its code, and its message with those
/// of its causes.
pub(crate) fn job_error(error: &BoxError) -> JobError {
    let coded = error.downcast_ref::<CodedError>();
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    JobError {
        code: coded.map_or(HANDLER_ERROR, |coded| &coded.code).to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("mail was not sent")]
    struct Outer(#[source] std::num::ParseIntError);

    fn parse() -> Result<u32, AttemptError> {
        Ok("x".parse::<u32>().map_err(Outer)?)
    }

    #[test]
    fn any_error_becomes_a_retry_and_keeps_its_causes() {
        let Err(AttemptError::Retry(error)) = parse() else {
            panic!("not a retry");
        };
        let error = job_error(&error);
        assert_eq!(error.code, HANDLER_ERROR);
        assert_eq!(
            error.message,
            "mail was not sent: invalid digit found in string"
        );
    }

    #[test]
    fn an_error_can_bring_its_own_code() {
        let AttemptError::Fail(error) = AttemptError::fail(CodedError::new("CARD_DECLINED", "no"))
        else {
            panic!("not a failure");
        };
        let error = job_error(&error);
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("CARD_DECLINED", "no")
        );
    }
}
