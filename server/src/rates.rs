//! What happens per second: the difference of two snapshots over their time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jobflow::{QueueName, Snapshot, StoreTime, Totals, proto};

/// Per queue.
pub(crate) type Rates = BTreeMap<QueueName, proto::Rates>;

/// Over less than this, a rate says more about chance than about the queue.
const WINDOW: Duration = Duration::from_secs(1);

/// The snapshots that the next rates are told from.
#[derive(Default)]
pub(crate) struct RateWindow(VecDeque<Sample>);

struct Sample {
    time: StoreTime,
    totals: BTreeMap<QueueName, Known>,
}

/// What is known of a queue.
#[derive(Default)]
struct Known {
    totals: Totals,
    /// The partitions that it is not known of.
    unreachable: Vec<u8>,
}

impl RateWindow {
    /// Takes in a snapshot and tells the rates up to it: all zero for the first.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) -> Rates {
        let totals = snapshot.queues.iter().map(|queue| {
            let known = Known {
                totals: queue.totals,
                unreachable: queue.partitions.unreachable.clone(),
            };
            (queue.name.clone(), known)
        });
        let now = Sample {
            time: snapshot.time,
            totals: totals.collect(),
        };
        // A clock that jumped back, as after a failover, makes the past useless.
        if self.0.back().is_some_and(|last| last.time > now.time) {
            self.0.clear();
        }
        while self
            .0
            .get(1)
            .is_some_and(|next| now.time.since(next.time) >= WINDOW)
        {
            self.0.pop_front();
        }
        let rates = self.0.front().map(|before| between(before, &now));
        let first = || {
            now.totals
                .keys()
                .map(|queue| (queue.clone(), proto::Rates::default()))
        };
        let rates = rates.unwrap_or_else(|| first().collect());
        self.0.push_back(now);
        rates
    }

    /// Forgets the past, for when nobody looked for a while.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// All queues together.
pub(crate) fn sum(rates: &Rates) -> proto::Rates {
    rates
        .values()
        .fold(proto::Rates::default(), |all, one| proto::Rates {
            submitted: all.submitted + one.submitted,
            completed: all.completed + one.completed,
            failed: all.failed + one.failed,
            errored: all.errored + one.errored,
        })
}

fn between(before: &Sample, now: &Sample) -> Rates {
    let seconds = now.time.since(before.time).as_secs_f64();
    let began = Known::default();
    let rates = now.totals.iter().map(|(queue, known)| {
        // A queue that was not there before began at zero.
        let past = before.totals.get(queue).unwrap_or(&began);
        // The totals of other partitions are no rate.
        let rates = if past.unreachable == known.unreachable {
            queue_rates(&past.totals, &known.totals, seconds)
        } else {
            proto::Rates::default()
        };
        (queue.clone(), rates)
    });
    rates.collect()
}

fn queue_rates(past: &Totals, now: &Totals, seconds: f64) -> proto::Rates {
    proto::Rates {
        submitted: per_second(past.submitted, now.submitted, seconds),
        completed: per_second(past.completed, now.completed, seconds),
        failed: per_second(past.failed, now.failed, seconds),
        errored: per_second(past.errored, now.errored, seconds),
    }
}

/// Never negative: a counter that went back was reset, and its rate is not known.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate is read by people, not added up"
)]
fn per_second(past: u64, now: u64, seconds: f64) -> f64 {
    if seconds <= 0.0 {
        return 0.0;
    }
    now.saturating_sub(past) as f64 / seconds
}

#[cfg(test)]
mod tests {
    use jobflow::{Counts, Measures, QueueControl, QueueSnapshot};

    use super::*;

    fn snapshot(ms: u64, completed: u64) -> Snapshot {
        let totals = Totals {
            completed,
            ..Totals::default()
        };
        let queue = QueueSnapshot {
            name: QueueName::default(),
            counts: Counts::default(),
            totals,
            oldest_waiting: None,
            control: QueueControl::default(),
            measured: Measures::default(),
            partitions: jobflow::PartitionsSnapshot::default(),
        };
        Snapshot {
            time: StoreTime(ms),
            round_trip: Duration::ZERO,
            queues: vec![queue],
            workers: Vec::new(),
            recent: Vec::new(),
        }
    }

    fn completed(window: &mut RateWindow, ms: u64, completed: u64) -> f64 {
        sum(&window.observe(&snapshot(ms, completed))).completed
    }

    #[test]
    fn the_first_snapshot_tells_no_rate() {
        assert_eq!(completed(&mut RateWindow::default(), 0, 1_000_000), 0.0);
    }

    #[test]
    fn fast_polls_are_measured_over_a_whole_second() {
        let mut window = RateWindow::default();
        for tick in 0..10 {
            completed(&mut window, tick * 100, tick * 5);
        }
        assert_eq!(completed(&mut window, 1_000, 50), 50.0);
        assert_eq!(
            completed(&mut window, 1_100, 105),
            100.0,
            "0.1 s back to 1.1 s"
        );
        assert!(window.0.len() <= 12, "the past is dropped");
    }

    #[test]
    fn slow_polls_are_measured_from_one_to_the_next() {
        let mut window = RateWindow::default();
        completed(&mut window, 0, 0);
        completed(&mut window, 15_000, 15);
        assert_eq!(completed(&mut window, 30_000, 165), 10.0);
    }

    #[test]
    fn partitions_that_go_or_come_back_make_no_rate() {
        let mut window = RateWindow::default();
        let mut observe = |ms, completed, unreachable: &[u8]| {
            let mut snapshot = snapshot(ms, completed);
            snapshot.queues[0].partitions.unreachable = unreachable.to_vec();
            sum(&window.observe(&snapshot)).completed
        };
        observe(0, 1_000, &[]);
        assert_eq!(observe(1_000, 600, &[3]), 0.0);
        assert_eq!(observe(2_000, 620, &[3]), 20.0);
        assert_eq!(observe(3_000, 1_040, &[]), 0.0);
        assert_eq!(observe(4_000, 1_050, &[]), 10.0);
    }

    #[test]
    fn a_reset_counter_or_clock_makes_no_negative_rate() {
        let mut window = RateWindow::default();
        completed(&mut window, 10_000, 500);
        assert_eq!(completed(&mut window, 11_000, 20), 0.0);
        assert_eq!(completed(&mut window, 5_000, 30), 0.0);
        assert_eq!(completed(&mut window, 5_000, 40), 0.0);
        assert_eq!(completed(&mut window, 6_000, 50), 10.0);
    }
}
