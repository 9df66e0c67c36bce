//! The forms in which things are shown.

pub(crate) mod audit;
pub(crate) mod bulk;
pub(crate) mod dead;
pub(crate) mod doctor;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod explain;
pub(crate) mod history;
mod item;
pub(crate) mod job;
pub(crate) mod json;
pub(crate) mod metrics;
pub(crate) mod queue;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod token;
pub(crate) mod words;
pub(crate) mod worker;

pub(crate) use item::Item;
