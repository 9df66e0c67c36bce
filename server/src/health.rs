//! The health light: from a snapshot to one word and the reasons for it.

use std::time::Duration;

use jobflow::proto::HealthStatus::{Degraded, Healthy, Unhealthy};
use jobflow::{Error, PulseReport, QueueScope, QueueSnapshot, Snapshot, proto};

use crate::numbers::alive;

/// A job should not have to wait longer than this for a slot.
const LONG_WAIT: Duration = Duration::from_secs(60);
/// A store that takes longer than this to answer is in trouble.
const SLOW_STORE: Duration = Duration::from_millis(250);
/// So that a thousand queues with the same trouble stay readable.
const MAX_REASONS: usize = 8;

/// One look at the store.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) snapshot: Snapshot,
    /// Why it gets no jobs although it answers.
    pub(crate) refusal: Option<Error>,
    pub(crate) memory: Option<proto::StoreMemory>,
}

impl Seen {
    /// Without what lies in other queues, and without workers of those alone.
    pub(crate) fn narrowed(mut self, scope: &QueueScope) -> Self {
        if !scope.is_all() {
            let snapshot = &mut self.snapshot;
            snapshot
                .queues
                .retain(|queue| scope.contains(queue.name.as_str()));
            snapshot
                .recent
                .retain(|job| scope.contains(job.queue.as_str()));
            snapshot
                .workers
                .retain(|worker| worker.beat.queues.iter().any(|queue| scope.contains(queue)));
        }
        self
    }
}

/// Judges what was seen, or why nothing was.
pub(crate) fn judge(seen: Result<&Seen, &Error>, loops: &[PulseReport]) -> proto::Health {
    let Seen {
        snapshot, refusal, ..
    } = match seen {
        Ok(seen) => seen,
        Err(error) => return unanswered(error, loops),
    };
    let mut findings = Vec::new();
    findings.extend(refusal.as_ref().map(|error| (Unhealthy, unusable(error))));
    findings.extend(loops.iter().filter_map(late_loop));
    findings.extend(out_of_reach(&snapshot.queues));
    findings.extend(jobs_without_workers(snapshot));
    findings.extend(snapshot.queues.iter().filter_map(long_wait));
    findings.extend(slow_store(snapshot.round_trip));
    let status = findings
        .iter()
        .map(|(status, _)| *status)
        .max()
        .unwrap_or(Healthy);
    let mut reasons: Vec<_> = findings.into_iter().map(|(_, reason)| reason).collect();
    if reasons.len() > MAX_REASONS {
        let more = reasons.split_off(MAX_REASONS).len();
        reasons.push(format!("There are {more} more reasons."));
    }
    proto::Health {
        status: status.into(),
        reasons,
        store_round_trip: Some(proto::duration(snapshot.round_trip)),
        loops: loops.iter().map(wire).collect(),
    }
}

/// A loop in the form of the wire.
fn wire(pulse: &PulseReport) -> proto::Loop {
    proto::Loop {
        name: pulse.name.to_owned(),
        silence: pulse.silence.map(proto::duration),
        limit: Some(proto::duration(pulse.limit)),
        failures: i64::try_from(pulse.failures).unwrap_or(i64::MAX),
    }
}

fn late_loop(pulse: &PulseReport) -> Option<Finding> {
    let silence = pulse.silence.filter(|_| pulse.is_late())?;
    let reason = format!(
        "The {} of this server has done nothing for {} s.",
        pulse.name,
        silence.as_secs()
    );
    Some((Unhealthy, reason))
}

/// How bad, and one sentence.
type Finding = (proto::HealthStatus, String);

/// The loops are silent for the same reason, which is said once.
fn unanswered(error: &Error, loops: &[PulseReport]) -> proto::Health {
    proto::Health {
        status: Unhealthy.into(),
        reasons: vec![unusable(error)],
        store_round_trip: None,
        loops: loops.iter().map(wire).collect(),
    }
}

fn unusable(error: &Error) -> String {
    format!("The store is not usable: {error}.")
}

