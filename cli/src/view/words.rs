//! States, durations, times and counts, as people read them.

use std::fmt::Write;
use std::time::Duration;

use jobflow::{JobState, proto};
use prost_types::Timestamp;

pub(crate) fn state(state: proto::JobState) -> &'static str {
    JobState::try_from(state).map_or("unknown", JobState::as_str)
}

pub(crate) fn health(status: proto::HealthStatus) -> &'static str {
    match status {
        proto::HealthStatus::Unspecified => "unknown",
        proto::HealthStatus::Healthy => "healthy",
        proto::HealthStatus::Degraded => "degraded",
        proto::HealthStatus::Unhealthy => "unhealthy",
    }
}

pub(crate) fn outcome(outcome: proto::AttemptOutcome) -> &'static str {
    use proto::AttemptOutcome as Outcome;
    match outcome {
        Outcome::Unspecified => "unknown",
        Outcome::Acked => "acked",
        Outcome::Errored => "errored",
        Outcome::Snoozed => "snoozed",
        Outcome::Released => "released",
        Outcome::Lost => "lost",
        Outcome::Cancelled => "cancelled",
    }
}

pub(crate) fn worker(state: proto::WorkerState) -> &'static str {
    match state {
        proto::WorkerState::Unspecified => "unknown",
        proto::WorkerState::Running => "running",
        proto::WorkerState::Quiet => "quiet",
        proto::WorkerState::Stopping => "stopping",
    }
}

pub(crate) fn severity(severity: proto::Severity) -> &'static str {
    match severity {
        proto::Severity::Unspecified => "unknown",
        proto::Severity::Ok => "ok",
        proto::Severity::Warning => "warning",
        proto::Severity::Error => "error",
    }
}

pub(crate) fn action(action: proto::BulkAction) -> &'static str {
    match action {
        proto::BulkAction::Unspecified => "change",
        proto::BulkAction::Cancel => "cancel",
        proto::BulkAction::Retry => "retry",
        proto::BulkAction::Delete => "delete",
        proto::BulkAction::Promote => "promote",
    }
}

pub(crate) fn bulk(state: proto::BulkState) -> &'static str {
    match state {
        proto::BulkState::Unspecified => "unknown",
        proto::BulkState::Running => "running",
        proto::BulkState::Done => "done",
        proto::BulkState::Stopped => "stopped",
    }
}

/// The two largest units: `0.4ms`, `132ms`, `1.2s`, `2m 3s`, `3h 12m`, `2d`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (large, unit, small, small_unit) = match seconds {
        0 => return decimal(duration.as_secs_f64() * 1_000.0, "ms"),
        1..60 => return decimal(duration.as_secs_f64(), "s"),
        60..3_600 => (seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds / 60 % 60, "m"),
        _ => (seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    };
    match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit} {small}{small_unit}"),
    }
}

/// Two digits or more, without an idle zero.
fn decimal(number: f64, unit: &str) -> String {
    let digits = usize::from(number < 9.95 || unit == "s");
    let number = format!("{number:.digits$}");
    format!("{}{unit}", number.strip_suffix(".0").unwrap_or(&number))
}

/// A duration from the wire; `-` where there is none.
pub(crate) fn wire_duration(wire: Option<&prost_types::Duration>) -> String {
    wire.and_then(|wire| Duration::try_from(*wire).ok())
        .map_or_else(|| "-".to_owned(), duration)
}

/// From one time of the store to a later one.
pub(crate) fn between(from: Option<&Timestamp>, to: Option<&Timestamp>) -> Option<String> {
    let (from, to) = (from?, to?);
    let nanos =
        i128::from(to.seconds - from.seconds) * 1_000_000_000 + i128::from(to.nanos - from.nanos);
    Some(duration(Duration::from_nanos(u64::try_from(nanos).ok()?)))
}

/// `100,000`
pub(crate) fn count(count: impl TryInto<u64>) -> String {
    indicatif::HumanCount(count.try_into().unwrap_or(0)).to_string()
}

/// `1 line`, `2 lines`
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// Makes foreign text harmless for a terminal: its control characters, other
/// than line ends and tabs, are spelled out.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.trim_end().chars() {
        match character {
            control if control.is_control() && !matches!(control, '\n' | '\t') => {
                // Writing to a string does not fail.
                let _ = write!(safe, "{}", control.escape_default());
            }
            character => safe.push(character),
        }
    }
    safe
}

/// What is left out where it is empty.
pub(crate) fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| printable(text))
}

/// A payload or result, or how large it is.
pub(crate) fn content(bytes: &[u8], content_type: &str) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => given(text),
        Err(_) => Some(format!(
            "{} bytes of {}",
            count(bytes.len() as u64),
            printable(content_type)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_two_units() {
        for (millis, words) in [
            (0, "0ms"),
            (4, "4ms"),
            (132, "132ms"),
            (1_240, "1.2s"),
            (30_000, "30s"),
            (123_000, "2m 3s"),
            (1_800_000, "30m"),
            (11_520_000, "3h 12m"),
            (187_200_000, "2d 4h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), words);
        }
        assert_eq!(duration(Duration::from_micros(420)), "0.4ms");
    }

    #[test]
    fn foreign_text_can_not_drive_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc\n"), "a\\u{1b}[2Jb\nc");
    }

    #[test]
    fn a_time_before_the_other_has_no_distance() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        assert_eq!(
            between(at(1).as_ref(), at(3).as_ref()).as_deref(),
            Some("2s")
        );
        assert_eq!(between(at(3).as_ref(), at(1).as_ref()), None);
        assert_eq!(between(None, at(1).as_ref()), None);
    }
}
