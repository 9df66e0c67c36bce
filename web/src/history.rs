//! The last minutes at one-second resolution, for the charts. Pure.

use std::collections::VecDeque;

use crate::model::{Counts, Rates, Snapshot, Totals};

/// How much of the past the charts show.
pub(crate) const SPAN_MS: u64 = 150_000;
/// Snapshots come more often than this; one point is made of several.
const RESOLUTION_MS: u64 = 1_000;
/// A snapshot may come this much early and still end its second.
const SLACK_MS: u64 = 150;
/// A trend is told from this much of the past.
const TREND_MS: u64 = 20_000;
/// After a silence as long as this the line is broken rather than invented.
const GAP_MS: u64 = 4_000;

/// One second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Its end, by the clock of the store.
    pub(crate) time: u64,
    pub(crate) rates: Rates,
    pub(crate) counts: Counts,
    /// Whether the line leads here from the point before.
    pub(crate) joined: bool,
    /// Whether this tab saw it: what was read from the store knows of the counts
    /// no more than how many jobs waited.
    pub(crate) seen: bool,
}

/// A second of the past as the store has kept it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Second {
    pub(crate) end: u64,
    pub(crate) rates: Rates,
    pub(crate) waiting: u64,
}

/// Points in the order of time, and the numbers that the next one starts from.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct History {
    points: VecDeque<Point>,
    base: Option<(u64, Totals)>,
}

impl History {
    pub(crate) fn points(&self) -> &VecDeque<Point> {
        &self.points
    }

    /// Takes in the numbers of an instant.
    ///
    /// Rates come from the difference of totals, so they stay exact when
    /// snapshots were skipped.
    pub(crate) fn push(&mut self, time: u64, snapshot: &Snapshot) {
        let Some((base_time, base)) = self.base else {
            self.base = Some((time, snapshot.totals));
            return;
        };
        // Another store, or an emptied one: nothing from before compares.
        if time < base_time || snapshot.totals.submitted < base.submitted {
            self.points.clear();
            self.base = Some((time, snapshot.totals));
            return;
        }
        let passed = time - base_time;
        if passed + SLACK_MS < RESOLUTION_MS {
            return;
        }
        self.points.push_back(Point {
            time,
            rates: rates_between(&base, &snapshot.totals, passed),
            counts: snapshot.counts,
            joined: passed <= GAP_MS && !self.points.is_empty(),
            seen: true,
        });
        self.base = Some((time, snapshot.totals));
        // One point beyond the edge, so that the line runs out of the picture.
        while self
            .points
            .get(1)
            .is_some_and(|second| second.time + SPAN_MS < time)
        {
            self.points.pop_front();
        }
    }

    /// Fills in what this tab did not see: before it was opened, and while it was
    /// hidden or cut off.
    pub(crate) fn fill(&mut self, seconds: &[Second]) {
        let is_near =
            |point: &Point, second: &Second| point.time.abs_diff(second.end) < RESOLUTION_MS;
        // A mean over a gap is worth less than its seconds.
        self.points
            .retain(|point| point.joined || !seconds.iter().any(|second| is_near(point, second)));
        let mut all: Vec<_> = self.points.drain(..).collect();
        let seen = all.len();
        for second in seconds {
            if !all[..seen].iter().any(|point| is_near(point, second)) {
                all.push(Point {
                    time: second.end,
                    rates: second.rates,
                    counts: Counts {
                        waiting: second.waiting,
                        ..Counts::default()
                    },
                    joined: true,
                    seen: false,
                });
            }
        }
        all.sort_by_key(|point| point.time);
        let mut before = None;
        for point in &mut all {
            point.joined = before.is_some_and(|before| point.time - before <= GAP_MS);
            before = Some(point.time);
        }
        self.points.extend(all);
    }

    /// What happened per second over the last `millis`; `None` when nothing is known.
    pub(crate) fn mean(&self, millis: u64) -> Option<Rates> {
        let last = self.points.back()?.time;
        let points = self.points.iter();
        let mut sum = Rates::default();
        let mut count = 0.0;
        for point in points.filter(|point| point.time + millis > last) {
            sum.submitted += point.rates.submitted;
            sum.completed += point.rates.completed;
            sum.failed += point.rates.failed;
            count += 1.0;
        }
        Some(Rates {
            submitted: sum.submitted / count,
            completed: sum.completed / count,
            failed: sum.failed / count,
        })
    }

    /// By how many per second the waiting jobs grow (above zero) or shrink;
    /// `None` until enough is known.
    pub(crate) fn backlog_trend(&self) -> Option<f64> {
        let last = self.points.back()?;
        let first = self
            .points
            .iter()
            .find(|point| point.time + TREND_MS >= last.time)?;
        let millis = last.time - first.time;
        if millis < TREND_MS / 2 {
            return None;
        }
        let change = last.counts.waiting as f64 - first.counts.waiting as f64;
        Some(change * 1_000.0 / millis as f64)
    }

    /// The point whose second holds `time`, if there is one near.
    pub(crate) fn near(&self, time: u64) -> Option<&Point> {
        self.points
            .iter()
            .min_by_key(|point| point.time.abs_diff(time))
            .filter(|point| point.time.abs_diff(time) <= 2 * RESOLUTION_MS)
    }
}

