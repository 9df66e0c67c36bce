//! JobFlow: a distributed job system over Redis.
//!
//! Producers submit jobs, workers claim them straight from Redis under a lease,
//! and everybody sees what happens as it happens. This crate is the job model
//! and every rule about Redis; the server, the worker and the CLI translate.
//!
//! # Layout
//! Read in the order of the modules: the model first ([`JobRecord`], [`NewJob`],
//! [`JobState`]), then `keys` and `lua` (what is in Redis), then `queue` (one
//! verb per file, the typed call of the script of the same name), then the
//! duties in [`maintenance`] and the numbers in `stats`.
#![warn(missing_docs)]

mod access;
mod backoff;
mod durability;
mod error;
mod filter;
mod fingerprint;
mod job;
mod new_job;
mod options;
pub mod proto;
mod record;
mod state;

#[cfg(feature = "queue")]
mod bytes_reader;
#[cfg(feature = "queue")]
mod coalesce;
#[cfg(feature = "queue")]
mod events;
#[cfg(feature = "queue")]
pub mod failpoint;
#[cfg(feature = "queue")]
mod histogram;
#[cfg(feature = "queue")]
mod history;
#[cfg(feature = "queue")]
mod keys;
#[cfg(feature = "queue")]
mod lua;
#[cfg(feature = "queue")]
pub mod maintenance;
#[cfg(feature = "queue")]
mod measures;
#[cfg(feature = "queue")]
mod meta;
#[cfg(feature = "queue")]
mod outcome;
#[cfg(feature = "queue")]
mod partition;
#[cfg(feature = "seal")]
pub mod payload;
#[cfg(feature = "queue")]
mod pulse;
#[cfg(feature = "queue")]
mod queue;
#[cfg(feature = "queue")]
mod redis;
#[cfg(feature = "queue")]
mod report_codec;
#[cfg(feature = "queue")]
mod spec;
#[cfg(feature = "queue")]
mod stats;
#[cfg(feature = "supervisor")]
pub mod supervisor;
#[cfg(feature = "telemetry")]
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "queue")]
mod token;
#[cfg(feature = "queue")]
mod window;

pub use access::{MAX_QUEUE_PATTERNS, QueueScope, Role};
pub use backoff::{Backoff, MAX_BACKOFF};
pub use durability::Durability;
pub use error::{Code, Error, Result};
pub use filter::{Field as FilterField, Filter, MAX_FILTER};
pub use fingerprint::Fingerprint;
#[cfg(feature = "queue")]
pub use job::Job;
pub use job::{JobId, Kind, LeaseToken, MAX_NAME, MAX_WORKER, Namespace, QueueName, StoreTime};
pub use new_job::NewJob;
pub use options::{
    DEFAULT_CONTENT_TYPE, DEFAULT_CRASH_CAP, DEFAULT_LEASE, DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT,
    JobDefaults, Keep, KeyScope, MAX_ATTEMPTS, MAX_BATCH, MAX_CONTENT_TYPE, MAX_DELAY,
    MAX_ERROR_MESSAGE, MAX_HEADERS, MAX_IDEMPOTENCY_KEY, MAX_LOG_BYTES, MAX_LOG_LINE,
    MAX_LOG_LINES, MAX_PAYLOAD, MAX_PROGRESS_MESSAGE, MAX_REASON, MAX_TAG, MAX_TAGS, MAX_TIMEOUT,
    OnConflict, Priority, Retention, RunAt, StartLimit,
};
pub use record::{
    Attempt, AttemptOutcome, Etag, JobError, JobRecord, JobResult, LogLine, PreviousPayload,
    Progress,
};
pub use state::{JobState, TRANSITIONS};

#[cfg(feature = "queue")]
pub use crate::{
    events::{EventBatch, EventEntry, EventId, EventPositions, EventReader, Happening},
    histogram::Histogram,
    measures::{Gathered, Measured, Measures},
    partition::{MAX_PARTITIONS, Partition},
    pulse::{Pulse, PulseReport, Pulses},
    queue::{
        AuditEvent, AuditPage, AuditReport, BulkAction, BulkFailure, BulkOperation, BulkPage,
        BulkState, BulkStep, BulkTarget, Change, Claim, Claimed, ClaimedJob, ControlMessage,
        ControlReader, Damage, DamageKind, DeadLetterGroup, DeadLetters, Direction, Explanation,
        Extension, Finding, Force, Integrity, JobChanges, JobCount, JobPage, JobQueue, ListRequest,
        LogPage, MAX_OVERLAP, MAX_TOKENS, Mend, MetricsHistory, MetricsPoint, MetricsQuery,
        NewBulk, NewToken, Obstacle, ObstacleReason, Order, Outcome, PartitionCounts,
        PartitionsSnapshot, Pause, QueueConfig, QueueControl, QueueSettings, Reaped, Report,
        RunningJob, SettingsChange, Severity, StoreInfo, Submitted, Token, Tokens, Waiter, Woken,
        WorkerBeat, WorkerSignal, WorkerState,
    },
    redis::RedisAccess,
    stats::{Counts, FinishedJob, QueueSnapshot, Snapshot, Totals, WorkerSnapshot},
    token::{TokenHash, TokenId, TokenText},
    window::{MAX_POINTS, MetricsWindow},
};

/// The version of the records in Redis. A process refuses records that are newer.
#[cfg(feature = "queue")]
pub const LAYOUT_VERSION: u8 = meta::VERSION;

/// The compiled `.proto` files, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));
