//! The store: what the scripts do to the sets and records of the jobs.

use crate::{CRASH_CAP, JOBS};

/// A sorted set of Redis without its scores: which jobs it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Set(u8);

impl Set {
    /// All jobs.
    pub const ALL: Self = Self((1 << JOBS) - 1);

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the job is in it.
    #[must_use]
    pub const fn has(self, job: usize) -> bool {
        self.0 & (1 << job) != 0
    }

    /// Whether no job is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Every set but the empty one.
    pub fn some() -> impl Iterator<Item = Self> {
        (1..=Self::ALL.0).map(Self)
    }

    /// Its jobs.
    pub fn jobs(self) -> impl Iterator<Item = usize> {
        (0..JOBS).filter(move |job| self.has(*job))
    }

    fn add(&mut self, job: usize) {
        self.0 |= 1 << job;
    }

    fn remove(&mut self, job: usize) {
        self.0 &= !(1 << job);
    }

    /// With the two jobs in each other's place.
    #[must_use]
    pub const fn swapped(self) -> Self {
        Self((self.0 & 1) << 1 | self.0 >> 1)
    }
}

/// The mutable record of a job, see `src/meta.rs`; 0 is no token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Record {
    /// Workers lost over it.
    pub crashes: u8,
    /// The attempt that runs, or how many have errored.
    pub attempt: u8,
    /// Of the lease; none while it is not active.
    pub token: u8,
    /// The token with which its last attempt was finished.
    pub ended: u8,
    /// Somebody asked for its end while it was active.
    pub cancel: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The handler succeeded.
    Ack,
    /// It did not, and attempts are left.
    Error,
    /// It did not, and none are left.
    Fail,
    /// It ended because somebody called the job off.
    Cancel,
    /// The worker gives the job back.
    Release,
}

/// What `finish` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The attempt is over now.
    Accepted,
    /// The same call has been done before: told as a success, too.
    Repeated,
    /// The token is not the current one: nothing was changed.
    Lost,
}

/// What `extend` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// The lease holds for another term.
    Held,
    /// It does, and somebody asked for the job's end.
    Cancel,
    /// It is somebody else's, or nobody's.
    Lost,
}

/// A mistake in the protocol that the checker must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Leases have no fence: all have the same token.
    NoToken,
    /// Leases have tokens, but `finish` asks only whether the job is active.
    FinishById,
    /// The leases are a list of their own, into which the first extension puts
    /// one after the claim; the reaper looks at that list only.
    LeaseListAlone,
}

/// All there is in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Store {
    /// By state: a job's state is the set that it is in.
    pub waiting: Set,
    /// The active jobs, which is the list of leases.
    pub active: Set,
    /// Errored, in their backoff.
    pub retrying: Set,
    /// Final.
    pub completed: Set,
    /// Final.
    pub failed: Set,
    /// Final.
    pub cancelled: Set,
    /// Those whose score in `active` is in the past.
    pub lapsed: Set,
    /// The list apart of [`Defect::LeaseListAlone`]; empty without it.
    pub leases: Set,
    /// How many claims gave something: the source of tokens.
    pub claims: u8,
    /// By job.
    pub records: [Record; JOBS],
}

impl Store {
    /// Both jobs wait.
    #[must_use]
    pub fn new() -> Self {
        let none = Set::default();
        Self {
            waiting: Set::ALL,
            active: none,
            retrying: none,
            completed: none,
            failed: none,
            cancelled: none,
            lapsed: none,
            leases: none,
            claims: 0,
            records: [Record::default(); JOBS],
        }
    }

    /// The sets of the states.
    #[must_use]
    pub const fn states(&self) -> [Set; 6] {
        let Self {
            waiting,
            active,
            retrying,
            completed,
            failed,
            cancelled,
            ..
        } = *self;
        [waiting, active, retrying, completed, failed, cancelled]
    }

    /// Whether nothing is left to do for the job.
    #[must_use]
    pub const fn is_final(&self, job: usize) -> bool {
        self.completed.has(job) || self.failed.has(job) || self.cancelled.has(job)
    }

    /// Whether it is final, and in no other set: all that is left to say of it
    /// is which token it ended with.
    pub(crate) fn is_done_with(&self, job: usize) -> bool {
        let sets = self.states().into_iter().filter(|set| set.has(job));
        self.is_final(job) && sets.count() == 1 && self.records[job].token == 0
    }

