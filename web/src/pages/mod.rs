//! One page per file.

pub(crate) mod overview;
