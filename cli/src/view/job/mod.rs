//! Jobs.

mod item;
mod json;
mod text;

pub(crate) use item::{DeadLetter, note};
pub(crate) use json::{Job, Submitted};
pub(crate) use text::{attempt, ended, first_line, progress, submitted};
