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

mod backoff;
mod error;
mod job;
mod new_job;
mod options;
pub mod proto;
mod state;

#[cfg(feature = "queue")]
mod coalesce;
#[cfg(feature = "queue")]
mod events;
#[cfg(feature = "queue")]
mod keys;
#[cfg(feature = "queue")]
mod lua;
#[cfg(feature = "queue")]
pub mod maintenance;
#[cfg(feature = "queue")]
mod meta;
#[cfg(feature = "queue")]
mod outcome;
#[cfg(feature = "queue")]
mod queue;
#[cfg(feature = "queue")]
mod redis;
#[cfg(feature = "queue")]
mod spec;
#[cfg(feature = "queue")]
mod stats;
#[cfg(feature = "testing")]
pub mod testing;

pub use backoff::{Backoff, MAX_BACKOFF};
pub use error::{Code, Error, Result};
#[cfg(feature = "queue")]
pub use job::Job;
pub use job::{
    JobError, JobId, JobRecord, JobResult, Kind, LeaseToken, MAX_NAME, MAX_WORKER, Namespace,
    QueueName, StoreTime,
};
pub use new_job::NewJob;
pub use options::{
    DEFAULT_CONTENT_TYPE, DEFAULT_CRASH_CAP, DEFAULT_LEASE, DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT,
    Keep, MAX_ATTEMPTS, MAX_BATCH, MAX_CONTENT_TYPE, MAX_DELAY, MAX_ERROR_MESSAGE, MAX_HEADERS,
    MAX_IDEMPOTENCY_KEY, MAX_PAYLOAD, MAX_TIMEOUT, Priority, Retention, RunAt,
};
pub use state::{JobState, TRANSITIONS};

#[cfg(feature = "queue")]
pub use crate::{
    events::{Event, EventReader},
    queue::{
        AuditReport, Claimed, ClaimedJob, Extension, JobQueue, Outcome, QueueConfig, Reaped,
        StoreInfo, Submitted, Waiter, WorkerBeat,
    },
    stats::{Counts, FinishedJob, QueueSnapshot, Snapshot, Totals, WorkerSnapshot},
};

/// The version of the records in Redis. A process refuses records that are newer.
#[cfg(feature = "queue")]
pub const LAYOUT_VERSION: u8 = meta::VERSION;

/// The compiled `.proto` files, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));
