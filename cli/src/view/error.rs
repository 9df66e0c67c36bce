//! Errors as people read them.

use anstyle::Style;

use crate::error::Error;
use crate::view::style::BAD;
use crate::view::words::printable;

const ERROR: Style = BAD.bold();

pub(crate) fn error(error: &Error) -> String {
    let reason = error.reason.as_ref().map(|reason| format!(" ({reason})"));
    let hint = error.hint.as_ref().map(|hint| format!("\n  {hint}"));
    format!(
        "{ERROR}error:{ERROR:#} {}{}{}",
        printable(&error.message),
        reason.unwrap_or_default(),
        hint.unwrap_or_default(),
    )
}
