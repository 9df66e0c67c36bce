//! The faults: each a small piece of code with a name, in the file of what it hits.

mod clock;
mod deploy;
mod network;
mod process;
mod redis;
mod store;

pub(crate) use clock::{
    environment as clock_environment, library as clock_library, set as set_clock,
};

use anyhow::Result;

use crate::world::World;

/// Who feels it.
pub(crate) enum Scope {
    All,
    /// The processes with these ids.
    Some(Vec<u32>),
}

/// Looks at a fault that is under way: what it came to, once it is healed.
pub(crate) type Heal = Box<dyn FnMut(&mut World) -> Result<Option<String>>>;

/// A fault that has begun.
pub(crate) struct Ongoing {
    pub(crate) scope: Scope,
    /// After so many milliseconds `heal` is asked, again and again until it is done.
    pub(crate) lasts_ms: u64,
    pub(crate) heal: Heal,
}

impl Ongoing {
    /// One that is over at once.
    fn instant(scope: Scope) -> Self {
        Self::new(scope, 0, |_| Ok(()))
    }

    /// One that is healed by one action.
    fn new(
        scope: Scope,
        lasts_ms: u64,
        mut heal: impl FnMut(&mut World) -> Result<()> + 'static,
    ) -> Self {
        Self {
            scope,
            lasts_ms,
            heal: Box::new(move |world| heal(world).map(|()| Some(String::new()))),
        }
    }
}

/// One kind of fault.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Begins it; none when it can not be at the moment.
    pub(crate) begin: fn(&mut World) -> Result<Option<Ongoing>>,
}

/// All of them.
pub(crate) fn all() -> Vec<&'static Fault> {
    let families: [&'static [Fault]; 6] = [
        &process::FAULTS,
        &redis::FAULTS,
        &store::FAULTS,
        &network::FAULTS,
        &clock::FAULTS,
        &deploy::FAULTS,
    ];
    families.into_iter().flatten().collect()
}

/// The one with this name.
pub(crate) fn find(name: &str) -> Option<&'static Fault> {
    all().into_iter().find(|fault| fault.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_one_word() {
        let mut names: Vec<_> = all().iter().map(|fault| fault.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| !name.contains([' ', ','])));
    }
}
