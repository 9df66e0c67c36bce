//! The model's submits, finishes and changes of single jobs.

use bytes::Bytes;
use jobflow::{AttemptOutcome, Code, JobError, JobId, JobResult, JobState, OnConflict};

use crate::job::{Job, Stored, distinct, error};
use crate::model::{Model, REASON, Verdict};
use crate::op::{Changes, How, Kind, New, When};

/// What a submit must answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Submit {
    New { at: usize, replaced: Option<usize> },
    Duplicate(usize),
    Refused(Code),
}

/// How an attempt ended, as the library turns it into words: what the job
/// becomes, whether its time has come then, and what is stored.
pub(crate) struct End {
    pub(crate) to: JobState,
    pub(crate) is_due: bool,
    pub(crate) body: Stored,
    pub(crate) how: How,
}

impl End {
    pub(crate) fn of(how: How, is_last: bool) -> Self {
        let (to, is_due, body) = match how {
            How::Ack => (JobState::Completed, false, Stored::Nothing),
            How::AckResult => (JobState::Completed, false, Stored::Result(result())),
            How::Error | How::ErrorNow | How::ErrorFar if !is_last => (
                JobState::Retrying,
                how == How::ErrorNow,
                Stored::Error(luck()),
            ),
            How::Error | How::ErrorNow | How::ErrorFar | How::Fail => {
                (JobState::Failed, false, Stored::Error(luck()))
            }
            How::SnoozeNow | How::Unhandled => (JobState::Scheduled, true, Stored::Nothing),
            How::SnoozeFar => (JobState::Scheduled, false, Stored::Nothing),
            How::Release => (JobState::Waiting, false, Stored::Nothing),
            How::Cancelled => (JobState::Cancelled, false, Stored::Nothing),
        };
        Self {
            to,
            is_due,
            body,
            how,
        }
    }
}

pub(crate) fn luck() -> JobError {
    error("HANDLER_ERROR", "no luck")
}

pub(crate) fn result() -> JobResult {
    JobResult {
        bytes: Bytes::from_static(b"\0\xff"),
        content_type: "image/png".to_owned(),
    }
}

impl Model {
    /// The jobs of one batch, in order; `id` is the id of the n-th one. Those of
    /// `first_payload` and after it are their payloads.
    pub(crate) fn submit(&mut self, news: &[(JobId, New)], first_payload: u32) -> Vec<Submit> {
        self.is_known = true;
        self.has_counters |= news.iter().any(|(_, new)| new.replaces());
        let waiting = |job: &Job| job.is(JobState::Waiting) || job.is(JobState::Scheduled);
        let taken = self.jobs.iter().filter(|job| waiting(job)).count() as u64;
        let mut room = self
            .settings
            .max_waiting
            .map(|most| most as i64 - taken as i64);
        let before = self.jobs.len();
        let mut verdicts = Vec::new();
        for (n, (id, new)) in news.iter().enumerate() {
            let own = self
                .jobs
                .iter()
                .position(|job| job.id == *id && job.state.is_some());
            let holder = new.key.and_then(|key| self.keys.get(&key)).copied();
            let rival =
                holder.filter(|at| own.is_none() && *at < before && self.gives_way(*at, new));
            let frees = rival.is_some_and(|at| waiting(&self.jobs[at]));
            let verdict = match own.or(holder) {
                Some(at) if rival.is_none() => {
                    let rejects = new.on_conflict == OnConflict::Reject && new.key.is_some();
                    if rejects && own.is_none() {
                        Submit::Refused(Code::IdempotencyConflict)
                    } else {
                        Submit::Duplicate(at)
                    }
                }
                _ if self.is_draining => Submit::Refused(Code::QueueDraining),
                _ if room.is_some_and(|room| room + i64::from(frees) <= 0) => {
                    Submit::Refused(Code::QueueFull)
                }
                _ => {
                    if let Some(at) = rival {
                        self.make_way(at);
                    }
                    room = room.map(|room| room + i64::from(frees) - 1);
                    let payload = first_payload + u32::try_from(n).expect("a small batch");
                    Submit::New {
                        at: self.create(*id, new, payload),
                        replaced: rival,
                    }
                }
            };
            verdicts.push(verdict);
        }
        // A call with jobs that it refuses has no event of a queue that became empty.
        verdicts
    }

