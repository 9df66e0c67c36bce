//! One sub-command per file.

pub(crate) mod audit;
pub(crate) mod bulk;
pub(crate) mod completions;
pub(crate) mod dead;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod job;
pub(crate) mod man;
pub(crate) mod markdown;
pub(crate) mod metrics;
mod paging;
pub(crate) mod queue;
mod shared;
pub(crate) mod submit;
pub(crate) mod token;
mod watching;
pub(crate) mod worker;

use shared::{after, tell_count};
