//! How numbers, times and ids read. Pure, so that every page spells them alike.

use std::time::Duration;

/// From here on a count is shortened; the full number stands in the title.
const COMPACT_FROM: u64 = 10_000_000;

/// A whole number in groups of three: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count that has to fit a tile: grouped, or `12.3M` and `4.5B` where it is huge.
pub(crate) fn count(number: u64) -> String {
    if number < COMPACT_FROM {
        return grouped(number);
    }
    let (unit, suffix) = if number < 1_000_000_000 {
        (100_000, "M")
    } else {
        (100_000_000, "B")
    };
    let tenths = number / unit;
    format!("{}.{}{suffix}", grouped(tenths / 10), tenths % 10)
}

/// `1 worker`, `2 workers`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// A rate without its unit: one decimal below a hundred, whole above.
pub(crate) fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second <= 0.0 {
        return "0".into();
    }
    if per_second < 0.05 {
        return "<0.1".into();
    }
    if per_second < 99.95 {
        return format!("{per_second:.1}");
    }
    grouped(whole(per_second))
}

/// The nearest whole number that is not below zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and below zero is ruled out"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number.max(0.0).round() as u64
}

/// How long something took, in two units at most: `12 ms`, `1.2 s`, `3 min 20 s`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.is_zero() => "0 ms".into(),
        0 if time.as_millis() == 0 => "<1 ms".into(),
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{}.{} s", seconds, time.subsec_millis() / 100),
        60..3_600 => two_units(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two_units(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two_units(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

fn two_units(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        return format!("{} {large_unit}", grouped(large));
    }
    format!("{} {large_unit} {small} {small_unit}", grouped(large))
}

/// A round trip, where tenths of a millisecond matter: `0.31 ms`.
pub(crate) fn round_trip(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1_000.0;
    if millis < 10.0 {
        return format!("{millis:.2} ms");
    }
    duration(time)
}

/// The age of the numbers, fine enough to be seen moving: `0.4 s`.
pub(crate) fn age(millis: u64) -> String {
    if millis < 60_000 {
        return format!("{}.{} s", millis / 1_000, millis % 1_000 / 100);
    }
    duration(Duration::from_millis(millis))
}

/// The same in whole seconds, for text that is read aloud when it changes: `5 s`.
pub(crate) fn coarse_age(millis: u64) -> String {
    if millis < 60_000 {
        return format!("{} s", millis / 1_000);
    }
    duration(Duration::from_millis(millis))
}

/// An estimate in seconds, as roughly as it is known: `40 s`, `12 min`, `3 h`.
pub(crate) fn coarse(seconds: f64) -> String {
    let (amount, unit) = match seconds {
        _ if seconds < 90.0 => (seconds, "s"),
        _ if seconds < 5_400.0 => (seconds / 60.0, "min"),
        _ if seconds < 172_800.0 => (seconds / 3_600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    format!("{} {unit}", grouped(whole(amount)))
}

/// A size: `512 B`, `1.5 KiB`, `3.2 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1_024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if size < 1_023.95 {
            break;
        }
        size /= 1_024.0;
        unit = larger;
    }
    format!("{size:.1} {unit}")
}

/// How long ago something was, in one unit: `now`, `12 s ago`, `3 min ago`.
pub(crate) fn ago(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0 => "now".into(),
        1..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", grouped(seconds / 86_400)),
    }
}

/// The part of a job's id that tells it from its neighbours: the last group.
///
/// The first two groups are the time, the same for all jobs of a minute.
pub(crate) fn short_id(id: &str) -> &str {
    id.rsplit('-').next().unwrap_or(id)
}

/// A part of a whole in percent: `0`, `<1`, `1.2`, `45`.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    if whole <= 0.0 || part <= 0.0 {
        return "0".into();
    }
    let percent = part / whole * 100.0;
    if percent < 0.1 {
        "<0.1".into()
    } else if percent < 9.95 {
        format!("{percent:.1}")
    } else {
        format!("{percent:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_huge_ones_are_shortened() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(count(9_999_999), "9,999,999");
        assert_eq!(count(12_345_678), "12.3M");
        assert_eq!(count(4_560_000_000), "4.5B");
        assert_eq!(count(u64::MAX), "18,446,744,073.7B");
    }

    #[test]
    fn nouns_agree_with_their_number() {
        assert_eq!(plural(0, "worker"), "0 workers");
        assert_eq!(plural(1, "worker"), "1 worker");
        assert_eq!(plural(1_000, "worker"), "1,000 workers");
    }

    #[test]
    fn rates_never_read_as_zero_while_something_happens() {
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(-1.0), "0");
        assert_eq!(rate(f64::NAN), "0");
        assert_eq!(rate(0.01), "<0.1");
        assert_eq!(rate(0.25), "0.2");
        assert_eq!(rate(12.34), "12.3");
        assert_eq!(rate(99.96), "100");
        assert_eq!(rate(12_345.6), "12,346");
    }

    #[test]
    fn durations_use_the_units_a_person_would() {
        let read = |millis| duration(Duration::from_millis(millis));
        assert_eq!(read(0), "0 ms");
        assert_eq!(duration(Duration::from_micros(200)), "<1 ms");
        assert_eq!(read(12), "12 ms");
        assert_eq!(read(1_240), "1.2 s");
        assert_eq!(read(59_999), "59.9 s");
        assert_eq!(read(60_000), "1 min");
        assert_eq!(read(200_000), "3 min 20 s");
        assert_eq!(read(7_500_000), "2 h 5 min");
        assert_eq!(read(273_600_000), "3 d 4 h");
        assert_eq!(round_trip(Duration::from_micros(314)), "0.31 ms");
        assert_eq!(round_trip(Duration::from_millis(120)), "120 ms");
    }

    #[test]
    fn ages_tell_how_old_the_numbers_are() {
        assert_eq!(age(0), "0.0 s");
        assert_eq!(age(449), "0.4 s");
        assert_eq!(age(12_000), "12.0 s");
        assert_eq!(age(90_000), "1 min 30 s");
        assert_eq!(coarse_age(5_900), "5 s");
        assert_eq!(coarse_age(90_000), "1 min 30 s");
        assert_eq!(coarse(40.2), "40 s");
        assert_eq!(coarse(700.0), "12 min");
        assert_eq!(coarse(10_000.0), "3 h");
        assert_eq!(coarse(300_000.0), "3 d");
        assert_eq!(ago(999), "now");
        assert_eq!(ago(12_345), "12 s ago");
        assert_eq!(ago(185_000), "3 min ago");
        assert_eq!(ago(7_200_000), "2 h ago");
        assert_eq!(ago(259_200_000), "3 d ago");
    }

    #[test]
    fn sizes_have_one_decimal() {
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(1_048_576), "1.0 MiB");
        assert_eq!(bytes(5 << 40), "5.0 TiB");
    }

    #[test]
    fn a_short_id_is_the_last_group() {
        assert_eq!(
            short_id("01932f4e-7a1c-7c3e-9b2a-5f0c9d8e7a61"),
            "5f0c9d8e7a61"
        );
        assert_eq!(short_id("odd"), "odd");
    }

    #[test]
    fn parts_of_nothing_are_nothing() {
        assert_eq!(percent(1.0, 0.0), "0");
        assert_eq!(percent(0.0, 5.0), "0");
        assert_eq!(percent(1.0, 5_000.0), "<0.1");
        assert_eq!(percent(1.0, 80.0), "1.2");
        assert_eq!(percent(1.0, 2.0), "50");
    }
}
