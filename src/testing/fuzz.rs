//! Inputs that nobody would send, for everything that reads bytes from outside.
//!
//! The same functions are the targets of cargo-fuzz, in `tests/fuzz`; here they get
//! inputs made by changing those that are kept there, on any toolchain.

mod inputs;
mod targets;

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use inputs::Inputs;
pub use targets::TARGETS;

/// Of each target, unless the variable `JOBFLOW_FUZZ_INPUTS` says otherwise.
const INPUTS: usize = 20_000;

/// Something that reads bytes from outside.
pub struct Target {
    /// As its folder of kept inputs is called.
    pub name: &'static str,
    /// Reads an input. It must not panic, whatever that is; what it finds out
    /// about what it has read, it asserts.
    pub read: fn(&[u8]),
}

/// Gives each target many inputs, and prints how many.
///
/// The variables `JOBFLOW_FUZZ_INPUTS` and `JOBFLOW_FUZZ_SEED` say how many, and
/// make a run a repetition of an earlier one.
///
/// # Panics
/// When a target does, with the input; and when a target has no inputs to begin with.
pub fn run(targets: &[Target]) {
    let inputs = number("JOBFLOW_FUZZ_INPUTS").unwrap_or(INPUTS);
    let seed = number("JOBFLOW_FUZZ_SEED").unwrap_or_else(|| rand::random_range(0..1 << 32));
    for target in targets {
        let tried = run_one(target, inputs, seed);
        #[expect(clippy::print_stdout, reason = "a figure of a test")]
        {
            println!("figure: fuzz {}: {tried} inputs, seed {seed}", target.name);
        }
    }
}

fn run_one(target: &Target, inputs: usize, seed: usize) -> usize {
    let kept = kept(target.name);
    assert!(!kept.is_empty(), "nothing is kept for {}", target.name);
    let mut tried = 0;
    for input in kept
        .iter()
        .cloned()
        .chain(Inputs::new(&kept, seed).take(inputs))
    {
        let read = catch_unwind(AssertUnwindSafe(|| (target.read)(&input)));
        assert!(
            read.is_ok(),
            "{} panics for {}, with seed {seed}; keep it in {}",
            target.name,
            hex(&input),
            folder(target.name).display()
        );
        tried += 1;
    }
    tried
}

/// The inputs that are kept for a target, by their names.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let Ok(files) = fs::read_dir(folder(name)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    let read = |path: &PathBuf| fs::read(path).expect("an input that is kept can be read");
    paths.iter().map(read).collect()
}

fn folder(name: &str) -> PathBuf {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus");
    Path::new(corpus).join(name)
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

fn hex(input: &[u8]) -> String {
    input.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
