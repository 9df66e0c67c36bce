//! What must come of every operation, in plain Rust: the expected state
//! machine. It knows no store and no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jobflow::{AttemptOutcome, Code, JobError, JobId, JobState, QueueSettings, Totals};

use crate::job::{Job, Stored, error};
use crate::op::{Limit, Setting, Until};

pub(crate) const CRASH_CAP: u32 = 2;
pub(crate) const REASON: &str = "called off";
/// Kept of each kind of final jobs, unless the queue says otherwise.
pub(crate) const KEPT: u32 = 1_000;

/// A new state, or the code of a refusal.
pub(crate) type Verdict = Result<JobState, Code>;

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) jobs: Vec<Job>,
    pub(crate) is_known: bool,
    /// Something was counted since the queue began.
    pub(crate) has_counters: bool,
    pub(crate) keys: BTreeMap<u8, usize>,
    pub(crate) turns: i64,
    pub(crate) payloads: u32,
    pub(crate) totals: Totals,
    /// Whether a pause holds: of the queue, of kinds.
    pub(crate) is_paused: bool,
    pub(crate) paused_kinds: BTreeSet<u8>,
    pub(crate) is_draining: bool,
    pub(crate) settings: QueueSettings,
    /// The moves of all operations so far.
    pub(crate) moves: BTreeSet<(JobState, JobState)>,
    /// Of the present operation: the jobs that it touched, what it makes known,
    /// and how many final jobs of a state it forgets.
    pub(crate) touched: BTreeSet<usize>,
    pub(crate) events: Vec<(char, Option<JobId>)>,
    pub(crate) forgotten: Vec<(JobState, usize)>,
    has_ended: bool,
}

impl Model {
    pub(crate) fn begin(&mut self) {
        self.touched.clear();
        self.events.clear();
        self.forgotten.clear();
        self.has_ended = false;
    }

    /// Ends a call: a draining queue tells that its last job has ended.
    pub(crate) fn end_call(&mut self) {
        if std::mem::take(&mut self.has_ended) && self.is_draining {
            self.tell_when_empty();
        }
    }

    pub(crate) fn tell_when_empty(&mut self) {
        if !self
            .jobs
            .iter()
            .any(|job| job.state.is_some() && !job.is_final())
        {
            self.events.push(('e', None));
        }
    }

    /// Moves a job; only as the table allows.
    pub(crate) fn go(&mut self, at: usize, to: JobState) {
        let job = &mut self.jobs[at];
        let from = job.state.expect("only jobs that are there move");
        assert!(from.can_become(to), "{from} to {to} is not in the table");
        self.moves.insert((from, to));
        job.state = Some(to);
        self.touched.insert(at);
        if !from.is_final() {
            self.has_ended = true;
        }
        self.events.push((letter(to), Some(job.id)));
        if to.is_final() {
            job.finished = Some(u64::MAX);
            if job.frees_key {
                self.free_key(at);
            }
        }
    }

    pub(crate) fn free_key(&mut self, at: usize) {
        if let Some(key) = self.jobs[at].key.take()
            && self.keys.get(&key) == Some(&at)
        {
            self.keys.remove(&key);
        }
    }

    /// To the tail of its band.
    pub(crate) fn queue_up(&mut self, at: usize) {
        self.go(at, JobState::Waiting);
        self.turns += 1;
        self.jobs[at].turn = self.turns;
    }

    pub(crate) fn in_state(&self, state: JobState) -> Vec<usize> {
        (0..self.jobs.len())
            .filter(|at| self.jobs[*at].is(state))
            .collect()
    }

    pub(crate) fn living(&self) -> Vec<usize> {
        (0..self.jobs.len())
            .filter(|at| self.jobs[*at].state.is_some())
            .collect()
    }

    /// All that is left of a job is its number.
    pub(crate) fn forget(&mut self, at: usize) {
        self.free_key(at);
        let job = &mut self.jobs[at];
        job.state = None;
        (job.lease, job.ended, job.limit) = (None, None, Limit::None);
        self.touched.insert(at);
    }

