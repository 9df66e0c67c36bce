//! Places at which a process can be told to die, so that a test can see what
//! is left of whatever it was doing: see `tests/failpoints`.
//!
//! Without the feature `failpoints` there is nothing of this in a build.

/// Ends the process at once where the environment says so.
///
/// A name is used once, and says what has just been done, or is about to be.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        $crate::failpoint::reach($name)
    };
}

/// The process is at this place.
#[cfg(feature = "failpoints")]
#[expect(clippy::print_stderr, reason = "the last words of a process")]
pub fn reach(name: &str) {
    use std::sync::LazyLock;

    static ARMED: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("JOBFLOW_FAILPOINT").ok());
    if ARMED.as_deref() == Some(name) {
        eprintln!("failpoint {name}");
        // Not a panic, which tasks survive: no destructor may run, as after SIGKILL.
        std::process::abort();
    }
}

/// The process is at this place, which is no matter.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn reach(_: &str) {}
