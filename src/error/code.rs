//! The stable words of errors.

/// The stable word of an [`Error`](super::Error): what programs match on. Each has a heading
/// in `docs/errors.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A field of the request is out of its range.
    InvalidField,
    /// The payload or result is over its limit.
    PayloadTooLarge,
    /// A filter can not be read.
    InvalidFilter,
    /// No job has this id.
    JobNotFound,
    /// No queue has this name.
    QueueNotFound,
    /// No worker that has beaten lately has this id.
    WorkerNotFound,
    /// No bulk operation has this id.
    BulkOperationNotFound,
    /// No token has this id.
    TokenNotFound,
    /// Another job holds the idempotency key.
    IdempotencyConflict,
    /// The thing was changed since it was read.
    EtagMismatch,
    /// The job's state does not allow the change.
    InvalidStateTransition,
    /// The queue still has jobs.
    QueueNotEmpty,
    /// The queue takes no new jobs.
    QueueDraining,
    /// The queue has as many jobs as it takes.
    QueueFull,
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
    /// The store can not keep a job as safe as was asked.
    DurabilityUnavailable,
    /// The job is stored, but not known to be as safe as was asked.
    DurabilityUnknown,
    /// The caller shows no token.
    TokenMissing,
    /// The caller's token is unknown, expired or revoked.
    TokenInvalid,
    /// The caller's role does not allow the call.
    RoleRequired,
    /// The caller has no right to this queue.
    QueueForbidden,
    /// The caller makes more calls than it may.
    RateLimited,
    /// This process is stopping.
    ShuttingDown,
    /// Too many streams or waits are open.
    TooManyStreams,
    /// The job was not final in time.
    WaitTimeout,
    /// The call took longer than it may.
    CallTimeout,
    /// A stored record can not be read.
    CorruptRecord,
    /// A fault of JobFlow itself.
    Internal,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 33] = [
        Self::InvalidField,
        Self::PayloadTooLarge,
        Self::InvalidFilter,
        Self::JobNotFound,
        Self::QueueNotFound,
        Self::WorkerNotFound,
        Self::BulkOperationNotFound,
        Self::TokenNotFound,
        Self::IdempotencyConflict,
        Self::EtagMismatch,
        Self::InvalidStateTransition,
        Self::QueueNotEmpty,
        Self::QueueDraining,
        Self::QueueFull,
        Self::LeaseLost,
        Self::StoreOutOfMemory,
        Self::StoreUnavailable,
        Self::StoreLoading,
        Self::StoreReadOnly,
        Self::StoreUnsafe,
        Self::DurabilityUnavailable,
        Self::DurabilityUnknown,
        Self::TokenMissing,
        Self::TokenInvalid,
        Self::RoleRequired,
        Self::QueueForbidden,
        Self::RateLimited,
        Self::ShuttingDown,
        Self::TooManyStreams,
        Self::WaitTimeout,
        Self::CallTimeout,
        Self::CorruptRecord,
        Self::Internal,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidField => "INVALID_FIELD",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::InvalidFilter => "INVALID_FILTER",
            Self::JobNotFound => "JOB_NOT_FOUND",
            Self::QueueNotFound => "QUEUE_NOT_FOUND",
            Self::WorkerNotFound => "WORKER_NOT_FOUND",
            Self::BulkOperationNotFound => "BULK_OPERATION_NOT_FOUND",
            Self::TokenNotFound => "TOKEN_NOT_FOUND",
            Self::IdempotencyConflict => "IDEMPOTENCY_CONFLICT",
            Self::EtagMismatch => "ETAG_MISMATCH",
            Self::InvalidStateTransition => "INVALID_STATE_TRANSITION",
            Self::QueueNotEmpty => "QUEUE_NOT_EMPTY",
            Self::QueueDraining => "QUEUE_DRAINING",
            Self::QueueFull => "QUEUE_FULL",
            Self::LeaseLost => "LEASE_LOST",
            Self::StoreOutOfMemory => "STORE_OUT_OF_MEMORY",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::StoreLoading => "STORE_LOADING",
            Self::StoreReadOnly => "STORE_READ_ONLY",
            Self::StoreUnsafe => "STORE_UNSAFE",
            Self::DurabilityUnavailable => "DURABILITY_UNAVAILABLE",
            Self::DurabilityUnknown => "DURABILITY_UNKNOWN",
            Self::TokenMissing => "TOKEN_MISSING",
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::RoleRequired => "ROLE_REQUIRED",
            Self::QueueForbidden => "QUEUE_FORBIDDEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::TooManyStreams => "TOO_MANY_STREAMS",
            Self::WaitTimeout => "WAIT_TIMEOUT",
            Self::CallTimeout => "CALL_TIMEOUT",
            Self::CorruptRecord => "CORRUPT_RECORD",
            Self::Internal => "INTERNAL",
        }
    }
}
