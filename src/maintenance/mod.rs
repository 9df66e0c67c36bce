//! The duties that keep every queue in order: promoter, reaper, pruner,
//! and the runner of bulk operations.
//!
//! Any number of processes run them side by side; nobody leads. Each step is a
//! short script that does nothing when there is nothing to do.

mod bulk_runner;
mod promoter;
mod pruner;
mod reaper;
mod run;

pub use bulk_runner::run_bulks;
pub use run::{Duties, run};
