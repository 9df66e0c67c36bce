//! What all things that are printed have in common.

use serde::Serialize;

use crate::view::table::Column;

/// A thing that is printed alone or in a list, in each form.
pub(crate) trait Item {
    /// The columns of a list.
    const COLUMNS: &'static [Column];

    /// What other commands know it by.
    fn id(&self) -> &str;

    fn json(&self) -> impl Serialize;

    /// All of it, for people; ends with a line end.
    fn text(&self) -> String;

    /// A cell for each column.
    fn row(&self) -> Vec<String>;
}
