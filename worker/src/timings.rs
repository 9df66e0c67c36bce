//! What is measured of attempts, by the facade `metrics`: nothing, until the
//! program installs a recorder before it builds its worker.

use std::time::Duration;

use jobflow::{ClaimedJob, Outcome};
use metrics::{Counter, Histogram, counter, histogram};

/// By the word of their outcome.
const OUTCOMES: [&str; 7] = [
    "completed",
    "errored",
    "failed",
    "snoozed",
    "released",
    "unhandled",
    "cancelled",
];

/// Of the attempts of one handler. The kinds behind `*` are not told apart, so
/// that nobody but the operator decides how many time series there are.
pub(crate) struct Timings {
    waited: Histogram,
    ran: Histogram,
    ended: [Counter; OUTCOMES.len()],
}

impl Timings {
    pub(crate) fn of(kind: &str) -> Self {
        let ended = |outcome| counter!("jobflow_worker_attempts_total", "kind" => kind.to_owned(), "outcome" => outcome);
        Self {
            waited: histogram!("jobflow_worker_job_wait_seconds", "kind" => kind.to_owned()),
            ran: histogram!("jobflow_worker_attempt_seconds", "kind" => kind.to_owned()),
            ended: OUTCOMES.map(ended),
        }
    }

    pub(crate) fn ended(&self, job: &ClaimedJob, ran: Duration, outcome: &Outcome) {
        let ready = job.ready.unwrap_or(job.created);
        self.waited.record(job.claimed.since(ready));
        self.ran.record(ran);
        self.ended[place(outcome)].increment(1);
    }
}

/// The word for an outcome.
pub(crate) const fn word(outcome: &Outcome) -> &'static str {
    OUTCOMES[place(outcome)]
}

const fn place(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Ack(_) => 0,
        Outcome::Error(_) | Outcome::ErrorAfter(..) => 1,
        Outcome::Fail(_) => 2,
        Outcome::Snooze(_) => 3,
        Outcome::Release => 4,
        Outcome::Unhandled(_) => 5,
        Outcome::Cancelled => 6,
    }
}
