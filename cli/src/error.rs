//! Everything that can end a command early: its exit code, its message, what to do.

use std::borrow::Cow;
use std::io;

use jobflow::proto;
use serde::Serialize;
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::StatusExt;

use crate::view::words;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// How the process ends. Scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Other = 1,
    Usage = 2,
    NotFound = 3,
    Conflict = 4,
    NotAuthorised = 5,
    Unreachable = 6,
    JobEnded = 7,
    Timeout = 8,
    Interrupted = 130,
}

/// Why a command did not do what it was asked.
#[derive(Debug, Serialize)]
pub(crate) struct Error {
    #[serde(skip)]
    pub(crate) exit: Exit,
    /// The stable word of the server's error table, where the server has spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<Cow<'static, str>>,
}

impl Error {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            reason: None,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    /// The job that was waited for has ended, but not well.
    pub(crate) fn job_ended(job: &proto::Job) -> Self {
        let mut message = format!("job {} {}", job.id, words::state(job.state()));
        if let Some(error) = &job.error {
            message = format!("{message}: {}: {}", error.code, error.message);
        }
        Self::new(Exit::JobEnded, message)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn no_answer(server: &str) -> Self {
        Self::new(Exit::Timeout, format!("{server} did not answer in time"))
            .hint("--timeout sets how long to wait for an answer")
    }

    /// Reads what the server answered, or why it did not.
    pub(crate) fn from_status(status: &Status, server: &str) -> Self {
        match origin(status) {
            Origin::Server => Self::from_server(status),
            Origin::Deadline => Self::no_answer(server),
            Origin::Connection => {
                let cause = causes(status)
                    .last()
                    .map_or_else(String::new, ToString::to_string);
                let message = format!("can not reach the server at {server}: {cause}");
                Self::new(Exit::Unreachable, message)
                    .hint("start jobflow-server, or name another with --server or JOBFLOW_SERVER")
            }
        }
    }

    fn is(&self, code: jobflow::Code) -> bool {
        self.reason.as_deref() == Some(code.as_str())
    }

    fn from_server(status: &Status) -> Self {
        let info = status.get_details_error_info();
        let error = Self {
            reason: info
                .map(|info| info.reason)
                .filter(|reason| !reason.is_empty()),
            ..Self::new(exit_of(status.code()), status.message())
        };
        match status.code() {
            Code::NotFound if error.is(jobflow::Code::JobNotFound) => {
                error.hint("finished jobs are kept for a limited time only")
            }
            Code::Unknown if error.is(jobflow::Code::DurabilityUnknown) => error
                .hint("the job is there; see whether the replicas or the disk of Redis keep up"),
            Code::Unauthenticated => {
                error.hint("name a file with a token by --token-file, or put it into JOBFLOW_TOKEN")
            }
            Code::Aborted => error.hint("look at it as it is now, and try again"),
            Code::Unimplemented => error.hint("the server is older than this client; update it"),
            _ => error,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        // The reader of our output has seen enough, as in `jobflow-cli … | head`.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Ok, "");
        }
        Self::new(Exit::Other, error.to_string())
    }
}

/// Whether the same call may well succeed a little later.
pub(crate) fn is_transient(status: &Status) -> bool {
    match origin(status) {
        Origin::Server => match status.code() {
            Code::Unavailable => true,
            // Stored, but in doubt: its request id makes it safe to repeat.
            Code::Unknown | Code::ResourceExhausted => status.get_details_retry_info().is_some(),
            _ => false,
        },
        // Whether a call was heard whose connection broke is unknown; its
        // request id makes it safe to repeat.
        Origin::Connection => true,
        Origin::Deadline => false,
    }
}

/// Whether the server may have done what it was asked although it did not say
/// so; not when there was no connection to it.
pub(crate) fn may_have_been_heard(status: &Status) -> bool {
    !causes(status).any(|cause| cause.is::<ConnectError>())
}

/// Whether a rejection of one job of a batch is worth another try.
pub(crate) fn is_transient_reason(reason: &str) -> bool {
    use jobflow::Code::{
        ShuttingDown, StoreLoading, StoreOutOfMemory, StoreReadOnly, StoreUnavailable,
        TooManyStreams,
    };
    [
        ShuttingDown,
        StoreLoading,
        StoreOutOfMemory,
        StoreReadOnly,
        StoreUnavailable,
        TooManyStreams,
    ]
    .iter()
    .any(|code| code.as_str() == reason)
}

/// Who ended a call.
enum Origin {
    Server,
    Connection,
    Deadline,
}

/// A status made on this side carries the error it was made from; one that
/// came over the wire does not.
fn origin(status: &Status) -> Origin {
    if causes(status).next().is_none() {
        Origin::Server
    } else if causes(status).any(|cause| cause.is::<TimeoutExpired>()) {
        Origin::Deadline
    } else {
        Origin::Connection
    }
}

/// What the status was made from; the last says it best, for example
/// `Connection refused`.
fn causes(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(status), |cause| cause.source())
}

fn exit_of(code: Code) -> Exit {
    match code {
        Code::InvalidArgument | Code::OutOfRange => Exit::Usage,
        Code::NotFound => Exit::NotFound,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => Exit::Conflict,
        Code::Unauthenticated | Code::PermissionDenied => Exit::NotAuthorised,
        Code::Unavailable => Exit::Unreachable,
        Code::DeadlineExceeded => Exit::Timeout,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Exit::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn each_status_has_its_exit_code() {
        for (code, exit) in [
            (Code::InvalidArgument, Exit::Usage),
            (Code::NotFound, Exit::NotFound),
            (Code::AlreadyExists, Exit::Conflict),
            (Code::FailedPrecondition, Exit::Conflict),
            (Code::Aborted, Exit::Conflict),
            (Code::PermissionDenied, Exit::NotAuthorised),
            (Code::Unauthenticated, Exit::NotAuthorised),
            (Code::Unavailable, Exit::Unreachable),
            (Code::DeadlineExceeded, Exit::Timeout),
            (Code::Internal, Exit::Other),
        ] {
            let error = Error::from_status(&Status::new(code, "m"), "http://h");
            assert_eq!(error.exit, exit, "{code:?}");
        }
    }

    #[test]
    fn the_reason_of_the_server_is_kept() {
        let details = ErrorDetails::with_error_info("JOB_NOT_FOUND", "jobflow", []);
        let status = Status::with_error_details(Code::NotFound, "job 7 does not exist", details);
        let error = Error::from_status(&status, "http://h");
        assert_eq!(error.reason.as_deref(), Some("JOB_NOT_FOUND"));
        assert_eq!(error.message, "job 7 does not exist");
    }

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        let error = Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(error.exit, Exit::Ok);
    }
}
