//! A state of the whole: the store, the workers and what is on its way between them.

use std::collections::BTreeSet;

use crate::store::{Outcome, Record, Set, Store};
use crate::{JOBS, WORKERS};

/// What a worker knows of an attempt of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hold {
    /// Which claim it is of: what the token should say, and in one
    /// [`Defect`](crate::Defect) does not.
    pub claim: u8,
    /// The job.
    pub job: usize,
    /// Proof of the lease.
    pub token: u8,
    /// Which attempt it is.
    pub attempt: u8,
    /// What the handler was told.
    pub told: Told,
    /// How it ended; none while the handler runs.
    pub outcome: Option<Outcome>,
}

/// What a handler was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// That somebody called its job off.
    CalledOff,
    /// That its lease is lost.
    Lost,
}

/// A worker's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Worker {
    /// In order, so that equal states look equal. Two may be of one job: it can
    /// be back before its earlier attempt is gone.
    pub holds: Vec<Hold>,
}

/// A call of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// For waiting jobs.
    Claim,
    /// With the token, and the claim that it stands for.
    Extend {
        /// The job.
        job: usize,
        /// Proof of the lease.
        token: u8,
        /// See [`Hold::claim`].
        claim: u8,
    },
    /// Likewise.
    Finish {
        /// The job.
        job: usize,
        /// Proof of the lease.
        token: u8,
        /// See [`Hold::claim`].
        claim: u8,
        /// How the attempt ended.
        outcome: Outcome,
    },
}

/// A call on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    /// Who waits for the answer; nobody after a crash or a delay.
    pub from: Option<usize>,
    /// What is asked for.
    pub call: Call,
}

/// A state of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State {
    /// Redis.
    pub store: Store,
    /// The workers.
    pub workers: [Worker; WORKERS],
    /// In order, so that equal states look equal.
    pub network: Vec<Message>,
    /// How many faults may still happen.
    pub faults: u8,
    /// By job, which claim its lease is of, and 0 for none: as an observer
    /// knows it who sees everything.
    pub owner: [u8; JOBS],
    /// The store took something from a worker that was not the owner.
    pub intruded: bool,
    /// An action has led no nearer to the end; see [`progress`](crate::progress).
    pub circled: bool,
}

impl State {
    pub(crate) fn new(faults: u8) -> Self {
        Self {
            store: Store::new(),
            workers: Default::default(),
            network: Vec::new(),
            faults,
            owner: [0; JOBS],
            intruded: false,
            circled: false,
        }
    }