    pub(crate) fn call_it_completed(&mut self, job: usize) {
        self.failed.remove(job);
        self.cancelled.remove(job);
        self.completed.add(job);
        let ended = self.records[job].ended;
        self.records[job] = Record {
            ended,
            ..Record::default()
        };
    }

    /// `claim.lua`: takes waiting jobs under one token. Returns it and the jobs.
    pub fn claim(&mut self, pick: Set, defect: Option<Defect>) -> (u8, Set) {
        let taken = self.waiting.and(pick);
        if taken.is_empty() {
            return (0, taken);
        }
        self.claims += 1;
        let token = match defect {
            Some(Defect::NoToken) => 1,
            _ => self.claims,
        };
        for job in taken.jobs() {
            self.waiting.remove(job);
            let record = &mut self.records[job];
            record.attempt += 1;
            record.token = token;
            self.active.add(job);
            self.lapsed.remove(job);
        }
        (token, taken)
    }

    /// `finish.lua`: ends an attempt, fenced by its token.
    pub fn finish(
        &mut self,
        job: usize,
        token: u8,
        outcome: Outcome,
        defect: Option<Defect>,
    ) -> Verdict {
        let record = &mut self.records[job];
        let outcome = match outcome {
            Outcome::Ack => Outcome::Ack,
            _ if record.cancel => Outcome::Cancel,
            other => other,
        };
        let fits = match defect {
            Some(Defect::FinishById) => self.active.has(job),
            _ => record.token == token,
        };
        if !fits {
            return if record.ended == token {
                Verdict::Repeated
            } else {
                Verdict::Lost
            };
        }
        record.token = 0;
        record.ended = token;
        if outcome == Outcome::Release {
            record.attempt -= 1;
        }
        self.active.remove(job);
        self.leases.remove(job);
        self.lapsed.remove(job);
        match outcome {
            Outcome::Ack => self.completed.add(job),
            Outcome::Error => self.retrying.add(job),
            Outcome::Fail => self.failed.add(job),
            Outcome::Cancel => self.cancelled.add(job),
            Outcome::Release => self.waiting.add(job),
        }
        Verdict::Accepted
    }

    /// `extend.lua`: renews a lease, fenced by its token.
    pub fn extend(&mut self, job: usize, token: u8, defect: Option<Defect>) -> Extension {
        let record = self.records[job];
        if record.token != token {
            return Extension::Lost;
        }
        // `ZADD XX`: only what is active.
        if self.active.has(job) {
            self.lapsed.remove(job);
            if defect == Some(Defect::LeaseListAlone) {
                self.leases.add(job);
            }
        }
        if record.cancel {
            Extension::Cancel
        } else {
            Extension::Held
        }
    }

    /// The active jobs whose lease can end: those that have one.
    #[must_use]
    pub fn leased(&self, defect: Option<Defect>) -> Set {
        match defect {
            Some(Defect::LeaseListAlone) => self.leases.and(self.active),
            _ => self.active,
        }
    }

    /// The clock of the store goes past the end of a lease.
    pub fn lapse(&mut self, job: usize) {
        self.lapsed.add(job);
    }

    /// `reap_expired`: takes jobs back whose lease is over.
    pub fn reap(&mut self, defect: Option<Defect>) {
        for job in self.leased(defect).and(self.lapsed).jobs() {
            self.active.remove(job);
            self.leases.remove(job);
            self.lapsed.remove(job);
            let record = &mut self.records[job];
            record.crashes += 1;
            record.attempt -= 1;
            record.token = 0;
            if record.cancel {
                self.cancelled.add(job);
            } else if record.crashes >= CRASH_CAP {
                self.failed.add(job);
            } else {
                self.waiting.add(job);
            }
        }
    }

    /// `promote_from`: a backoff is over.
    pub fn promote(&mut self, job: usize) {
        self.retrying.remove(job);
        self.waiting.add(job);
        self.records[job].token = 0;
    }

    /// `cancel.lua`: at once while the job does not run, else by asking.
    pub fn cancel(&mut self, job: usize) {
        if self.active.has(job) {
            self.records[job].cancel = true;
        } else if !self.is_final(job) {
            self.waiting.remove(job);
            self.retrying.remove(job);
            self.cancelled.add(job);
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}
