//! A stretch of the past, cut into steps. Pure.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::job::StoreTime;

/// The most points of one answer.
pub const MAX_POINTS: usize = 1_000;
/// How many points there are at the most when nobody says how long a step is.
const USUAL_POINTS: u64 = 360;
/// What is asked for by default.
const USUAL: Duration = Duration::from_secs(3_600);
/// Steps to choose from, in seconds.
const USUAL_STEPS: [u64; 9] = [1, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 86_400];

/// What is kept of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    Seconds,
    Minutes,
    Hours,
}

impl Resolution {
    const fn of(step: u64) -> Self {
        match step {
            0..60 => Self::Seconds,
            60..3_600 => Self::Minutes,
            _ => Self::Hours,
        }
    }

    const fn seconds(self) -> u64 {
        match self {
            Self::Seconds => 1,
            Self::Minutes => 60,
            Self::Hours => 3_600,
        }
    }

    /// How far back there are rows of a queue that is always busy, in seconds;
    /// as many rows as `lua/prelude_count.lua` keeps.
    const fn reach(self) -> u64 {
        let rows = match self {
            Self::Seconds => 900,
            Self::Minutes => 1_500,
            Self::Hours => 744,
        };
        rows * self.seconds()
    }

    /// The key of its rows, and the letter of the measures that no row has yet.
    pub(crate) const fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Seconds => ("seconds", ""),
            Self::Minutes => ("minutes", "m"),
            Self::Hours => ("hours", "h"),
        }
    }
}

/// A stretch of the past in steps, each of which begins at a multiple of its
/// length since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsWindow {
    start: u64,
    step: u64,
    points: usize,
}

impl MetricsWindow {
    /// From `start` to `end` by the clock of the store: by default the hour up
    /// to now, in steps of which there are no more than 360. What lies ahead of
    /// `now` is left out.
    ///
    /// # Errors
    /// `INVALID_FIELD` for an end that is not after the start, a start ahead of
    /// `now` or further back than anything is kept, a step that is not of whole
    /// seconds, minutes from a minute on, or hours from an hour on, that is too
    /// short for how long seconds and minutes are kept, or that makes more than
    /// 1,000 points.
    pub(crate) fn new(
        start: Option<StoreTime>,
        end: Option<StoreTime>,
        step: Option<Duration>,
        now: StoreTime,
    ) -> Result<Self> {
        let end = end.map_or(now.0, |end| end.0.min(now.0));
        let usual = u64::try_from(USUAL.as_millis()).unwrap_or(u64::MAX);
        let start = start.map_or_else(|| end.saturating_sub(usual), |start| start.0);
        if start >= end {
            let message = "must be before end_time, and in the past";
            return Err(Error::invalid("start_time", message));
        }
        let age = (now.0 - start).div_ceil(1_000);
        if age > Resolution::Hours.reach() + Resolution::Hours.seconds() {
            let message = "must be within the last 31 days: nothing is kept for longer";
            return Err(Error::invalid("start_time", message));
        }
        let step = match step {
            Some(step) => checked(step, age)?,
            None => usual_step(age, (end - start).div_ceil(1_000)),
        };
        let start = start - start % (step * 1_000);
        let points = (end - start).div_ceil(step * 1_000);
        let points = usize::try_from(points).unwrap_or(usize::MAX);
        if points > MAX_POINTS {
            let message = format!("makes {points} points; at most {MAX_POINTS} are told at once");
            return Err(Error::invalid("step", message));
        }
        Ok(Self {
            start,
            step,
            points,
        })
    }

    /// When the first step begins.
    #[must_use]
    pub const fn start(&self) -> StoreTime {
        StoreTime(self.start)
    }

    /// When the last step ends; that may be ahead of now.
    #[must_use]
    pub const fn end(&self) -> StoreTime {
        self.start_of(self.points)
    }

    /// How long a step is.
    #[must_use]
    pub const fn step(&self) -> Duration {
        Duration::from_secs(self.step)
    }

    pub(crate) const fn points(&self) -> usize {
        self.points
    }

    pub(crate) const fn start_of(&self, point: usize) -> StoreTime {
        StoreTime(self.start + point as u64 * self.step * 1_000)
    }

    /// Which step holds a time.
    pub(crate) fn point_at(&self, time: StoreTime) -> Option<usize> {
        let past = time.0.checked_sub(self.start)?;
        let point = usize::try_from(past / (self.step * 1_000)).ok()?;
        (point < self.points).then_some(point)
    }

    pub(crate) const fn resolution(&self) -> Resolution {
        Resolution::of(self.step)
    }
}

fn checked(step: Duration, age: u64) -> Result<u64> {
    let seconds = step.as_secs();
    let resolution = Resolution::of(seconds);
    if seconds == 0 || step.subsec_nanos() > 0 || !seconds.is_multiple_of(resolution.seconds()) {
        let message =
            "must be whole seconds, from a minute on whole minutes, from an hour on whole hours";
        return Err(Error::invalid("step", message));
    }
    if seconds > Resolution::Hours.reach() {
        return Err(Error::invalid("step", "must be at most 31 days"));
    }
    if age > resolution.reach() + resolution.seconds() && resolution != Resolution::Hours {
        let message = "must be longer for this start_time: \
                       seconds are kept for 15 minutes, minutes for 25 hours, hours for 31 days";
        return Err(Error::invalid("step", message));
    }
    Ok(seconds)
}

