//! What the crate reads from outside, with inputs that nobody would send.

use jobflow::testing::fuzz;

#[test]
fn nothing_from_outside_panics() {
    fuzz::run(fuzz::TARGETS);
}
