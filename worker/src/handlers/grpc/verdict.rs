//! What a call that ended with a status means for the job.

use std::error::Error;

use tonic::{Code, ConnectError, Status, TimeoutExpired};

use crate::attempt_error::{AttemptError, CodedError, HANDLER_ERROR};
use crate::handlers::NOT_NOW;

/// Why a call brought no outcome.
#[derive(Debug)]
pub(super) enum Failure {
    /// The attempt has ended so.
    Ended(AttemptError),
    /// The handler was not reached, and has not heard of the job.
    Unreached(String),
    /// The attempt is at its deadline.
    OutOfTime,
}

impl From<Status> for Failure {
    /// A status that the handler sent is its answer; one with a cause was made
    /// on this side, where the connection broke or none came about.
    fn from(status: Status) -> Self {
        if status.source().is_none() {
            return Self::Ended(answer(&status));
        }
        if caused_by::<ConnectError>(&status) {
            return Self::Unreached(causes(&status));
        }
        if caused_by::<TimeoutExpired>(&status) {
            return Self::OutOfTime;
        }
        let gone = format!("the handler was lost: {}", causes(&status));
        Self::Ended(AttemptError::lost(CodedError::new("HANDLER_LOST", gone)))
    }
}

fn answer(status: &Status) -> AttemptError {
    let said = match status.message() {
        "" => format!("{:?}", status.code()),
        message => format!("{:?}: {message}", status.code()),
    };
    let error = CodedError::new(HANDLER_ERROR, said);
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => AttemptError::fail(error),
        Code::Unavailable | Code::ResourceExhausted => AttemptError::Snooze(NOT_NOW),
        Code::Unimplemented => AttemptError::Unhandled,
        _ => AttemptError::retry(error),
    }
}

/// The message and those of its causes.
fn causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn caused_by<E: Error + 'static>(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: Status) -> AttemptError {
        match Failure::from(status) {
            Failure::Ended(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_status_that_a_handler_sends_decides_about_the_job() {
        for (code, word) in [
            (Code::InvalidArgument, "Fail"),
            (Code::OutOfRange, "Fail"),
            (Code::Unavailable, "Snooze"),
            (Code::ResourceExhausted, "Snooze"),
            (Code::Unimplemented, "Unhandled"),
            (Code::Unknown, "Retry"),
            (Code::Internal, "Retry"),
            (Code::Cancelled, "Retry"),
            (Code::DeadlineExceeded, "Retry"),
            (Code::NotFound, "Retry"),
        ] {
            let ended = format!("{:?}", ended(Status::new(code, "said so")));
            assert!(ended.starts_with(word), "{code:?}: {ended}");
        }
    }

    #[test]
    fn a_broken_connection_loses_the_handler_and_one_that_never_was_does_not() {
        let io = || Box::new(std::io::Error::other("reset"));
        assert!(matches!(
            ended(Status::from_error(io())),
            AttemptError::Lost(_)
        ));
        let unreached = Status::from_error(Box::new(ConnectError(io())));
        let Failure::Unreached(why) = Failure::from(unreached) else {
            panic!("was reached");
        };
        assert!(why.contains("reset"), "{why}");
    }
}
