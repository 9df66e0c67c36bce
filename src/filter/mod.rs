//! Filters: which jobs are meant, as text that people type.
//!
//! A subset of AIP-160; `docs/api.md` has the grammar for users.
//!
//! ```text
//! filter     = [ sequence { "AND" sequence } ]
//! sequence   = choice { choice }                 the same as AND
//! choice     = factor { "OR" factor }            binds closer than AND
//! factor     = [ "NOT" | "-" ] ( "(" filter ")" | field operator value )
//! operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":"
//! value      = bare or "quoted" text; a "*" at its end stands for anything
//! ```
//!
//! Pure: `lexer` and `parser` make an expression, `term` checks each
//! comparison, `eval` decides, and `plan` tells what a filter needs to be read.

mod eval;
mod lexer;
mod parser;
mod plan;
mod term;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::access::QueueScope;
use crate::error::{Error, Result};
use crate::job::{JobId, Kind, QueueName};
use crate::record::JobRecord;
use crate::state::JobState;

use eval::Expr;
pub use term::Field;

/// The longest filter, in bytes.
pub const MAX_FILTER: usize = 4 * 1024;
/// The most comparisons in a filter.
const MAX_TERMS: usize = 64;
/// The deepest nesting of parentheses.
const MAX_DEPTH: usize = 32;

/// Which jobs are meant. The default means all.
///
/// ```
/// use jobflow::Filter;
///
/// # fn main() -> jobflow::Result<()> {
/// let filter = Filter::parse(r#"queue = mail (state = failed OR attempt > 3) -tags:eu"#)?;
/// assert_eq!(
///     filter.to_string(),
///     "queue = mail AND (state = failed OR attempt > 3) AND NOT tags:eu",
/// );
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Expr);

impl Default for Filter {
    fn default() -> Self {
        Self(Expr::And(Vec::new()))
    }
}

impl Filter {
    /// Reads a filter; an empty one means all jobs.
    ///
    /// # Errors
    /// `INVALID_FILTER` with the position of what can not be read.
    pub fn parse(text: &str) -> Result<Self> {
        parser::parse(text).map(Self)
    }

    /// Whether the job is meant.
    #[must_use]
    pub fn matches(&self, job: &JobRecord) -> bool {
        self.0.eval(&|term| Some(term.matches(job))) == Some(true)
    }

    /// Whether a job of which only this is known is meant; a comparison with
    /// anything else, or with a kind that is not known, does not hold.
    #[must_use]
    pub fn matches_move(
        &self,
        id: JobId,
        queue: &QueueName,
        kind: Option<&Kind>,
        state: JobState,
    ) -> bool {
        self.0
            .eval(&|term| Some(term.matches_move(id, queue, kind, state)))
            == Some(true)
    }

    /// Refuses a filter that looks at anything but these fields.
    ///
    /// # Errors
    /// `INVALID_FILTER` naming the first other field and those that may be used.
    pub fn only(&self, allowed: &[Field]) -> Result<()> {
        let terms = self.0.terms();
        let Some(other) = terms.iter().find(|term| !allowed.contains(&term.field)) else {
            return Ok(());
        };
        let names: Vec<_> = allowed.iter().map(|field| field.name()).collect();
        Err(Error::InvalidFilter {
            message: format!(
                "{} can not be used here; the fields are {}",
                other.field.name(),
                names.join(", ")
            ),
            position: other.position,
        })
    }

    /// This filter, narrowed to some states, at least one.
    #[must_use]
    pub fn and_states(&self, states: &[JobState]) -> Self {
        let states = states
            .iter()
            .map(|state| Expr::Term(term::Term::state(*state)));
        Self(Expr::and([Expr::or(states), self.0.clone()]))
    }

    /// This filter, narrowed to the jobs of some queues.
    #[must_use]
    pub fn and_queues(&self, scope: &QueueScope) -> Self {
        if scope.is_all() {
            return self.clone();
        }
        let queues = scope.patterns().iter();
        let queues = queues.map(|pattern| Expr::Term(term::Term::queue(pattern)));
        Self(Expr::and([Expr::or(queues), self.0.clone()]))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Filter {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}
