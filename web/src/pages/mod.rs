//! One page per file or folder.

pub(crate) mod audit;
pub(crate) mod dead;
pub(crate) mod events;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod overview;
pub(crate) mod queue;
pub(crate) mod queues;
pub(crate) mod settings;
pub(crate) mod workers;
