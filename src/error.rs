//! What can go wrong for a caller: one type, one stable word per cause.

use crate::job::JobId;
use crate::state::JobState;

/// The result of every call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The stable word of an [`Error`]: what programs match on. Each has a heading
/// in `docs/errors.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A field of the request is out of its range.
    InvalidField,
    /// The payload or result is over its limit.
    PayloadTooLarge,
    /// No job has this id.
    JobNotFound,
    /// The lease token is no longer the current one.
    LeaseLost,
    /// The store is at its memory limit and takes no new jobs.
    StoreOutOfMemory,
    /// The store does not answer.
    StoreUnavailable,
    /// The store is reading its data back in.
    StoreLoading,
    /// The store refuses writes.
    StoreReadOnly,
    /// The store may throw jobs away, so it is not used.
    StoreUnsafe,
    /// This process is stopping.
    ShuttingDown,
    /// Too many streams or waits are open.
    TooManyStreams,
    /// The job was not final in time.
    WaitTimeout,
    /// A stored record can not be read.
    CorruptRecord,
    /// A fault of JobFlow itself.
    Internal,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 14] = [
        Self::InvalidField,
        Self::PayloadTooLarge,
        Self::JobNotFound,
        Self::LeaseLost,
        Self::StoreOutOfMemory,
        Self::StoreUnavailable,
        Self::StoreLoading,
        Self::StoreReadOnly,
        Self::StoreUnsafe,
        Self::ShuttingDown,
        Self::TooManyStreams,
        Self::WaitTimeout,
        Self::CorruptRecord,
        Self::Internal,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidField => "INVALID_FIELD",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::JobNotFound => "JOB_NOT_FOUND",
            Self::LeaseLost => "LEASE_LOST",
            Self::StoreOutOfMemory => "STORE_OUT_OF_MEMORY",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::StoreLoading => "STORE_LOADING",
            Self::StoreReadOnly => "STORE_READ_ONLY",
            Self::StoreUnsafe => "STORE_UNSAFE",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::TooManyStreams => "TOO_MANY_STREAMS",
            Self::WaitTimeout => "WAIT_TIMEOUT",
            Self::CorruptRecord => "CORRUPT_RECORD",
            Self::Internal => "INTERNAL",
        }
    }
}

/// Why a call did not do what it was asked.
///
/// Messages are safe to show: they name the thing and its id, never Redis
/// text, keys or payloads. What the store said is logged where it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the request is out of its range; nothing was stored.
    #[error("{field}: {message}")]
    InvalidField {
        /// The path of the field, for example `priority`.
        field: String,
        /// What it must be.
        message: String,
    },
    /// The payload or result is over its limit; nothing was stored.
    #[error("{field}: {size} bytes, the limit is {limit}")]
    PayloadTooLarge {
        /// The path of the field.
        field: String,
        /// Its size in bytes.
        size: usize,
        /// The most it may have.
        limit: usize,
    },
    /// No job has this id: it never existed, or was trimmed after it ended.
    #[error("job {id} does not exist or is no longer kept")]
    JobNotFound {
        /// As the caller gave it.
        id: JobId,
    },
    /// The lease ran out and the job went to somebody else; nothing changed.
    #[error("the lease of job {id} is lost")]
    LeaseLost {
        /// The job whose write was refused.
        id: JobId,
    },
    /// The store is at its memory limit; nothing was stored.
    #[error("the store is out of memory and takes no new jobs; retry later")]
    StoreOutOfMemory,
    /// The store does not answer. A submit may or may not have been stored:
    /// repeat it under the same id or key.
    #[error("the store can not be reached; retry later")]
    StoreUnavailable,
    /// The store is starting up.
    #[error("the store is loading its data; retry later")]
    StoreLoading,
    /// The store refuses writes: a replica, or its disk is full.
    #[error("the store refuses writes; retry later")]
    StoreReadOnly,
    /// The store's eviction policy could delete jobs.
    #[error(
        "the store evicts keys (maxmemory-policy {policy}); set it to noeviction, or allow it explicitly"
    )]
    StoreUnsafe {
        /// The policy found.
        policy: String,
    },
    /// This process is stopping and takes no new work.
    #[error("shutting down; retry elsewhere")]
    ShuttingDown,
    /// Too many streams or waits are open.
    #[error("too many streams or waits are open (limit {limit}); retry later")]
    TooManyStreams {
        /// How many may be open at once.
        limit: usize,
    },
    /// The job was not final in time.
    #[error("job {id} is {state} after the time to wait")]
    WaitTimeout {
        /// The job waited for.
        id: JobId,
        /// Its state when the time was over.
        state: JobState,
    },
    /// A stored record can not be read.
    #[error("the record of job {id} can not be read")]
    CorruptRecord {
        /// The job whose record it is.
        id: JobId,
    },
    /// A fault of JobFlow itself.
    #[error("internal error: {message}")]
    Internal {
        /// What was not as it must be.
        message: String,
    },
}

impl Error {
    /// Says that `field` is out of its range and what it must be.
    #[must_use]
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidField {
            field: field.into(),
            message: message.into(),
        }
    }

    /// The stable word of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::InvalidField { .. } => Code::InvalidField,
            Self::PayloadTooLarge { .. } => Code::PayloadTooLarge,
            Self::JobNotFound { .. } => Code::JobNotFound,
            Self::LeaseLost { .. } => Code::LeaseLost,
            Self::StoreOutOfMemory => Code::StoreOutOfMemory,
            Self::StoreUnavailable => Code::StoreUnavailable,
            Self::StoreLoading => Code::StoreLoading,
            Self::StoreReadOnly => Code::StoreReadOnly,
            Self::StoreUnsafe { .. } => Code::StoreUnsafe,
            Self::ShuttingDown => Code::ShuttingDown,
            Self::TooManyStreams { .. } => Code::TooManyStreams,
            Self::WaitTimeout { .. } => Code::WaitTimeout,
            Self::CorruptRecord { .. } => Code::CorruptRecord,
            Self::Internal { .. } => Code::Internal,
        }
    }

    /// Whether the same call may well succeed a little later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self.code(),
            Code::StoreOutOfMemory
                | Code::StoreUnavailable
                | Code::StoreLoading
                | Code::StoreReadOnly
                | Code::ShuttingDown
                | Code::TooManyStreams
        )
    }

    /// The field at fault, where one is.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::InvalidField { field, .. } | Self::PayloadTooLarge { field, .. } => Some(field),
            _ => None,
        }
    }

    /// The variables of the message, for `ErrorInfo.metadata` and problem details.
    #[must_use]
    pub fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::InvalidField { field, .. } => vec![("field", field.clone())],
            Self::PayloadTooLarge { field, size, limit } => vec![
                ("field", field.clone()),
                ("size", size.to_string()),
                ("limit", limit.to_string()),
            ],
            Self::JobNotFound { id } | Self::LeaseLost { id } | Self::CorruptRecord { id } => {
                vec![("job_id", id.to_string())]
            }
            Self::StoreUnsafe { policy } => vec![("policy", policy.clone())],
            Self::TooManyStreams { limit } => vec![("limit", limit.to_string())],
            Self::WaitTimeout { id, state } => {
                vec![("job_id", id.to_string()), ("state", state.to_string())]
            }
            Self::StoreOutOfMemory
            | Self::StoreUnavailable
            | Self::StoreLoading
            | Self::StoreReadOnly
            | Self::ShuttingDown
            | Self::Internal { .. } => Vec::new(),
        }
    }
}
