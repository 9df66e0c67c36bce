//! What can go wrong for a caller: one type, one stable word per cause.

mod code;

use crate::access::Role;
use crate::durability::Durability;
use crate::job::{JobId, QueueName};
use crate::state::JobState;

pub use code::Code;

/// The result of every call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

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
    /// A filter can not be read.
    #[error("filter: {message}, at character {position}")]
    InvalidFilter {
        /// What is wrong.
        message: String,
        /// Where, counted from 1.
        position: usize,
    },
    /// No queue has this name: nothing was ever submitted to it.
    #[error("queue {queue} does not exist")]
    QueueNotFound {
        /// As the caller gave it.
        queue: QueueName,
    },
    /// No worker has this id, or it has not beaten for a minute.
    #[error("worker {id} does not exist or has stopped")]
    WorkerNotFound {
        /// As the caller gave it.
        id: String,
    },
    /// No bulk operation has this id, or it is long over.
    #[error("bulk operation {id} does not exist or is no longer kept")]
    BulkOperationNotFound {
        /// As the caller gave it.
        id: String,
    },
    /// No token has this id: it never existed, or was revoked.
    #[error("token {id} does not exist or was revoked")]
    TokenNotFound {
        /// As the caller gave it.
        id: String,
    },
    /// Another job holds the idempotency key, and the submit asked to be refused then.
    #[error("job {id} holds the idempotency key, and is {state}")]
    IdempotencyConflict {
        /// The job that holds it.
        id: JobId,
        /// Its state.
        state: JobState,
    },
    /// The thing was changed since it was read; nothing changed now.
    #[error("{what} was changed since it was read; read it again")]
    EtagMismatch {
        /// The job or queue.
        what: String,
    },
    /// The job's state does not allow the change; nothing changed.
    #[error("job {id} is {from}, and a job that is so can not {verb}")]
    InvalidStateTransition {
        /// The job.
        id: JobId,
        /// The state it is in.
        from: JobState,
        /// The state it would have gone to; `None` where it would have kept its own.
        to: Option<JobState>,
        /// What it was to do: `be cancelled`, `be retried`.
        verb: &'static str,
    },
    /// The queue still has jobs; nothing changed.
    #[error("queue {queue} still has {jobs} jobs; purge it first")]
    QueueNotEmpty {
        /// The queue.
        queue: QueueName,
        /// How many.
        jobs: u64,
    },
    /// The queue takes no new jobs; nothing was stored.
    #[error("queue {queue} is draining and takes no new jobs")]
    QueueDraining {
        /// The queue.
        queue: QueueName,
    },
    /// The queue has as many jobs as it takes; nothing was stored.
    #[error("queue {queue} is full; retry later")]
    QueueFull {
        /// The queue.
        queue: QueueName,
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
    /// The namespace is of another layout, so it is not used.
    #[error(
        "the records of this namespace are of layout {found}, and this version is of layout {own}"
    )]
    LayoutMismatch {
        /// The mark of the namespace.
        found: u32,
        /// What this version writes.
        own: u8,
    },
    /// The store can not keep a job as safe as was asked; nothing was stored.
    #[error("durability {durability} is not to be had: {missing}")]
    DurabilityUnavailable {
        /// What was asked for.
        durability: Durability,
        /// What the store lacks.
        missing: String,
    },
    /// The job is stored, but not known to be as safe as was asked. Submitted
    /// again under the same id, request id or idempotency key it stays one job,
    /// and is waited for again.
    #[error(
        "job {id} is stored, but whether it is {durability} is unknown: {why}; submit it again under the same request id, key or id"
    )]
    DurabilityUnknown {
        /// The job that is stored.
        id: JobId,
        /// What was asked for.
        durability: Durability,
        /// What was waited for in vain.
        why: String,
    },
    /// The caller shows no token, and this server wants one.
    #[error("a token is needed: send it as `authorization: Bearer jf_…`")]
    TokenMissing,
    /// The caller's token is unknown, expired or revoked; which of these is not told.
    #[error("the token is unknown, expired or revoked")]
    TokenInvalid,
    /// The caller's role does not allow the call.
    #[error("this call is not open to the role {role}")]
    RoleRequired {
        /// The caller's.
        role: Role,
    },
    /// The caller has no right to this queue, or to a call about all of them.
    #[error("there is no right to {what}")]
    QueueForbidden {
        /// The queue, or what the call is about.
        what: String,
    },
    /// The caller makes more calls than it may.
    #[error("too many calls (limit {limit}); retry later")]
    RateLimited {
        /// How many, of what.
        limit: String,
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
    /// The call took longer than it may. What it did until then stays done.
    #[error("the call took longer than {seconds} s")]
    CallTimeout {
        /// How long it may take.
        seconds: u64,
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

/// As much of what a caller sent as an error says again: it travels in headers,
/// several times over.
#[cfg(feature = "queue")]
pub(crate) fn quoted(text: &str) -> &str {
    crate::outcome::cut(text, 128)
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
            Self::InvalidFilter { .. } => Code::InvalidFilter,
            Self::JobNotFound { .. } => Code::JobNotFound,
            Self::QueueNotFound { .. } => Code::QueueNotFound,
            Self::WorkerNotFound { .. } => Code::WorkerNotFound,
            Self::BulkOperationNotFound { .. } => Code::BulkOperationNotFound,
            Self::TokenNotFound { .. } => Code::TokenNotFound,
            Self::IdempotencyConflict { .. } => Code::IdempotencyConflict,
            Self::EtagMismatch { .. } => Code::EtagMismatch,
            Self::InvalidStateTransition { .. } => Code::InvalidStateTransition,
            Self::QueueNotEmpty { .. } => Code::QueueNotEmpty,
            Self::QueueDraining { .. } => Code::QueueDraining,
            Self::QueueFull { .. } => Code::QueueFull,
            Self::LeaseLost { .. } => Code::LeaseLost,
            Self::StoreOutOfMemory => Code::StoreOutOfMemory,
            Self::StoreUnavailable => Code::StoreUnavailable,
            Self::StoreLoading => Code::StoreLoading,
            Self::StoreReadOnly => Code::StoreReadOnly,
            Self::StoreUnsafe { .. } | Self::LayoutMismatch { .. } => Code::StoreUnsafe,
            Self::DurabilityUnavailable { .. } => Code::DurabilityUnavailable,
            Self::DurabilityUnknown { .. } => Code::DurabilityUnknown,
            Self::TokenMissing => Code::TokenMissing,
            Self::TokenInvalid => Code::TokenInvalid,
            Self::RoleRequired { .. } => Code::RoleRequired,
            Self::QueueForbidden { .. } => Code::QueueForbidden,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::ShuttingDown => Code::ShuttingDown,
            Self::TooManyStreams { .. } => Code::TooManyStreams,
            Self::WaitTimeout { .. } => Code::WaitTimeout,
            Self::CallTimeout { .. } => Code::CallTimeout,
            Self::CorruptRecord { .. } => Code::CorruptRecord,
            Self::Internal { .. } => Code::Internal,
        }
    }

    /// Whether the same call may well succeed a little later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self.code(),
            Code::QueueFull
                | Code::StoreOutOfMemory
                | Code::StoreUnavailable
                | Code::StoreLoading
                | Code::StoreReadOnly
                | Code::DurabilityUnknown
                | Code::RateLimited
                | Code::ShuttingDown
                | Code::TooManyStreams
        )
    }

    /// The field at fault, where one is.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::InvalidField { field, .. } | Self::PayloadTooLarge { field, .. } => Some(field),
            Self::InvalidFilter { .. } => Some("filter"),
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
            Self::InvalidFilter { position, .. } => vec![("position", position.to_string())],
            Self::JobNotFound { id } | Self::LeaseLost { id } | Self::CorruptRecord { id } => {
                vec![("job_id", id.to_string())]
            }
            Self::QueueNotFound { queue }
            | Self::QueueDraining { queue }
            | Self::QueueFull { queue } => vec![("queue", queue.to_string())],
            Self::QueueNotEmpty { queue, jobs } => {
                vec![("queue", queue.to_string()), ("jobs", jobs.to_string())]
            }
            Self::WorkerNotFound { id } => vec![("worker", id.clone())],
            Self::BulkOperationNotFound { id } => vec![("operation", id.clone())],
            Self::TokenNotFound { id } => vec![("token", id.clone())],
            Self::RoleRequired { role } => vec![("role", role.to_string())],
            Self::RateLimited { limit } => vec![("limit", limit.clone())],
            Self::LayoutMismatch { found, own } => {
                vec![("found", found.to_string()), ("own", own.to_string())]
            }
            Self::IdempotencyConflict { id, state } => {
                vec![("job_id", id.to_string()), ("state", state.to_string())]
            }
            Self::EtagMismatch { what } => vec![("changed", what.clone())],
            Self::InvalidStateTransition { id, from, to, .. } => {
                let mut pairs = vec![("job_id", id.to_string()), ("from", from.to_string())];
                pairs.extend(to.map(|to| ("to", to.to_string())));
                pairs
            }
            Self::StoreUnsafe { policy } => vec![("policy", policy.clone())],
            Self::DurabilityUnavailable { durability, .. } => {
                vec![("durability", durability.to_string())]
            }
            Self::DurabilityUnknown { id, durability, .. } => vec![
                ("job_id", id.to_string()),
                ("durability", durability.to_string()),
            ],
            Self::TooManyStreams { limit } => vec![("limit", limit.to_string())],
            Self::WaitTimeout { id, state } => {
                vec![("job_id", id.to_string()), ("state", state.to_string())]
            }
            Self::StoreOutOfMemory
            | Self::StoreUnavailable
            | Self::StoreLoading
            | Self::StoreReadOnly
            | Self::TokenMissing
            | Self::TokenInvalid
            | Self::QueueForbidden { .. }
            | Self::CallTimeout { .. }
            | Self::ShuttingDown
            | Self::Internal { .. } => Vec::new(),
        }
    }
}
