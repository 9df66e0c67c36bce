//! The expression, and what it says of a job.

use std::fmt;

use super::term::Term;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Term(Term),
}

impl Expr {
    /// One `And` of all parts, without an `And` right inside another.
    pub(super) fn and(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            1 => flat.remove(0),
            _ => Self::And(flat),
        }
    }

    /// One `Or` of all parts, at least one, without an `Or` right inside another.
    pub(super) fn or(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            1 => flat.remove(0),
            _ => Self::Or(flat),
        }
    }

    /// What follows from what is known: `None` where that is not enough.
    pub(super) fn eval(&self, known: &dyn Fn(&Term) -> Option<bool>) -> Option<bool> {
        // One part that decides is enough; otherwise one that is not known
        // leaves the whole open.
        let decide = |parts: &[Self], decisive: bool| {
            let mut whole = Some(!decisive);
            for part in parts {
                match part.eval(known) {
                    Some(value) if value == decisive => return Some(decisive),
                    Some(_) => {}
                    None => whole = None,
                }
            }
            whole
        };
        match self {
            Self::And(parts) => decide(parts, false),
            Self::Or(parts) => decide(parts, true),
            Self::Not(inner) => inner.eval(known).map(|value| !value),
            Self::Term(term) => known(term),
        }
    }

    /// How deep the parentheses are nested when it is written out.
    pub(super) fn depth(&self) -> usize {
        let inside = |part: &Self| match part {
            Self::And(_) | Self::Or(_) => 1 + part.depth(),
            Self::Not(_) | Self::Term(_) => part.depth(),
        };
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().map(inside).max().unwrap_or(0),
            Self::Not(inner) if matches!(**inner, Self::Term(_)) => 0,
            Self::Not(inner) => 1 + inner.depth(),
            Self::Term(_) => 0,
        }
    }

    /// All comparisons, from left to right.
    pub(super) fn terms(&self) -> Vec<&Term> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::terms).collect(),
            Self::Not(inner) => inner.terms(),
            Self::Term(term) => vec![term],
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                match part {
                    Self::And(_) | Self::Or(_) => write!(f, "({part})")?,
                    Self::Not(_) | Self::Term(_) => part.fmt(f)?,
                }
            }
            Ok(())
        };
        match self {
            Self::And(parts) => join(f, parts, "AND"),
            Self::Or(parts) => join(f, parts, "OR"),
            Self::Not(inner) => match **inner {
                Self::Term(_) => write!(f, "NOT {inner}"),
                _ => write!(f, "NOT ({inner})"),
            },
            Self::Term(term) => term.fmt(f),
        }
    }
}
