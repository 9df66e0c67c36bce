//! Gives inputs of cargo-fuzz to the functions that every test run gives others to.

use jobflow::testing::fuzz::Target;

/// Lets the target of this name read an input.
///
/// # Panics
/// When the target does, or there is none of this name.
pub fn read(targets: &[Target], name: &str, input: &[u8]) {
    let target = targets.iter().find(|target| target.name == name);
    (target.expect("a target of this name").read)(input);
}