    pub(crate) fn delete(&mut self, at: usize) {
        self.events.push(('d', Some(self.jobs[at].id)));
        self.has_ended |= !self.jobs[at].is_final();
        self.forget(at);
    }

    /// Scheduled and retrying jobs whose time has come wait, those due first first.
    pub(crate) fn promote(&mut self) -> usize {
        let mut promoted = 0;
        for state in [JobState::Scheduled, JobState::Retrying] {
            let mut due = self.in_state(state);
            due.retain(|at| self.jobs[*at].is_due);
            due.sort_by_key(|at| (self.jobs[*at].due, *self.jobs[*at].id.as_bytes()));
            for at in &due {
                self.queue_up(*at);
            }
            promoted += due.len();
        }
        promoted
    }

    /// Jobs that were to have started by now fail.
    pub(crate) fn expire(&mut self) {
        for at in 0..self.jobs.len() {
            if self.jobs[at].limit != Limit::Over {
                continue;
            }
            self.jobs[at].limit = Limit::None;
            let job = &self.jobs[at];
            let is_open = job.is(JobState::Waiting) || job.is(JobState::Scheduled);
            if is_open && !job.has_started {
                let why = "the job had not started before the time it was given";
                self.fail(at, error("EXPIRED", why));
            }
        }
        self.end_call();
    }

    pub(crate) fn fail(&mut self, at: usize, why: JobError) {
        self.go(at, JobState::Failed);
        self.jobs[at].stored = Stored::Error(why);
        self.totals.failed += 1;
    }

    /// Takes back what lost its worker. How many wait again, and how many are final.
    pub(crate) fn reap(&mut self) -> (usize, usize) {
        let mut lost = self.in_state(JobState::Active);
        lost.retain(|at| self.jobs[*at].lease_is_over);
        let (mut back, mut over) = (0, 0);
        for at in lost {
            let job = &mut self.jobs[at];
            job.tell(AttemptOutcome::Lost, None);
            job.attempt -= 1;
            job.crashes += 1;
            (job.lease, job.lease_is_over) = (None, false);
            self.totals.lease_expired += 1;
            if self.jobs[at].is_asked_to_end {
                self.go(at, JobState::Cancelled);
                self.totals.cancelled += 1;
                over += 1;
            } else if self.jobs[at].crashes >= CRASH_CAP {
                let why = format!("{CRASH_CAP} workers were lost while they ran this job");
                self.fail(at, error("WORKER_LOST", &why));
                over += 1;
            } else {
                self.go(at, JobState::Waiting);
                back += 1;
            }
        }
        self.end_call();
        (back, over)
    }

    /// What a claim does, up to `limit` jobs: their places in the list of jobs.
    /// The claims made are the ones from `first_claim` on.
    pub(crate) fn claim(&mut self, limit: usize, worker: u8, first_claim: usize) -> Vec<usize> {
        self.is_known = true;
        self.expire();
        self.promote();
        self.reap();
        if self.is_paused {
            return Vec::new();
        }
        let mut waiting = self.in_state(JobState::Waiting);
        waiting.retain(|at| !self.paused_kinds.contains(&self.jobs[*at].kind));
        waiting.sort_by_key(|at| self.jobs[*at].place());
        waiting.truncate(limit);
        for (n, at) in waiting.iter().enumerate() {
            self.go(*at, JobState::Active);
            let job = &mut self.jobs[*at];
            job.attempt += 1;
            (job.has_started, job.worker) = (true, Some(worker));
            (job.lease, job.lease_is_over) = (Some(first_claim + n), false);
        }
        self.has_ended = false;
        waiting
    }