    fn gives_way(&self, at: usize, new: &New) -> bool {
        let job = &self.jobs[at];
        let has_started = job.is(JobState::Active) || job.is_final();
        new.replaces() && (new.on_conflict == OnConflict::CancelActive || !has_started)
    }

    fn make_way(&mut self, at: usize) {
        let why = error(
            "CANCELLED",
            "replaced by a job with the same idempotency key",
        );
        self.free_key(at);
        self.touched.insert(at);
        if self.jobs[at].is(JobState::Active) {
            self.jobs[at].is_asked_to_end = true;
            self.jobs[at].stored = Stored::Error(why);
        } else if !self.jobs[at].is_final() {
            self.go(at, JobState::Cancelled);
            self.jobs[at].stored = Stored::Error(why);
            self.totals.cancelled += 1;
        }
    }

    fn create(&mut self, id: JobId, new: &New, payload: u32) -> usize {
        let at = self.jobs.len();
        let mut job = Job::new(id, new, payload);
        if job.is(JobState::Waiting) {
            self.turns += 1;
            job.turn = self.turns;
        }
        let letter = if job.is(JobState::Waiting) { 'w' } else { 's' };
        self.events.push((letter, Some(id)));
        if let Some(key) = job.key {
            self.keys.insert(key, at);
        }
        self.jobs.push(job);
        self.touched.insert(at);
        self.totals.submitted += 1;
        self.has_counters = true;
        at
    }

    /// Ends the attempt that `claim` holds, if it still does.
    pub(crate) fn finish(&mut self, at: usize, claim: usize, end: &End) -> Verdict {
        let job = &self.jobs[at];
        let to = match end.to {
            JobState::Completed => JobState::Completed,
            _ if job.is_asked_to_end => JobState::Cancelled,
            to => to,
        };
        if job.lease != Some(claim) {
            if job.ended == Some(claim) {
                return Ok(to);
            }
            self.totals.lease_lost += u64::from(self.has_counters);
            return Err(Code::LeaseLost);
        }
        self.close_attempt(at, to, end);
        let job = &mut self.jobs[at];
        (job.lease, job.ended, job.lease_is_over) = (None, Some(claim), false);
        job.is_due = end.is_due;
        self.go(at, to);
        self.count(to, end);
        if to.is_final() {
            self.trim(to, 9);
        }
        self.end_call();
        Ok(to)
    }

    fn close_attempt(&mut self, at: usize, to: JobState, end: &End) {
        let job = &mut self.jobs[at];
        let why = match &end.body {
            Stored::Error(why) => Some(why.clone()),
            Stored::Nothing | Stored::Result(_) => None,
        };
        let told = match to {
            JobState::Completed => None,
            JobState::Cancelled => Some(AttemptOutcome::Cancelled),
            JobState::Scheduled if end.how == How::Unhandled => None,
            JobState::Scheduled => Some(AttemptOutcome::Snoozed),
            JobState::Waiting => Some(AttemptOutcome::Released),
            _ => Some(AttemptOutcome::Errored),
        };
        if let Some(outcome) = told {
            job.tell(outcome, why);
        }
        if matches!(to, JobState::Scheduled | JobState::Waiting) {
            job.attempt -= 1;
        }
        // Why it was called off stays; an error of the past does not outlive success.
        if to == JobState::Completed || to != JobState::Cancelled && end.body != Stored::Nothing {
            job.stored = end.body.clone();
        }
    }

