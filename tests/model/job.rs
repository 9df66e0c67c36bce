//! A job as the model knows it.

use jobflow::{AttemptOutcome, JobError, JobId, JobResult, JobState, OnConflict};

use crate::op::{Limit, New, When};

/// The width of a band of priorities in the order of waiting jobs.
const BAND: i64 = 1 << 48;
/// What is kept of a job's past.
const ATTEMPTS_KEPT: usize = 20;
const PAYLOADS_KEPT: usize = 2;

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    /// `None` once it is deleted.
    pub(crate) state: Option<JobState>,
    pub(crate) kind: u8,
    pub(crate) priority: u8,
    pub(crate) payload: u32,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) attempt: u32,
    pub(crate) crashes: u32,
    /// Its turn within its band.
    pub(crate) turn: i64,
    /// Scheduled or retrying, and its time has come.
    pub(crate) is_due: bool,
    /// As observed: when it becomes ready, when it became final.
    pub(crate) due: u64,
    pub(crate) finished: Option<u64>,
    pub(crate) has_started: bool,
    pub(crate) worker: Option<u8>,
    pub(crate) key: Option<u8>,
    pub(crate) frees_key: bool,
    pub(crate) tags: Vec<u8>,
    pub(crate) has_limit: bool,
    /// What the store still watches of the limit.
    pub(crate) limit: Limit,
    pub(crate) is_asked_to_end: bool,
    pub(crate) stored: Stored,
    pub(crate) attempts: Vec<(u32, u8, AttemptOutcome, Option<JobError>)>,
    pub(crate) payloads: Vec<u32>,
    /// Places in the list of claims: the one that holds it, the last that ended it.
    pub(crate) lease: Option<usize>,
    pub(crate) lease_is_over: bool,
    pub(crate) ended: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stored {
    Nothing,
    Result(JobResult),
    Error(JobError),
}

impl Job {
    pub(crate) fn new(id: JobId, new: &New, payload: u32) -> Self {
        let is_far = matches!(new.run, When::Far | When::FarAt);
        Self {
            id,
            state: Some(if is_far {
                JobState::Scheduled
            } else {
                JobState::Waiting
            }),
            kind: new.kind,
            priority: new.priority,
            payload,
            max_attempts: new.max_attempts,
            attempt: 0,
            crashes: 0,
            turn: 0,
            is_due: false,
            due: 0,
            finished: None,
            has_started: false,
            worker: None,
            key: new.key,
            frees_key: new.key.is_some() && new.scope == jobflow::KeyScope::Unfinished,
            tags: distinct(&new.tags),
            has_limit: new.limit != Limit::None,
            limit: new.limit,
            is_asked_to_end: false,
            stored: Stored::Nothing,
            attempts: Vec::new(),
            payloads: Vec::new(),
            lease: None,
            lease_is_over: false,
            ended: None,
        }
    }

    pub(crate) fn is(&self, state: JobState) -> bool {
        self.state == Some(state)
    }

    pub(crate) fn is_final(&self) -> bool {
        self.state.is_some_and(JobState::is_final)
    }

    /// Its place among the waiting, as the store writes it.
    pub(crate) fn place(&self) -> i64 {
        (i64::from(self.priority) - 5) * BAND + self.turn
    }

    /// The attempt has ended: history tells of it.
    pub(crate) fn tell(&mut self, outcome: AttemptOutcome, error: Option<JobError>) {
        let worker = self.worker.unwrap_or_default();
        self.attempts.push((self.attempt, worker, outcome, error));
        let too_many = self.attempts.len().saturating_sub(ATTEMPTS_KEPT);
        self.attempts.drain(..too_many);
    }

    pub(crate) fn replace_payload(&mut self, payload: u32) {
        self.payloads.push(self.payload);
        let too_many = self.payloads.len().saturating_sub(PAYLOADS_KEPT);
        self.payloads.drain(..too_many);
        self.payload = payload;
    }

    /// What is shown of its attempts: of one that succeeded, the job itself tells.
    pub(crate) fn shown_attempts(&self) -> Vec<(u32, u8, AttemptOutcome, Option<JobError>)> {
        let mut shown = self.attempts.clone();
        if self.is(JobState::Completed) {
            let worker = self.worker.unwrap_or_default();
            shown.push((self.attempt, worker, AttemptOutcome::Acked, None));
        }
        shown
    }
}

impl New {
    /// The submit may call the holder of its key off.
    pub(crate) fn replaces(&self) -> bool {
        self.key.is_some()
            && matches!(
                self.on_conflict,
                OnConflict::ReplaceWaiting | OnConflict::CancelActive
            )
    }
}

pub(crate) fn distinct(tags: &[u8]) -> Vec<u8> {
    let mut distinct = Vec::new();
    for tag in tags {
        if !distinct.contains(tag) {
            distinct.push(*tag);
        }
    }
    distinct
}

pub(crate) fn error(code: &str, message: &str) -> JobError {
    JobError {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}
