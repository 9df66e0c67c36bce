//! What the run and its workers share: the clock, and files that only grow.

pub mod clock;
pub mod journal;
