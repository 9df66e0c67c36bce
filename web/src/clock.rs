//! Instants as people read them. Pure: the zone comes as minutes from UTC.

use std::fmt::Write;

const DAY_MS: i64 = 86_400_000;

/// An instant in a zone that is so many minutes ahead of UTC:
/// `2030-01-31 09:00:00.250`.
pub(crate) fn full(millis: u64, offset_minutes: i32) -> String {
    let (days, of_day) = local(millis, offset_minutes);
    let (year, month, day) = civil(days);
    let mut text = format!("{year:04}-{month:02}-{day:02} {}", time(of_day));
    write!(text, ".{:03}", of_day % 1_000).expect("a string takes any text");
    text
}

/// The same as short as `now` allows: the time alone on the same day.
pub(crate) fn short(millis: u64, now: u64, offset_minutes: i32) -> String {
    let (days, of_day) = local(millis, offset_minutes);
    let (today, _) = local(now, offset_minutes);
    if days == today {
        return time(of_day);
    }
    let (year, month, day) = civil(days);
    let (this_year, ..) = civil(today);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    if year == this_year {
        return format!("{month:02}-{day:02} {hour:02}:{minute:02}");
    }
    format!("{year:04}-{month:02}-{day:02}")
}

/// `+02:00`, or `UTC`.
pub(crate) fn zone(offset_minutes: i32) -> String {
    if offset_minutes == 0 {
        return "UTC".into();
    }
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let minutes = offset_minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The day since 1970 and the millisecond of it.
fn local(millis: u64, offset_minutes: i32) -> (i64, i64) {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX - DAY_MS * 2);
    let local = millis + i64::from(offset_minutes) * 60_000;
    (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS))
}

fn time(of_day: i64) -> String {
    let seconds = of_day / 1_000;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Year, month and day of a day since 1970, by the calendar of our time.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the leap day is the last of one.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAP_DAY: u64 = 1_709_211_661_042; // 2024-02-29 13:01:01.042 UTC

    #[test]
    fn instants_read_in_the_zone_of_the_reader() {
        assert_eq!(full(0, 0), "1970-01-01 00:00:00.000");
        assert_eq!(full(0, -60), "1969-12-31 23:00:00.000");
        assert_eq!(full(LEAP_DAY, 0), "2024-02-29 13:01:01.042");
        assert_eq!(full(LEAP_DAY, 660), "2024-03-01 00:01:01.042");
        assert_eq!(full(951_868_800_000, 0), "2000-03-01 00:00:00.000");
        assert!(!full(u64::MAX, 0).is_empty());
    }

    #[test]
    fn what_is_of_today_needs_no_date() {
        let hour = 3_600_000;
        assert_eq!(short(LEAP_DAY, LEAP_DAY + hour, 0), "13:01:01");
        assert_eq!(short(LEAP_DAY, LEAP_DAY + 24 * hour, 0), "02-29 13:01");
        let years = 2 * 366 * 24 * hour;
        assert_eq!(short(LEAP_DAY, LEAP_DAY + years, 0), "2024-02-29");
    }

    #[test]
    fn zones_have_names() {
        assert_eq!(zone(0), "UTC");
        assert_eq!(zone(120), "+02:00");
        assert_eq!(zone(-210), "-03:30");
    }
}
