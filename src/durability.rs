//! How safe a job is before its submit is acknowledged.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// What has to have happened to a job before its submit is acknowledged.
///
/// It is about submits alone: what workers write is as safe as the store is
/// set up to keep it, since a job whose outcome is lost runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// The store has it in memory, and does with it what it is set up to do.
    #[default]
    Memory,
    /// It is on the disk of the store: whether the store is set up for that is
    /// read from it, and a submit is refused where it is not.
    Fsync,
    /// So many replicas have it as the configuration asks for.
    Replicated,
}

impl Durability {
    /// All classes.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Fsync, Self::Replicated];

    /// The word on the wire, in settings and on command lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Fsync => "fsync",
            Self::Replicated => "replicated",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Durability {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == word)
            .ok_or_else(|| Error::invalid("durability", "must be memory, fsync or replicated"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_word_and_nothing_else_is_one() {
        for class in Durability::ALL {
            assert_eq!(class.to_string().parse(), Ok(class));
        }
        for odd in ["", "Memory", "disk"] {
            let refused = odd.parse::<Durability>().unwrap_err();
            assert_eq!(refused.field(), Some("durability"), "{odd}");
        }
    }
}