fn usual_step(age: u64, length: u64) -> u64 {
    let fits = |step: &u64| {
        let reach = Resolution::of(*step).reach();
        length.div_ceil(*step) <= USUAL_POINTS && (age <= reach || *step >= 3_600)
    };
    let [.., longest] = USUAL_STEPS;
    USUAL_STEPS.into_iter().find(fits).unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Friday in 2027.
    const NOW: StoreTime = StoreTime(1_800_000_123_456);
    const HOUR: u64 = 3_600;
    const DAY: u64 = 24 * HOUR;

    fn ago(seconds: u64) -> Option<StoreTime> {
        Some(StoreTime(NOW.0 - seconds * 1_000))
    }

    fn step(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    fn refused(window: Result<MetricsWindow>) -> String {
        window.unwrap_err().field().unwrap().to_owned()
    }

    #[test]
    fn the_last_hour_by_minutes_is_the_default() {
        let window = MetricsWindow::new(None, None, None, NOW).unwrap();
        assert_eq!(window.step(), Duration::from_secs(60));
        assert!((60..=61).contains(&window.points()));
        assert!(window.end() >= NOW);
        assert_eq!(window.start().0 % 60_000, 0);
        assert_eq!(window.point_at(window.start()), Some(0));
        assert_eq!(window.point_at(window.end()), None);
        assert_eq!(window.point_at(StoreTime(window.start().0 - 1)), None);
    }

    #[test]
    fn a_step_is_found_for_every_length() {
        for (length, usual) in [
            (60, 1),
            (300, 1),
            (900, 60),
            (HOUR, 60),
            (DAY, 300),
            (7 * DAY, 3_600),
            (30 * DAY, 3 * HOUR),
        ] {
            let window = MetricsWindow::new(ago(length), None, None, NOW).unwrap();
            assert_eq!(window.step, usual, "{length}");
            assert!(window.points() <= 361);
            assert_eq!(window.resolution(), Resolution::of(usual));
        }
        // A minute of two weeks ago: there are only hours.
        let old = MetricsWindow::new(ago(14 * DAY), ago(14 * DAY - 60), None, NOW).unwrap();
        assert_eq!(old.step, HOUR);
    }

    #[test]
    fn what_can_not_be_told_names_its_field() {
        let refused_start = [
            MetricsWindow::new(ago(60), ago(60), None, NOW),
            MetricsWindow::new(ago(60), ago(120), None, NOW),
            MetricsWindow::new(Some(StoreTime(NOW.0 + 5)), None, None, NOW),
            MetricsWindow::new(ago(32 * DAY), None, None, NOW),
            MetricsWindow::new(Some(StoreTime(0)), None, None, NOW),
        ];
        for window in refused_start {
            assert_eq!(refused(window), "start_time");
        }
        for (start, step) in [
            (60, Duration::ZERO),
            (60, Duration::from_millis(1_500)),
            (HOUR, Duration::from_secs(90)),
            (DAY, Duration::from_secs(5_400)),
            (HOUR, Duration::from_secs(1)),
            (2 * DAY, Duration::from_secs(60)),
            (DAY, Duration::from_secs(60)),
            (DAY, Duration::from_secs(40 * DAY)),
        ] {
            let window = MetricsWindow::new(ago(start), None, Some(step), NOW);
            assert_eq!(refused(window), "step", "{start} {step:?}");
        }
    }

    #[test]
    fn a_thousand_points_are_told_and_no_more() {
        assert!(MetricsWindow::new(ago(999), None, step(1), NOW).is_err());
        let most = MetricsWindow::new(ago(890), None, step(1), NOW).unwrap();
        assert!(most.points() >= 890);
        let minutes = MetricsWindow::new(ago(999 * 60), None, step(60), NOW).unwrap();
        assert_eq!(minutes.points(), MAX_POINTS);
        assert_eq!(
            refused(MetricsWindow::new(ago(1_001 * 60), None, step(60), NOW)),
            "step"
        );
    }

    #[test]
    fn what_lies_ahead_is_left_out() {
        let ahead = Some(StoreTime(NOW.0 + 1_000_000));
        let window = MetricsWindow::new(ago(60), ahead, step(1), NOW).unwrap();
        assert_eq!(
            MetricsWindow::new(ago(60), None, step(1), NOW).unwrap(),
            window
        );
    }

    #[test]
    fn rows_are_kept_as_far_back_as_is_promised() {
        let script = include_str!("lua/prelude_count.lua");
        for (name, of) in [
            ("SECONDS", Resolution::Seconds),
            ("MINUTES", Resolution::Minutes),
            ("HOURS", Resolution::Hours),
        ] {
            let names = "local SECONDS, MINUTES, HOURS = ";
            let numbers = script.split_once(names).unwrap().1.lines().next().unwrap();
            let at = ["SECONDS", "MINUTES", "HOURS"]
                .iter()
                .position(|known| *known == name)
                .unwrap();
            let rows: u64 = numbers.split(", ").nth(at).unwrap().parse().unwrap();
            assert_eq!(rows * of.seconds(), of.reach(), "{name}");
        }
    }
}