/// What happened per second between two readings of the totals.
pub(crate) fn rates_between(from: &Totals, to: &Totals, millis: u64) -> Rates {
    let rate = |from: u64, to: u64| {
        if millis == 0 {
            return 0.0;
        }
        // Exact far beyond any number of jobs that happen in a minute.
        to.saturating_sub(from) as f64 * 1_000.0 / millis as f64
    };
    Rates {
        submitted: rate(from.submitted, to.submitted),
        completed: rate(from.completed, to.completed),
        failed: rate(from.failed, to.failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(submitted: u64) -> Snapshot {
        Snapshot {
            totals: Totals {
                submitted,
                completed: submitted / 2,
                ..Totals::default()
            },
            ..Snapshot::default()
        }
    }

    fn history(readings: &[(u64, u64)]) -> History {
        let mut history = History::default();
        for &(time, submitted) in readings {
            history.push(time, &snapshot(submitted));
        }
        history
    }

    #[test]
    fn a_point_is_made_of_the_snapshots_of_its_second() {
        let history = history(&[(0, 0), (500, 3), (1_000, 10), (1_500, 12), (1_900, 20)]);
        let submitted: Vec<_> = history.points().iter().map(|p| p.rates.submitted).collect();
        assert_eq!(submitted.len(), 2);
        assert!((submitted[0] - 10.0).abs() < 1e-9);
        assert!((submitted[1] - 10.0 / 0.9).abs() < 1e-9);
    }

    #[test]
    fn skipped_snapshots_change_no_rate() {
        let history = history(&[(0, 0), (3_000, 30)]);
        assert!((history.points()[0].rates.submitted - 10.0).abs() < 1e-9);
        assert!((history.points()[0].rates.completed - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_silence_breaks_the_line() {
        let history = history(&[(0, 0), (1_000, 1), (2_000, 2), (60_000, 3)]);
        let joined: Vec<_> = history.points().iter().map(|point| point.joined).collect();
        assert_eq!(joined, [false, true, false]);
    }

    #[test]
    fn the_past_is_filled_in_and_what_was_seen_stays() {
        let second = |end, submitted| Second {
            end,
            rates: Rates {
                submitted,
                ..Rates::default()
            },
            waiting: 7,
        };
        let mut history = history(&[(100_000, 0), (101_000, 5), (102_000, 10)]);
        let past: Vec<_> = (60..=102).map(|n| second(n * 1_000, 1.0)).collect();
        history.fill(&past);
        let points = history.points();
        assert_eq!(points.len(), 43);
        assert!(points.iter().skip(1).all(|point| point.joined) && !points[0].joined);
        let mean = history.mean(2_000).expect("points");
        assert!((mean.submitted - 3.0).abs() < 1e-9, "of 1 and 5");
        let seen: Vec<_> = points.iter().filter(|point| point.seen).collect();
        assert_eq!(
            (seen.len(), seen[0].time),
            (1, 102_000),
            "the first one begins a line"
        );
        assert!((seen[0].rates.submitted - 5.0).abs() < 1e-9);
        // Cut off for half a minute: the mean over it makes way.
        let mut snapshot = snapshot(70);
        snapshot.counts.waiting = 3;
        history.push(132_000, &snapshot);
        assert!(!history.points().back().expect("points").joined);
        let past: Vec<_> = (60..=132).map(|n| second(n * 1_000, 2.0)).collect();
        history.fill(&past);
        assert_eq!(history.points().len(), 73);
        let last = history.points().back().expect("points");
        assert!(last.joined && (last.rates.submitted - 2.0).abs() < 1e-9);
    }

    #[test]
    fn only_the_span_is_kept() {
        let readings: Vec<_> = (0..1_000).map(|second| (second * 1_000, second)).collect();
        let history = history(&readings);
        let oldest = history.points().front().expect("points").time;
        assert!(history.points().len() <= 153, "{}", history.points().len());
        assert!(oldest + SPAN_MS <= 999_000);
    }

    #[test]
    fn an_emptied_store_starts_anew() {
        let history = history(&[(0, 100), (1_000, 110), (2_000, 0), (3_000, 5)]);
        assert_eq!(history.points().len(), 1);
        assert!((history.points()[0].rates.submitted - 5.0).abs() < 1e-9);
    }

    #[test]
    fn the_cursor_finds_the_point_beside_it() {
        let history = history(&[(0, 0), (1_000, 1), (2_000, 2)]);
        assert_eq!(history.near(1_900).map(|point| point.time), Some(2_000));
        assert_eq!(history.near(30_000), None);
    }

    #[test]
    fn a_trend_takes_time_to_be_known() {
        let mut history = History::default();
        for second in 0..=30 {
            let mut snapshot = snapshot(second);
            snapshot.counts.waiting = 100 - 2 * second;
            history.push(second * 1_000, &snapshot);
            if second < 10 {
                assert_eq!(history.backlog_trend(), None, "{second}");
            }
        }
        let trend = history.backlog_trend().expect("a trend");
        assert!((trend + 2.0).abs() < 1e-9, "{trend}");
    }

    #[test]
    fn no_time_is_no_rate() {
        let rates = rates_between(&Totals::default(), &snapshot(5).totals, 0);
        assert_eq!(rates, Rates::default());
    }
}