    fn count(&mut self, to: JobState, end: &End) {
        let totals = &mut self.totals;
        match to {
            JobState::Completed => totals.completed += 1,
            JobState::Cancelled => totals.cancelled += 1,
            JobState::Failed => {
                (totals.failed, totals.errored) = (totals.failed + 1, totals.errored + 1);
            }
            JobState::Retrying => totals.errored += 1,
            JobState::Waiting => totals.released += 1,
            _ if end.how == How::Unhandled => totals.unhandled += 1,
            _ => totals.snoozed += 1,
        }
    }

    /// Changes one job, whose version was checked.
    pub(crate) fn change(&mut self, at: usize, kind: Kind) -> Result<Option<JobState>, Code> {
        let state = self.jobs[at].state.ok_or(Code::JobNotFound)?;
        let is_put_off = matches!(state, JobState::Scheduled | JobState::Retrying);
        let allowed = match kind {
            Kind::Cancel => !state.is_final(),
            Kind::Retry => state.is_final() || state == JobState::Retrying,
            Kind::Promote => is_put_off,
            Kind::Delete => state != JobState::Active,
            Kind::DeleteForced => true,
        };
        if !allowed {
            return Err(Code::InvalidStateTransition);
        }
        match kind {
            Kind::Cancel => return Ok(Some(self.cancel(at))),
            Kind::Retry => self.retry(at),
            Kind::Promote => self.queue_up(at),
            Kind::Delete | Kind::DeleteForced => self.delete(at),
        }
        Ok(self.jobs[at].state)
    }

    fn cancel(&mut self, at: usize) -> JobState {
        self.touched.insert(at);
        let why = Stored::Error(error("CANCELLED", REASON));
        if self.jobs[at].is(JobState::Active) {
            if !std::mem::replace(&mut self.jobs[at].is_asked_to_end, true) {
                self.jobs[at].stored = why;
            }
            return JobState::Active;
        }
        self.go(at, JobState::Cancelled);
        self.jobs[at].stored = why;
        self.totals.cancelled += 1;
        JobState::Cancelled
    }

    fn retry(&mut self, at: usize) {
        let job = &mut self.jobs[at];
        if job.is(JobState::Completed) {
            job.tell(AttemptOutcome::Acked, None);
        }
        if job.is_final() {
            (job.attempt, job.crashes, job.worker) = (0, 0, None);
            (job.has_started, job.finished) = (false, None);
            (job.is_asked_to_end, job.stored) = (false, Stored::Nothing);
        }
        self.queue_up(at);
    }

    /// Changes what was submitted.
    pub(crate) fn update(
        &mut self,
        at: usize,
        changes: &Changes,
        payload: u32,
    ) -> Result<(), Code> {
        let state = self.jobs[at].state.ok_or(Code::JobNotFound)?;
        if state.is_final() || state == JobState::Active {
            return Err(Code::InvalidStateTransition);
        }
        let job = &mut self.jobs[at];
        if changes.payload {
            job.replace_payload(payload);
        }
        job.priority = changes.priority.unwrap_or(job.priority);
        job.max_attempts = changes.max_attempts.or(job.max_attempts);
        if let Some(tags) = &changes.tags {
            job.tags = distinct(tags);
        }
        self.touched.insert(at);
        let told = self.events.len();
        match changes.run {
            Some(When::Far | When::FarAt) => {
                if state == JobState::Waiting {
                    self.go(at, JobState::Scheduled);
                }
                self.jobs[at].is_due = false;
            }
            Some(_) if state != JobState::Waiting => self.queue_up(at),
            _ => {}
        }
        // It is told of even where it stays.
        self.events.truncate(told);
        let letter = match self.jobs[at].state {
            Some(JobState::Waiting) => 'w',
            Some(JobState::Retrying) => 'r',
            _ => 's',
        };
        self.events.push((letter, Some(self.jobs[at].id)));
        Ok(())
    }
}