    /// Drops final jobs that are more than are kept, up to `limit`.
    pub(crate) fn trim(&mut self, state: JobState, limit: usize) -> usize {
        let settings = &self.settings;
        let keep = match state {
            JobState::Completed => settings.keep_completed,
            JobState::Failed => settings.keep_failed,
            _ => settings.keep_cancelled,
        };
        let keep = usize::try_from(keep.unwrap_or(KEPT)).expect("a small number");
        let excess = self.in_state(state).len().saturating_sub(keep).min(limit);
        if excess > 0 {
            self.forgotten.push((state, excess));
        }
        excess
    }

    /// Drops final jobs over their count or age.
    pub(crate) fn prune(&mut self) -> usize {
        let settings = self.settings;
        let ages = [
            (JobState::Completed, settings.age_completed),
            (JobState::Failed, settings.age_failed),
            (JobState::Cancelled, settings.age_cancelled),
        ];
        let mut pruned = 0;
        for (state, age) in ages {
            if age.is_some() {
                let all = self.in_state(state);
                pruned += all.len();
                all.into_iter().for_each(|at| self.forget(at));
            } else {
                pruned += self.trim(state, usize::MAX);
            }
        }
        pruned
    }

    /// Deletes the jobs of some states.
    pub(crate) fn purge(&mut self, states: &[JobState]) -> Result<usize, Code> {
        self.check_known()?;
        let mut purged = 0;
        for state in states {
            let all = self.in_state(*state);
            purged += all.len();
            all.into_iter().for_each(|at| self.delete(at));
            self.end_call();
        }
        Ok(purged)
    }

    pub(crate) fn check_known(&self) -> Result<(), Code> {
        if self.is_known {
            return Ok(());
        }
        Err(Code::QueueNotFound)
    }

    pub(crate) fn pause(&mut self, kind: Option<u8>, until: Until) -> Result<(), Code> {
        self.check_known()?;
        let holds = until != Until::Past;
        match kind {
            None => self.is_paused = holds,
            Some(kind) if holds => drop(self.paused_kinds.insert(kind)),
            Some(kind) => drop(self.paused_kinds.remove(&kind)),
        }
        Ok(())
    }

    pub(crate) fn resume(&mut self, kind: Option<u8>) -> Result<(), Code> {
        self.check_known()?;
        match kind {
            None => (self.is_paused, self.is_draining) = (false, false),
            Some(kind) => drop(self.paused_kinds.remove(&kind)),
        }
        Ok(())
    }

    pub(crate) fn set(&mut self, setting: Setting) {
        let settings = &mut self.settings;
        match setting {
            Setting::MaxWaiting(most) => settings.max_waiting = most,
            Setting::KeepCompleted(keep) => settings.keep_completed = keep,
            Setting::KeepFailed(keep) => settings.keep_failed = keep,
            Setting::KeepCancelled(keep) => settings.keep_cancelled = keep,
            Setting::MaxAttempts(most) => settings.max_attempts = most,
            Setting::NoAge(none) => {
                let ages = none.map(|none| none.then_some(Duration::ZERO));
                [
                    settings.age_completed,
                    settings.age_failed,
                    settings.age_cancelled,
                ] = ages;
            }
        }
    }

    pub(crate) fn drain(&mut self) -> Result<(), Code> {
        self.check_known()?;
        self.is_draining = true;
        self.tell_when_empty();
        Ok(())
    }

    /// A queue without jobs is as if it had never been.
    pub(crate) fn delete_queue(&mut self) -> Result<(), Code> {
        self.check_known()?;
        if !self.living().is_empty() {
            return Err(Code::QueueNotEmpty);
        }
        *self = Self {
            jobs: std::mem::take(&mut self.jobs),
            moves: std::mem::take(&mut self.moves),
            payloads: self.payloads,
            ..Self::default()
        };
        Ok(())
    }
}

fn letter(state: JobState) -> char {
    match state {
        JobState::Scheduled => 's',
        JobState::Blocked => 'b',
        JobState::Waiting => 'w',
        JobState::Active => 'a',
        JobState::Retrying => 'r',
        JobState::Completed => 'c',
        JobState::Failed => 'f',
        JobState::Cancelled => 'x',
    }
}
