//! Proves from what a torture run left behind whether the queue kept its word.
//!
//! It reads the logs that submitters, handlers and the run itself wrote, and a
//! dump of Redis, and shares no code with the queue: what it knows of stored
//! records is in `dump`, written from `docs/redis-layout.md`.
//!
//! # Layout
//! `terms` is what the run promised, `log` and `dump` read its files, `evidence`
//! puts them together; `rules/` has one invariant per file, `figures` counts,
//! and `report` prints the verdict.

mod causes;
mod dump;
mod evidence;
mod figures;
mod log;
mod report;
mod rules;
mod terms;

pub use evidence::Evidence;
pub use report::{Report, Verdict};
pub use terms::{Durability, Musts, Terms};

use std::path::Path;

/// Checks the folder of a run.
///
/// # Errors
/// When a file is missing or can not be read; a violation is no error.
pub fn check(folder: &Path) -> anyhow::Result<Report> {
    let evidence = Evidence::read(folder)?;
    Ok(judge(&evidence))
}

/// Judges what is known of a run.
#[must_use]
pub fn judge(evidence: &Evidence) -> Report {
    Report {
        verdicts: rules::all(evidence),
        figures: figures::all(evidence),
    }
}
