//! What several commands do.

use prost_types::{Duration, Timestamp};

use crate::error::Result;
use crate::output::Output;
use crate::view::words::plural;

/// Tells what a command would do, instead of doing it.
pub(crate) fn tell_count(
    verb: &str,
    count: i64,
    complete: bool,
    output: &mut Output,
) -> Result<()> {
    let jobs = plural(u64::try_from(count).unwrap_or(0), "job");
    let least = if complete { "" } else { "at least " };
    let json = serde_json::json!({ "count": count, "complete": complete });
    Ok(output.answer(&format!("would {verb} {least}{jobs}\n"), &json)?)
}

/// A time of the store, and a while later.
pub(crate) fn after(time: Timestamp, delay: Duration) -> Timestamp {
    let nanos = i64::from(time.nanos) + i64::from(delay.nanos);
    let second = 1_000_000_000;
    Timestamp {
        seconds: (time.seconds + nanos / second).saturating_add(delay.seconds),
        nanos: i32::try_from(nanos % second).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_carry_over() {
        let time = Timestamp {
            seconds: 10,
            nanos: 900_000_000,
        };
        let delay = Duration {
            seconds: 5,
            nanos: 200_000_000,
        };
        let later = after(time, delay);
        assert_eq!((later.seconds, later.nanos), (16, 100_000_000));
    }
}
