//! What happened in a stretch of the past, and the geometry of its charts. Pure.

use std::fmt::Write;

use crate::{
    model::Quantiles,
    plot::{HEIGHT, WIDTH, nice_ceiling},
};

/// How far back a page looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Span {
    #[default]
    Hour,
    Day,
    Week,
    Month,
}

impl Span {
    pub(crate) const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// As the address has it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.as_str() == word)
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Hour => "1 h",
            Self::Day => "24 h",
            Self::Week => "7 d",
            Self::Month => "30 d",
        }
    }

    pub(crate) const fn millis(self) -> u64 {
        let hours = match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        };
        hours * 3_600_000
    }

    /// How long a point is, in seconds: no more than 170 of them fill a chart.
    pub(crate) const fn step(self) -> u64 {
        match self {
            Self::Hour => 60,
            Self::Day => 600,
            Self::Week => 3_600,
            Self::Month => 6 * 3_600,
        }
    }

    pub(crate) const fn step_title(self) -> &'static str {
        match self {
            Self::Hour => "minute",
            Self::Day => "10 minutes",
            Self::Week => "hour",
            Self::Month => "6 hours",
        }
    }

    /// How often it is asked for anew, in seconds.
    pub(crate) const fn pace(self) -> u64 {
        match self {
            Self::Hour => 10,
            Self::Day | Self::Week | Self::Month => 60,
        }
    }
}

/// What happened, step by step.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Past {
    /// Where the charts begin, by the clock of the store.
    pub(crate) start: u64,
    pub(crate) step: u64,
    /// When it was asked for.
    pub(crate) end: u64,
    pub(crate) points: Vec<PastPoint>,
    pub(crate) whole: PastPoint,
    pub(crate) kinds: Vec<String>,
    /// Partitions whose part is missing.
    pub(crate) unreachable: usize,
}

/// What happened in one step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct PastPoint {
    pub(crate) start: u64,
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) waiting: u64,
    pub(crate) wait: Option<Quantiles>,
    pub(crate) run: Option<Quantiles>,
    /// The step is not over: so far there is less of it than of the others.
    pub(crate) is_open: bool,
}

impl PastPoint {
    /// A number that only the end of the step will tell.
    pub(crate) fn in_all(&self, number: u64) -> Option<f64> {
        (!self.is_open).then_some(number as f64)
    }
}

impl Past {
    /// The step at a part of the width, 0 at the left edge and 1 at the right.
    pub(crate) fn at(&self, part: f64) -> Option<&PastPoint> {
        let length = self.end.saturating_sub(self.start) as f64;
        let time = self.start + crate::format::whole(part.clamp(0.0, 1.0) * length);
        self.points
            .iter()
            .find(|point| (point.start..point.start + self.step).contains(&time))
    }

    /// Where the middle of a step lies.
    pub(crate) fn x(&self, point: &PastPoint) -> f64 {
        let length = self.end.saturating_sub(self.start).max(1) as f64;
        let middle = (point.start + self.step / 2).min(self.end);
        middle.saturating_sub(self.start) as f64 / length * WIDTH
    }

    /// A round number not below any of these values.
    pub(crate) fn ceiling(&self, values: &[fn(&PastPoint) -> Option<f64>]) -> f64 {
        let of = |point| values.iter().filter_map(move |value| value(point));
        let highest = self.points.iter().flat_map(of).fold(0.0, f64::max);
        nice_ceiling(highest * 1.05)
    }

    /// A line through the values, broken where there is none; a value alone is
    /// a short stroke.
    pub(crate) fn line(&self, ceiling: f64, value: fn(&PastPoint) -> Option<f64>) -> String {
        let (mut path, mut is_down) = (String::new(), false);
        for point in &self.points {
            let Some(value) = value(point) else {
                is_down = false;
                continue;
            };
            let (x, y) = (self.x(point), y(value, ceiling));
            if is_down {
                put(&mut path, 'L', x, y);
            } else {
                put(&mut path, 'M', x - 2.0, y);
                put(&mut path, 'L', x, y);
            }
            is_down = true;
        }
        path
    }

    /// The surface below the values that there are.
    pub(crate) fn area(&self, ceiling: f64, value: fn(&PastPoint) -> Option<f64>) -> String {
        let (mut path, mut last) = (String::new(), None);
        for point in &self.points {
            let Some(value) = value(point) else { continue };
            let x = self.x(point);
            if last.is_none() {
                put(&mut path, 'M', x, HEIGHT);
            }
            put(&mut path, 'L', x, y(value, ceiling));
            last = Some(x);
        }
        if let Some(x) = last {
            put(&mut path, 'L', x, HEIGHT);
            path.push('Z');
        }
        path
    }

    /// An upright stroke for every value above zero.
    pub(crate) fn bars(&self, ceiling: f64, value: fn(&PastPoint) -> Option<f64>) -> String {
        let mut path = String::new();
        for point in &self.points {
            let value = value(point).unwrap_or_default();
            if value > 0.0 {
                put(&mut path, 'M', self.x(point), HEIGHT);
                // Even a single failure in a sea of successes shows.
                put(
                    &mut path,
                    'L',
                    self.x(point),
                    y(value, ceiling).min(HEIGHT - 3.0),
                );
            }
        }
        path
    }
}

fn y(value: f64, ceiling: f64) -> f64 {
    HEIGHT - (value / ceiling * HEIGHT).clamp(0.0, HEIGHT)
}

fn put(path: &mut String, pen: char, x: f64, y: f64) {
    write!(path, "{pen}{x:.1} {y:.2}").expect("a string takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(completed: &[Option<u64>]) -> Past {
        let point = |(n, count): (usize, &Option<u64>)| PastPoint {
            start: n as u64 * 60_000,
            completed: count.unwrap_or_default(),
            run: count.map(|_| Quantiles::default()),
            ..PastPoint::default()
        };
        Past {
            step: 60_000,
            end: 600_000,
            points: completed.iter().enumerate().map(point).collect(),
            ..Past::default()
        }
    }

    fn known(point: &PastPoint) -> Option<f64> {
        point.run.map(|_| point.completed as f64)
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let past = past(&[Some(5), Some(10), None, Some(0)]);
        assert_eq!(
            past.line(10.0, known),
            "M73.0 50.00L75.0 50.00L225.0 0.00M523.0 100.00L525.0 100.00"
        );
        assert_eq!(
            past.area(10.0, known),
            "M75.0 100.00L75.0 50.00L225.0 0.00L525.0 100.00L525.0 100.00Z"
        );
    }

    #[test]
    fn a_small_bar_still_shows_and_none_is_drawn_for_zero() {
        let past = past(&[Some(1), Some(0), None]);
        assert_eq!(past.bars(1e6, known), "M75.0 100.00L75.0 97.00");
    }

    #[test]
    fn the_step_under_the_pointer_is_found() {
        let past = past(&[Some(1), Some(2)]);
        assert_eq!(past.at(0.0).map(|point| point.completed), Some(1));
        assert_eq!(past.at(0.15).map(|point| point.completed), Some(2));
        assert_eq!(past.at(0.9), None);
    }

    #[test]
    fn nothing_draws_nothing() {
        let past = past(&[]);
        assert_eq!(past.line(1.0, known) + &past.area(1.0, known), "");
        assert!((past.ceiling(&[known]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn spans_are_read_back_and_fill_a_chart() {
        for span in Span::ALL {
            assert_eq!(Span::from_word(span.as_str()), Some(span));
            let points = span.millis() / 1_000 / span.step();
            assert!((60..=170).contains(&points), "{points}");
        }
        assert_eq!(Span::from_word("2h"), None);
    }
}
