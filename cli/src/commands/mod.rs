//! One sub-command per file.

pub(crate) mod completions;
pub(crate) mod job;
pub(crate) mod man;
pub(crate) mod markdown;
pub(crate) mod metrics;
pub(crate) mod queue;
pub(crate) mod submit;