fn out_of_reach(queues: &[QueueSnapshot]) -> Option<Finding> {
    let missing = queues
        .iter()
        .map(|queue| queue.partitions.unreachable.len());
    let (queues, partitions) = missing
        .filter(|missing| *missing > 0)
        .fold((0, 0), |(queues, all), missing| (queues + 1, all + missing));
    let reason =
        || format!("Out of reach: {partitions} partitions of {queues} queues; the rest goes on.");
    (partitions > 0).then(|| (Degraded, reason()))
}

fn jobs_without_workers(snapshot: &Snapshot) -> Vec<Finding> {
    let with_jobs = || {
        snapshot
            .queues
            .iter()
            .filter(|queue| queue.counts.waiting > 0)
    };
    if alive(&snapshot.workers).next().is_none() {
        let waiting: u64 = with_jobs().map(|queue| queue.counts.waiting).sum();
        let reason = || format!("{} and no worker is alive.", jobs_wait(waiting));
        return (waiting > 0)
            .then(|| (Unhealthy, reason()))
            .into_iter()
            .collect();
    }
    let served = |queue: &QueueSnapshot| {
        let name = queue.name.as_str();
        alive(&snapshot.workers)
            .any(|worker| worker.beat.queues.iter().any(|served| served == name))
    };
    let unserved = with_jobs().filter(|queue| !served(queue)).map(|queue| {
        let waiting = jobs_wait(queue.counts.waiting);
        (
            Unhealthy,
            format!("{waiting} in queue {} and no worker serves it.", queue.name),
        )
    });
    unserved.collect()
}

fn jobs_wait(count: u64) -> String {
    match count {
        1 => "1 job waits".to_owned(),
        _ => format!("{count} jobs wait"),
    }
}

fn long_wait(queue: &QueueSnapshot) -> Option<Finding> {
    let age = queue.oldest_waiting.filter(|age| *age > LONG_WAIT)?;
    let reason = format!(
        "The oldest job in queue {} has waited for {} s.",
        queue.name,
        age.as_secs()
    );
    Some((Degraded, reason))
}

fn slow_store(round_trip: Duration) -> Option<Finding> {
    let reason = || format!("The store took {} ms to answer.", round_trip.as_millis());
    (round_trip > SLOW_STORE).then(|| (Degraded, reason()))
}

#[cfg(test)]
mod tests {
    use jobflow::{
        Counts, Measures, QueueControl, QueueName, StoreTime, Totals, WorkerBeat, WorkerSnapshot,
    };

    use super::*;

    fn queue(name: &str, waiting: u64, oldest: u64) -> QueueSnapshot {
        QueueSnapshot {
            name: QueueName::new(name).unwrap(),
            counts: Counts {
                waiting,
                ..Counts::default()
            },
            totals: Totals::default(),
            oldest_waiting: (waiting > 0).then(|| Duration::from_secs(oldest)),
            control: QueueControl::default(),
            measured: Measures::default(),
            partitions: jobflow::PartitionsSnapshot::default(),
        }
    }

    fn worker(queue: &str, beat_age: u64) -> WorkerSnapshot {
        let beat = WorkerBeat {
            id: "w".to_owned(),
            host: "h".to_owned(),
            pid: 1,
            version: "0".to_owned(),
            queues: vec![queue.to_owned()],
            kinds: Vec::new(),
            slots: 4,
            ..WorkerBeat::default()
        };
        WorkerSnapshot {
            beat,
            beat_age: Duration::from_secs(beat_age),
            started: None,
        }
    }

    fn seen(queues: Vec<QueueSnapshot>, workers: Vec<WorkerSnapshot>, ms: u64) -> Seen {
        let snapshot = Snapshot {
            time: StoreTime(0),
            round_trip: Duration::from_millis(ms),
            queues,
            workers,
            recent: Vec::new(),
        };
        Seen {
            snapshot,
            refusal: None,
            memory: None,
        }
    }

    fn judged(queues: Vec<QueueSnapshot>, workers: Vec<WorkerSnapshot>, ms: u64) -> proto::Health {
        judge(Ok(&seen(queues, workers, ms)), &[])
    }

