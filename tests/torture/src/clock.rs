//! The clock that all processes of a machine share, and that no fake one touches.

use rustix::time::{ClockId, clock_gettime};

/// One millisecond.
pub const MS: u64 = 1_000_000;
/// One second.
pub const SECOND: u64 = 1_000 * MS;

/// Nanoseconds on the monotonic clock, read from the kernel.
#[must_use]
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    whole(now.tv_sec) * SECOND + whole(now.tv_nsec)
}

/// What this process takes for the time of the day, in milliseconds: a faked
/// clock shows here.
#[must_use]
pub fn wall_ms() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "goes into a log, and decides nothing"
    )]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn whole(part: i64) -> u64 {
    u64::try_from(part).unwrap_or(0)
}
