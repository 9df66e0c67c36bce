//! The geometry of the charts: numbers to SVG paths. Pure.

use std::{collections::VecDeque, fmt::Write};

use crate::history::{Point, SPAN_MS};

/// The picture in its own units; the browser stretches it to its place.
pub(crate) const WIDTH: f64 = 1_500.0;
pub(crate) const HEIGHT: f64 = 100.0;

/// Where times and values lie in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plot {
    /// The right edge, by the clock of the store.
    pub(crate) now: u64,
    /// The value at the upper edge.
    pub(crate) ceiling: f64,
}

impl Plot {
    pub(crate) fn x(&self, time: u64) -> f64 {
        let back = self.now.abs_diff(time) as f64 * WIDTH / SPAN_MS as f64;
        if time > self.now {
            WIDTH + back
        } else {
            WIDTH - back
        }
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - (value / self.ceiling * HEIGHT).clamp(0.0, HEIGHT)
    }

    /// A line through the values, broken where nothing is known.
    pub(crate) fn line(&self, points: &VecDeque<Point>, value: fn(&Point) -> f64) -> String {
        let mut path = String::new();
        for point in points {
            // The point that the first one was joined to has left the picture.
            let pen = if point.joined && !path.is_empty() {
                'L'
            } else {
                'M'
            };
            write(&mut path, pen, self.x(point.time), self.y(value(point)));
        }
        path
    }

    /// The surface below that line.
    pub(crate) fn area(&self, points: &VecDeque<Point>, value: fn(&Point) -> f64) -> String {
        let mut path = String::new();
        let mut last = None;
        for point in points {
            let x = self.x(point.time);
            if !point.joined || last.is_none() {
                close(&mut path, last);
                write(&mut path, 'M', x, HEIGHT);
            }
            write(&mut path, 'L', x, self.y(value(point)));
            last = Some(x);
        }
        close(&mut path, last);
        path
    }

    /// An upright stroke for every value above zero.
    pub(crate) fn bars(&self, points: &VecDeque<Point>, value: fn(&Point) -> f64) -> String {
        let mut path = String::new();
        for point in points.iter().filter(|point| value(point) > 0.0) {
            let x = self.x(point.time);
            write(&mut path, 'M', x, HEIGHT);
            // Even a single failure in a sea of successes shows.
            write(&mut path, 'L', x, self.y(value(point)).min(HEIGHT - 3.0));
        }
        path
    }

    /// The time at a part of the width, 0 at the left edge and 1 at the right.
    pub(crate) fn time_at(&self, part: f64) -> u64 {
        let back = (1.0 - part.clamp(0.0, 1.0)) * SPAN_MS as f64;
        self.now.saturating_sub(crate::format::whole(back))
    }
}

fn close(path: &mut String, last: Option<f64>) {
    if let Some(x) = last {
        write(path, 'L', x, HEIGHT);
        path.push('Z');
    }
}

fn write(path: &mut String, pen: char, x: f64, y: f64) {
    write!(path, "{pen}{x:.1} {y:.2}").expect("a string takes any text");
}

/// A round number not below `value`, at least 1; its half is round as well.
pub(crate) fn nice_ceiling(value: f64) -> f64 {
    let mut decade = 1.0;
    while decade < 1e15 {
        for step in [1.0, 2.0, 3.0, 4.0, 6.0, 8.0] {
            if value <= step * decade {
                return step * decade;
            }
        }
        decade *= 10.0;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Counts, Rates};

    const PLOT: Plot = Plot {
        now: 200_000,
        ceiling: 10.0,
    };

    fn point(time: u64, completed: f64, joined: bool) -> Point {
        Point {
            time,
            rates: Rates {
                completed,
                ..Rates::default()
            },
            counts: Counts::default(),
            joined,
            seen: true,
        }
    }

    fn completed(point: &Point) -> f64 {
        point.rates.completed
    }

    #[test]
    fn now_is_at_the_right_edge() {
        assert!((PLOT.x(200_000) - WIDTH).abs() < 1e-9);
        assert!(PLOT.x(200_000 - SPAN_MS).abs() < 1e-9);
        assert!(PLOT.x(40_000) < 0.0);
        assert!(PLOT.x(201_000) > WIDTH);
    }

    #[test]
    fn a_point_under_the_pointer_is_found_by_its_time() {
        assert_eq!(PLOT.time_at(1.0), 200_000);
        assert_eq!(PLOT.time_at(0.0), 200_000 - SPAN_MS);
        assert_eq!(PLOT.time_at(7.0), 200_000);
    }

    #[test]
    fn a_line_breaks_where_nothing_is_known() {
        let points = VecDeque::from([
            point(190_000, 5.0, false),
            point(191_000, 10.0, true),
            point(199_000, 0.0, false),
        ]);
        assert_eq!(
            PLOT.line(&points, completed),
            "M1400.0 50.00L1410.0 0.00M1490.0 100.00"
        );
        assert_eq!(
            PLOT.area(&points, completed),
            "M1400.0 100.00L1400.0 50.00L1410.0 0.00L1410.0 100.00Z\
             M1490.0 100.00L1490.0 100.00L1490.0 100.00Z"
        );
    }

    #[test]
    fn a_path_begins_with_a_move_when_the_point_before_was_dropped() {
        let points = VecDeque::from([point(190_000, 5.0, true), point(191_000, 10.0, true)]);
        assert!(PLOT.line(&points, completed).starts_with("M1400.0 50.00L"));
        let area = PLOT.area(&points, completed);
        assert!(area.starts_with("M1400.0 100.00L1400.0 50.00L"), "{area}");
    }

    #[test]
    fn a_small_bar_still_shows_and_none_is_drawn_for_zero() {
        let points = VecDeque::from([point(199_000, 0.001, false), point(200_000, 0.0, true)]);
        assert_eq!(PLOT.bars(&points, completed), "M1490.0 100.00L1490.0 97.00");
    }

    #[test]
    fn no_points_draw_nothing() {
        assert_eq!(PLOT.line(&VecDeque::new(), completed), "");
        assert_eq!(PLOT.area(&VecDeque::new(), completed), "");
    }

    #[test]
    fn ceilings_are_round_and_never_too_low() {
        for (value, ceiling) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (5.0, 6.0),
            (9.0, 10.0),
            (340.0, 400.0),
            (49_000.0, 60_000.0),
        ] {
            assert!((nice_ceiling(value) - ceiling).abs() < 1e-9, "{value}");
        }
    }
}