    #[test]
    fn work_that_is_done_is_healthy() {
        let health = judged(vec![queue("a", 5, 60)], vec![worker("a", 1)], 250);
        assert_eq!(health.status(), Healthy);
        assert!(health.reasons.is_empty());
        assert_eq!(
            judged(vec![queue("a", 0, 0)], vec![], 1).status(),
            Healthy,
            "nothing to do"
        );
    }

    #[test]
    fn partitions_out_of_reach_are_told_in_a_sentence() {
        let lost = |name, unreachable: &[u8]| {
            let mut queue = queue(name, 0, 0);
            queue.partitions.unreachable = unreachable.to_vec();
            queue
        };
        let queues = vec![lost("a", &[1, 4]), lost("b", &[]), lost("c", &[0])];
        let health = judged(queues, vec![], 1);
        assert_eq!(health.status(), Degraded);
        let told = "Out of reach: 3 partitions of 2 queues; the rest goes on.";
        assert_eq!(health.reasons, [told]);
    }

    #[test]
    fn an_unreachable_store_is_unhealthy() {
        let health = judge(Err(&Error::StoreUnavailable), &[]);
        assert_eq!(health.status(), Unhealthy);
        assert!(
            health.reasons[0].contains("can not be reached"),
            "{health:?}"
        );
    }

    #[test]
    fn a_store_that_gets_no_jobs_is_unhealthy_though_it_answers() {
        let mut seen = seen(vec![], vec![], 1);
        seen.refusal = Some(Error::StoreReadOnly);
        let health = judge(Ok(&seen), &[]);
        assert_eq!(health.status(), Unhealthy);
        assert_eq!(health.reasons.len(), 1);
    }

    #[test]
    fn a_loop_that_is_silent_for_too_long_is_unhealthy() {
        let pulse = |silence| PulseReport {
            name: "reaper",
            silence,
            limit: Duration::from_secs(30),
            failures: 4,
        };
        let judged = |silence| judge(Ok(&seen(vec![], vec![], 1)), &[pulse(silence)]);
        for well in [None, Some(Duration::from_secs(30))] {
            assert_eq!(judged(well).status(), Healthy, "{well:?}");
        }
        let late = judged(Some(Duration::from_secs(31)));
        assert_eq!(late.status(), Unhealthy);
        assert_eq!(
            late.reasons,
            ["The reaper of this server has done nothing for 31 s."]
        );
        assert_eq!(
            (&*late.loops[0].name, late.loops[0].failures),
            ("reaper", 4)
        );
    }

    #[test]
    fn jobs_without_a_live_worker_are_unhealthy() {
        let health = judged(vec![queue("a", 2, 1)], vec![worker("a", 16)], 1);
        assert_eq!(health.status(), Unhealthy);
        assert_eq!(health.reasons, ["2 jobs wait and no worker is alive."]);
    }

    #[test]
    fn a_queue_that_no_worker_serves_is_unhealthy() {
        let health = judged(
            vec![queue("a", 1, 1), queue("b", 1, 1)],
            vec![worker("a", 1)],
            1,
        );
        assert_eq!(health.status(), Unhealthy);
        assert_eq!(
            health.reasons,
            ["1 job waits in queue b and no worker serves it."]
        );
    }

    #[test]
    fn a_long_wait_and_a_slow_store_are_degraded() {
        let health = judged(vec![queue("a", 1, 61)], vec![worker("a", 1)], 251);
        assert_eq!(health.status(), Degraded);
        assert_eq!(health.reasons.len(), 2);
    }

    #[test]
    fn the_list_of_reasons_is_bounded() {
        let queues = (0..100).map(|n| queue(&format!("q{n}"), 1, 1)).collect();
        let health = judged(queues, vec![worker("a", 1)], 1);
        assert_eq!(health.reasons.len(), MAX_REASONS + 1);
        assert_eq!(health.reasons[MAX_REASONS], "There are 92 more reasons.");
    }
}
