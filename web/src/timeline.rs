//! The life of a job as steps with their durations. Pure.

use std::time::Duration;

use jobflow::proto::{AttemptOutcome, Job, JobState};

use crate::api::values::millis;

/// What passed between two moments of a job's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Until it is due.
    Delay,
    /// In the queue, until it is claimed.
    Wait,
    /// In the hands of a worker.
    Run,
    /// After an errored attempt, until the next is claimed.
    Backoff,
}

impl Phase {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Wait => "wait",
            Self::Run => "run",
            Self::Backoff => "backoff",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Delay => "Delayed",
            Self::Wait => "Waited",
            Self::Run => "Ran",
            Self::Backoff => "Waited to retry",
        }
    }
}

/// One stretch of the life of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) phase: Phase,
    /// By the clock of the store, in milliseconds.
    pub(crate) from: u64,
    /// `None` while it goes on.
    pub(crate) to: Option<u64>,
    /// The number of the attempt, where it ran.
    pub(crate) attempt: i32,
    /// How the attempt ended.
    pub(crate) outcome: Option<AttemptOutcome>,
}

impl Step {
    /// How long it took, or has taken until `now`.
    pub(crate) fn took(&self, now: u64) -> Duration {
        Duration::from_millis(self.to.unwrap_or(now).saturating_sub(self.from))
    }
}

/// The steps of a job, oldest first.
pub(crate) fn steps(job: &Job) -> Vec<Step> {
    let mut steps = Vec::new();
    let Some(created) = job.create_time.as_ref().map(millis) else {
        return steps;
    };
    let mut last = created;
    let mut phase = Phase::Wait;
    for attempt in &job.attempts {
        let start = attempt.start_time.as_ref().map_or(last, millis).max(last);
        let end = attempt.end_time.as_ref().map_or(start, millis).max(start);
        push(&mut steps, phase, last, Some(start));
        steps.push(Step {
            phase: Phase::Run,
            from: start,
            to: Some(end),
            attempt: attempt.number,
            outcome: Some(attempt.outcome()),
        });
        last = end;
        phase = match attempt.outcome() {
            AttemptOutcome::Errored => Phase::Backoff,
            AttemptOutcome::Snoozed => Phase::Delay,
            _ => Phase::Wait,
        };
    }
    match job.state() {
        JobState::Active => {
            let start = job.start_time.as_ref().map_or(last, millis).max(last);
            push(&mut steps, phase, last, Some(start));
            steps.push(Step {
                phase: Phase::Run,
                from: start,
                to: None,
                attempt: job.attempt,
                outcome: None,
            });
        }
        JobState::Scheduled => push(&mut steps, Phase::Delay, last, None),
        JobState::Retrying => push(&mut steps, Phase::Backoff, last, None),
        JobState::Waiting | JobState::Blocked => push(&mut steps, Phase::Wait, last, None),
        JobState::Completed | JobState::Failed | JobState::Cancelled => {
            // What ended without a worker, for example a cancelled job.
            let end = job.finish_time.as_ref().map_or(last, millis);
            push(&mut steps, phase, last, Some(end));
        }
        JobState::Unspecified => {}
    }
    steps
}

/// A wait of no time is none.
fn push(steps: &mut Vec<Step>, phase: Phase, from: u64, to: Option<u64>) {
    if to.is_none_or(|to| to > from) {
        steps.push(Step {
            phase,
            from,
            to,
            attempt: 0,
            outcome: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobflow::StoreTime;
    use jobflow::proto::{Attempt, timestamp};

    fn at(millis: u64) -> Option<prost_types::Timestamp> {
        Some(timestamp(StoreTime(millis)))
    }

    fn attempt(number: i32, start: u64, end: u64, outcome: AttemptOutcome) -> Attempt {
        Attempt {
            number,
            start_time: at(start),
            end_time: at(end),
            outcome: outcome.into(),
            ..Attempt::default()
        }
    }

    fn told(job: &Job) -> Vec<(Phase, u64, Option<u64>)> {
        let steps = steps(job).into_iter();
        steps.map(|step| (step.phase, step.from, step.to)).collect()
    }

    #[test]
    fn waits_runs_and_retries_follow_each_other() {
        let mut job = Job {
            state: JobState::Completed.into(),
            create_time: at(1_000),
            finish_time: at(9_000),
            attempts: vec![
                attempt(1, 1_500, 2_000, AttemptOutcome::Errored),
                attempt(2, 5_000, 9_000, AttemptOutcome::Acked),
            ],
            ..Job::default()
        };
        let steps = [
            (Phase::Wait, 1_000, Some(1_500)),
            (Phase::Run, 1_500, Some(2_000)),
            (Phase::Backoff, 2_000, Some(5_000)),
            (Phase::Run, 5_000, Some(9_000)),
        ];
        assert_eq!(told(&job), steps);

        job.attempts.pop();
        job.state = JobState::Retrying.into();
        assert_eq!(told(&job)[2], (Phase::Backoff, 2_000, None));
        job.state = JobState::Active.into();
        job.start_time = at(5_000);
        assert_eq!(told(&job)[2..], [steps[2], (Phase::Run, 5_000, None)]);
    }

    #[test]
    fn a_job_that_never_ran_has_its_wait() {
        let mut job = Job {
            state: JobState::Cancelled.into(),
            create_time: at(1_000),
            finish_time: at(4_000),
            ..Job::default()
        };
        assert_eq!(told(&job), [(Phase::Wait, 1_000, Some(4_000))]);
        job.state = JobState::Scheduled.into();
        assert_eq!(told(&job), [(Phase::Delay, 1_000, None)]);
    }

    #[test]
    fn times_that_contradict_each_other_never_run_backwards() {
        let job = Job {
            state: JobState::Failed.into(),
            create_time: at(5_000),
            finish_time: at(1_000),
            attempts: vec![attempt(1, 4_000, 3_000, AttemptOutcome::Errored)],
            ..Job::default()
        };
        for step in steps(&job) {
            assert!(step.to.is_none_or(|to| to >= step.from), "{step:?}");
        }
        assert!(steps(&Job::default()).is_empty());
    }
}
