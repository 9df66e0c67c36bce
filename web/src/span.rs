//! Spans of time as people write them: `90s`, `15m`, `24h`, `30d`. Pure.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// A span from its text, `None` when it is none; several parts add up.
pub(crate) fn read(text: &str) -> Option<Duration> {
    let mut millis = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].trim_start();
        let letters = unit
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(unit.len());
        let (_, size) = UNITS.iter().find(|(name, _)| *name == &unit[..letters])?;
        millis = millis.checked_add(number.checked_mul(*size)?)?;
        rest = unit[letters..].trim_start();
    }
    Some(Duration::from_millis(millis))
}

/// The text of a span: one number with the largest unit that fits it.
pub(crate) fn write(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    // A day is written as 24h, a whole number of several as days.
    let fits = |size: u64| millis.is_multiple_of(size) && (size < 86_400_000 || millis >= 2 * size);
    let unit = UNITS.iter().rev().find(|(_, size)| fits(*size));
    let (name, size) = unit.unwrap_or(&UNITS[0]);
    format!("{}{name}", millis / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, millis) in [
            ("250ms", 250),
            ("90s", 90_000),
            (" 15 m ", 900_000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for odd in [
            "",
            "5",
            "h",
            "5x",
            "-1s",
            "1.5h",
            "99999999999999999999d",
            "9999999999999999d",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_span_is_written_with_the_unit_that_fits() {
        for text in ["250ms", "90s", "15m", "24h", "36h", "30d"] {
            assert_eq!(write(read(text).expect("a span")), text);
        }
        assert_eq!(write(Duration::ZERO), "0h");
    }
}
