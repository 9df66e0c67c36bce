//! Runs JobFlow jobs: claims them straight from Redis, calls a handler for each
//! under a lease, and finishes them.
//!
//! ```no_run
//! use jobflow::{Job, JobQueue};
//! use jobflow_worker::{AttemptError, Context, Worker, shutdown_signal};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct SendEmail {
//!     to: String,
//! }
//!
//! impl Job for SendEmail {
//!     const KIND: &'static str = "send_email";
//!     const QUEUE: &'static str = "mail";
//! }
//!
//! async fn send_email(job: SendEmail, ctx: Context) -> Result<(), AttemptError> {
//!     println!("to {}, attempt {}", job.to, ctx.attempt());
//!     Ok(())
//! }
//!
//! # async fn run() -> jobflow::Result<()> {
//! let queue = JobQueue::connect("redis://127.0.0.1:6379/").await?;
//! Worker::builder(&queue)
//!     .queues(["mail", "default"])
//!     .concurrency(64)
//!     .handler(send_email)
//!     .build()?
//!     .run_until(shutdown_signal())
//!     .await
//! # }
//! ```
//!
//! A handler can say how far it has come, log what it does, and hear that it
//! should end:
//!
//! ```
//! use jobflow_worker::{AttemptError, Context};
//!
//! # struct Resize { files: Vec<String> }
//! # async fn resize_one(_: &str) {}
//! async fn resize(job: Resize, ctx: Context) -> Result<(), AttemptError> {
//!     for (done, file) in job.files.iter().enumerate() {
//!         if let Some(reason) = ctx.cancel_reason() {
//!             return Err(AttemptError::retry(format!("told to end: {}", reason.as_str())));
//!         }
//!         resize_one(file).await;
//!         ctx.log(format!("{file} is done")).await?;
//!         ctx.progress((100 * (done + 1) / job.files.len()) as u8).await?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Layout
//! In the order of the modules: what users see (the builder, [`Context`],
//! [`AttemptError`], [`Handler`]), then the way of a job (`run` claims,
//! `execute` carries one attempt from decode to finish, `lease` is what is held
//! and `keeper` the thread that keeps it), then the worker's own life (`worker`,
//! `posture`, `shutdown`, `health`, `stats`, `timings`).
#![warn(missing_docs)]

mod attempt_error;
mod builder;
mod context;
pub mod handlers;

mod execute;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod keeper;
mod lanes;
mod lease;
mod measured;
mod run;
mod seal;

pub mod health;
mod posture;
mod shutdown;
mod stats;
mod timings;
mod trouble;
mod worker;

pub use crate::{
    attempt_error::{AttemptError, CodedError},
    builder::WorkerBuilder,
    context::{CancelReason, Context},
    handlers::{Handler, HandlerFuture},
    health::Health,
    shutdown::shutdown_signal,
    stats::{Counter, WorkerStats},
    worker::{DEFAULT_CONCURRENCY, DEFAULT_GRACE, Load, Worker},
};
