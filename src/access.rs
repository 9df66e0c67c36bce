//! Who may do what: the roles, and the queues they are held for.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::job::{MAX_NAME, QueueName};

/// The most patterns that one principal can have.
pub const MAX_QUEUE_PATTERNS: usize = 16;

/// What a principal may do, in one word. The server has the table of which
/// call is open to which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Looks at everything but payloads, results and headers.
    Viewer,
    /// Submits jobs, and looks at those whose id it knows.
    Submitter,
    /// Looks at everything, and changes jobs and queues.
    Operator,
    /// Does everything, and makes tokens.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Submitter, Self::Operator, Self::Admin];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether it may see what jobs carry: payloads, results and headers.
    #[must_use]
    pub const fn sees_payloads(self) -> bool {
        !matches!(self, Self::Viewer)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;
    fn from_str(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == word);
        known.ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid("role", format!("must be one of {words}"))
        })
    }
}

/// Queues by their name, or with a `*` at the end by its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum QueuePattern {
    Name(QueueName),
    /// The empty beginning is that of all queues.
    Start(String),
}

/// The queues that a principal may touch: at least one pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueueScope(Vec<QueuePattern>);

impl QueueScope {
    /// Every queue.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![QueuePattern::Start(String::new())])
    }

    /// Reads patterns such as `mail` or `mail-*`; none at all mean every queue.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming `queues`.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self> {
        let patterns = patterns.into_iter().map(|text| pattern(text.as_ref()));
        let patterns = patterns.collect::<Result<Vec<_>>>()?;
        if patterns.len() > MAX_QUEUE_PATTERNS {
            let message = format!("must be at most {MAX_QUEUE_PATTERNS}");
            return Err(Error::invalid("queues", message));
        }
        if patterns.is_empty() {
            return Ok(Self::all());
        }
        Ok(Self(patterns))
    }

    /// Whether it holds every queue there can be.
    #[must_use]
    pub fn is_all(&self) -> bool {
        let mut patterns = self.0.iter();
        patterns.any(|pattern| matches!(pattern, QueuePattern::Start(start) if start.is_empty()))
    }

    /// Whether it holds the queue of this name.
    #[must_use]
    pub fn contains(&self, queue: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            QueuePattern::Name(name) => name.as_str() == queue,
            QueuePattern::Start(start) => queue.starts_with(start.as_str()),
        })
    }

    pub(crate) fn patterns(&self) -> &[QueuePattern] {
        &self.0
    }

    /// As they are written.
    #[must_use]
    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Display for QueuePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Start(start) => write!(f, "{start}*"),
        }
    }
}

fn pattern(text: &str) -> Result<QueuePattern> {
    let refused = || {
        let message = "must be names of queues, or beginnings of names with a * behind them";
        Error::invalid("queues", message)
    };
    match text.strip_suffix('*') {
        None => QueueName::new(text)
            .map(QueuePattern::Name)
            .map_err(|_| refused()),
        Some(start) if start.is_empty() || (start.len() < MAX_NAME && is_start(start)) => {
            Ok(QueuePattern::Start(start.to_owned()))
        }
        Some(_) => Err(refused()),
    }
}

/// What a name can begin with is itself spelled like a name.
fn is_start(start: &str) -> bool {
    QueueName::new(start).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_names_and_beginnings() {
        let scope = QueueScope::new(["mail", "shop-*"]).unwrap();
        for inside in ["mail", "shop-", "shop-eu"] {
            assert!(scope.contains(inside), "{inside}");
        }
        for outside in ["mail2", "shop", "", "xmail", "*"] {
            assert!(!scope.contains(outside), "{outside}");
        }
        assert!(!scope.is_all());
        assert_eq!(scope.to_strings(), ["mail", "shop-*"]);
    }

    #[test]
    fn none_and_a_star_mean_every_queue() {
        let none: [&str; 0] = [];
        for scope in [QueueScope::new(none), QueueScope::new(["a", "*"])] {
            let scope = scope.unwrap();
            assert!(scope.is_all() && scope.contains("anything"));
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = "x".repeat(MAX_NAME + 1);
        for odd in ["", "**", "a*b", "*a", "A", "a b*", "{x}*", "-*", &long] {
            let refused = QueueScope::new([odd]).unwrap_err();
            assert_eq!(refused.field(), Some("queues"), "{odd}");
        }
        let many = vec!["a"; MAX_QUEUE_PATTERNS + 1];
        assert!(QueueScope::new(many).is_err());
    }

    #[test]
    fn a_role_is_read_back() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>(), Ok(role));
        }
        assert_eq!("root".parse::<Role>().unwrap_err().field(), Some("role"));
    }
}
