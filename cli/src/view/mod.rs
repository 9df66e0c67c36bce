//! The forms in which things are shown.

pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod words;