    /// All holds of all workers.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.workers.iter().flat_map(|worker| &worker.holds)
    }

    /// The outcomes on their way: the records of their jobs, and their tokens.
    pub fn finishes(&self) -> impl Iterator<Item = (&Record, u8)> {
        self.network
            .iter()
            .filter_map(|message| match message.call {
                Call::Finish { job, token, .. } => Some((&self.store.records[job], token)),
                Call::Claim | Call::Extend { .. } => None,
            })
    }

    /// Whether the hold is the current lease of its job.
    #[must_use]
    pub const fn is_owner(&self, hold: &Hold) -> bool {
        self.owner[hold.job] == hold.claim
    }

    /// Whether a call of the worker is on its way.
    pub(crate) fn awaits(&self, worker: usize, is_it: impl Fn(&Call) -> bool) -> bool {
        let mut network = self.network.iter();
        network.any(|message| message.from == Some(worker) && is_it(&message.call))
    }

    pub(crate) fn awaits_claim(&self, worker: usize) -> bool {
        self.awaits(worker, |call| *call == Call::Claim)
    }

    pub(crate) fn awaits_extend(&self, worker: usize, hold: &Hold) -> bool {
        self.awaits(
            worker,
            |call| matches!(call, Call::Extend { claim, job, .. } if (*claim, *job) == (hold.claim, hold.job)),
        )
    }

    pub(crate) fn awaits_finish(&self, worker: usize, hold: &Hold) -> bool {
        self.awaits(
            worker,
            |call| matches!(call, Call::Finish { claim, job, .. } if (*claim, *job) == (hold.claim, hold.job)),
        )
    }

    /// Whether the next beat would change anything: it renews a lease, or
    /// brings news.
    pub(crate) fn wants_extend(&self, hold: &Hold, leased: Set) -> bool {
        hold.told != Told::Lost
            && (!self.is_owner(hold)
                || self.store.lapsed.has(hold.job)
                || !leased.has(hold.job)
                || (hold.told == Told::Nothing && self.store.records[hold.job].cancel))
    }

    pub(crate) fn send(&mut self, from: usize, call: Call) {
        self.network.push(Message {
            from: Some(from),
            call,
        });
    }

    /// Puts everything in order.
    pub(crate) fn arrange(&mut self) {
        self.network.sort_unstable();
        for worker in &mut self.workers {
            worker.holds.sort_unstable();
        }
    }

    /// The one of all states with the same future which stands for them: they
    /// differ in the names of workers, jobs and claims, and in what nothing
    /// depends on any more. Only for a protocol without a defect.
    #[must_use]
    pub fn representative(&self) -> Self {
        let mut simple = self.clone();
        simple.forget_the_past();
        let renumbered = simple.renumbered();
        let jobs_swapped = renumbered.with_jobs_swapped();
        let both = [renumbered, jobs_swapped];
        let workers_swapped = both.clone().map(Self::with_workers_swapped);
        let mut all = both.into_iter().chain(workers_swapped);
        let first = all.next().expect("there are four");
        all.fold(first, std::cmp::min)
    }

    /// A token that is not the current one never will be again: which outcome
    /// it comes with and what the attempt was does not matter, and a call with
    /// it to which nobody listens does not either. A job that is final stays
    /// what it is. A token that nobody has any more will not be asked for.
    fn forget_the_past(&mut self) {
        let tokens = self.store.records.map(|record| record.token);
        for hold in self.workers.iter_mut().flat_map(|worker| &mut worker.holds) {
            if hold.token != tokens[hold.job] {
                hold.attempt = 1;
                hold.outcome = hold.outcome.map(|_| Outcome::Ack);
            }
        }
        for message in &mut self.network {
            if let Call::Finish {
                job,
                token,
                outcome,
                ..
            } = &mut message.call
                && *token != tokens[*job]
            {
                *outcome = Outcome::Ack;
            }
        }
        self.network.retain(|message| match message.call {
            Call::Claim => true,
            Call::Extend { job, token, .. } | Call::Finish { job, token, .. } => {
                message.from.is_some() || token == tokens[job]
            }
        });
        for job in 0..JOBS {
            let ended = self.store.records[job].ended;
            if self.store.is_done_with(job) {
                self.store.call_it_completed(job);
            }
            if !self
                .holds()
                .any(|hold| (hold.job, hold.token) == (job, ended))
            {
                self.store.records[job].ended = 0;
            }
        }
    }

    /// Claims are compared for being the same, and new ones are new: only that
    /// counts, not how many there were before.
    fn renumbered(mut self) -> Self {
        let state = &mut self;
        let mut known = BTreeSet::from([0]);
        known.extend(state.numbers().map(|number| *number));
        let rank = |number: u8| {
            let before = known.range(..number).count();
            u8::try_from(before).expect("a few claims")
        };
        for number in state.numbers() {
            *number = rank(*number);
        }
        state.store.claims = rank(u8::MAX) - 1;
        state.arrange();
        self
    }

    /// Every number of a claim in this state.
    fn numbers(&mut self) -> impl Iterator<Item = &mut u8> {
        let records = self.store.records.iter_mut();
        let in_records = records.flat_map(|record| [&mut record.token, &mut record.ended]);
        let holds = self.workers.iter_mut().flat_map(|worker| &mut worker.holds);
        let in_holds = holds.flat_map(|hold| [&mut hold.claim, &mut hold.token]);
        let in_network = self.network.iter_mut().flat_map(|message| {
            match &mut message.call {
                Call::Claim => [None, None],
                Call::Extend { token, claim, .. } | Call::Finish { token, claim, .. } => {
                    [Some(token), Some(claim)]
                }
            }
            .into_iter()
            .flatten()
        });
        in_records
            .chain(in_holds)
            .chain(in_network)
            .chain(&mut self.owner)
    }

    fn with_jobs_swapped(&self) -> Self {
        let mut state = self.clone();
        let store = &mut state.store;
        for set in [
            &mut store.waiting,
            &mut store.active,
            &mut store.retrying,
            &mut store.completed,
            &mut store.failed,
            &mut store.cancelled,
            &mut store.lapsed,
            &mut store.leases,
        ] {
            *set = set.swapped();
        }
        store.records.swap(0, 1);
        state.owner.swap(0, 1);
        for worker in &mut state.workers {
            for hold in &mut worker.holds {
                hold.job = 1 - hold.job;
            }
        }
        for message in &mut state.network {
            match &mut message.call {
                Call::Claim => {}
                Call::Extend { job, .. } | Call::Finish { job, .. } => *job = 1 - *job,
            }
        }
        state.arrange();
        state
    }

    fn with_workers_swapped(mut self) -> Self {
        self.workers.swap(0, 1);
        for message in &mut self.network {
            message.from = message.from.map(|worker| 1 - worker);
        }
        self.arrange();
        self
    }
}
