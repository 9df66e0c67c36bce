//! The duties that keep every queue in order: promoter, reaper, pruner.
//!
//! Any number of processes run them side by side; nobody leads. Each step is a
//! short script that does nothing when there is nothing to do.

mod promoter;
mod pruner;
mod reaper;
mod run;

pub use run::{Duties, run};
