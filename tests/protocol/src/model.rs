//! What can happen in a state, and what must hold in all of them.

use stateright::{Model, Property};

use crate::progress::distance;
use crate::properties;
use crate::store::{Defect, Extension, Outcome, Set, Verdict};
use crate::{Call, Hold, JOBS, MAX_ATTEMPTS, Message, State, Told, WORKERS, Worker};

/// How many attempts a worker runs at once.
const SLOTS: usize = 2;

/// The protocol, or one with a mistake.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// How many faults may happen: crashes, lost and late calls, stalls,
    /// cancels, shutdowns.
    pub faults: u8,
    /// The mistake, if there is one.
    pub defect: Option<Defect>,
}

/// Something that happens. Workers, jobs and messages by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A worker asks for waiting jobs.
    Claim(usize),
    /// A worker's beat asks for a longer lease.
    Extend(usize, Hold),
    /// A handler comes to its end, and the worker sends the outcome.
    End(usize, Hold, Outcome),
    /// A worker sends an outcome again that was not answered.
    Resend(usize, Hold),
    /// By its own clock a worker may not use a lease any longer.
    Fence(usize, Hold),
    /// After that it does not try again to store the outcome.
    Abandon(usize, Hold),
    /// A call is carried out; whoever waits for the answer gets it. A claim
    /// takes these of the waiting jobs.
    Deliver(usize, Set),
    /// A call is carried out, likewise; the worker hears that the connection broke.
    LoseReply(usize, Set),
    /// A call is not carried out; the worker hears that the connection broke.
    LoseCall(usize),
    /// A worker waits for an answer no longer; the call is still on its way.
    Delay(usize),
    /// A lease ends by the clock of the store.
    Lapse(usize),
    /// Lost jobs are taken back.
    Reap,
    /// A backoff is over.
    Promote(usize),
    /// Somebody calls a job off.
    Cancel(usize),
    /// A worker ends at once and starts anew.
    Crash(usize),
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.faults)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let may_fail = state.faults > 0;
        for worker in 0..WORKERS {
            self.worker_actions(state, worker, actions);
        }
        for (at, message) in state.network.iter().enumerate() {
            let heard = message.from.is_some();
            for pick in picks(state, message) {
                actions.push(Action::Deliver(at, pick));
                if may_fail && heard {
                    actions.push(Action::LoseReply(at, pick));
                }
            }
            if may_fail && heard {
                actions.extend([Action::LoseCall(at), Action::Delay(at)]);
            }
        }
        let leased = state.store.leased(self.defect);
        for job in 0..JOBS {
            let is_kept = state.holds().any(|h| h.job == job && state.is_owner(h));
            if leased.has(job) && !state.store.lapsed.has(job) && (may_fail || !is_kept) {
                actions.push(Action::Lapse(job));
            }
            if state.store.retrying.has(job) {
                actions.push(Action::Promote(job));
            }
            let is_asked = state.store.records[job].cancel;
            if may_fail && !is_asked && !state.store.is_final(job) {
                actions.push(Action::Cancel(job));
            }
        }
        if !leased.and(state.store.lapsed).is_empty() {
            actions.push(Action::Reap);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.act(&mut state, action);
        state.arrange();
        state.circled |= distance(&state, self.defect) >= distance(last, self.defect);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Protocol {
    /// Whether something will happen. A call to which nobody listens may get
    /// lost, so nothing may depend on it.
    pub(crate) fn may_go_on(self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        let is_sure = |action: &Action| match action {
            Action::Deliver(at, _) => state.network[*at].from.is_some(),
            _ => true,
        };
        actions.iter().any(is_sure)
    }

    fn worker_actions(self, state: &State, worker: usize, actions: &mut Vec<Action>) {
        let holds = &state.workers[worker].holds;
        // Idle workers sleep until something waits.
        let may_gain = holds.len() < SLOTS && !state.store.waiting.is_empty();
        if may_gain && !state.awaits_claim(worker) {
            actions.push(Action::Claim(worker));
        }
        let leased = state.store.leased(self.defect);
        for hold in holds {
            let hold = *hold;
            if state.wants_extend(&hold, leased) && !state.awaits_extend(worker, &hold) {
                actions.push(Action::Extend(worker, hold));
            }
            if hold.told != Told::Lost && (state.faults > 0 || !state.is_owner(&hold)) {
                actions.push(Action::Fence(worker, hold));
            }
            match hold.outcome {
                None => {
                    let outcomes = endings(&hold, state.faults > 0).into_iter();
                    actions.extend(outcomes.map(|outcome| Action::End(worker, hold, outcome)));
                }
                Some(_) if !state.awaits_finish(worker, &hold) => {
                    actions.push(Action::Resend(worker, hold));
                    if hold.told == Told::Lost {
                        actions.push(Action::Abandon(worker, hold));
                    }
                }
                Some(_) => {}
            }
        }
        if state.faults > 0 && (!holds.is_empty() || state.awaits(worker, |_| true)) {
            actions.push(Action::Crash(worker));
        }
    }

    /// What workers do.
    fn act(self, state: &mut State, action: Action) {
        match action {
            Action::Claim(worker) => state.send(worker, Call::Claim),
            Action::Extend(
                worker,
                Hold {
                    job, token, claim, ..
                },
            ) => {
                state.send(worker, Call::Extend { job, token, claim });
            }
            Action::End(worker, hold, outcome) => {
                if outcome == Outcome::Release && hold.told == Told::Nothing {
                    state.faults -= 1;
                }
                change(&mut state.workers[worker], &hold, |hold| {
                    hold.outcome = Some(outcome);
                });
                send_outcome(state, worker, &hold, outcome);
            }
            Action::Resend(worker, hold) => {
                if let Some(outcome) = hold.outcome {
                    send_outcome(state, worker, &hold, outcome);
                }
            }
            Action::Fence(worker, hold) => {
                if state.is_owner(&hold) {
                    state.faults -= 1;
                }
                change(&mut state.workers[worker], &hold, |hold| {
                    hold.told = Told::Lost;
                });
            }
            Action::Abandon(worker, hold) => forget(&mut state.workers[worker], &hold),
            Action::Crash(worker) => {
                state.faults -= 1;
                state.workers[worker] = Worker::default();
                for message in &mut state.network {
                    if message.from == Some(worker) {
                        message.from = None;
                    }
                }
            }
            other => self.happen(state, other),
        }
    }

    /// What happens to calls and to the store.
    fn happen(self, state: &mut State, action: Action) {
        match action {
            Action::Deliver(at, pick) => {
                let message = state.network.remove(at);
                self.carry_out(state, message.call, pick, message.from);
            }
            Action::LoseReply(at, pick) => {
                let message = state.network.remove(at);
                state.faults -= 1;
                self.carry_out(state, message.call, pick, None);
            }
            Action::LoseCall(at) => {
                state.network.remove(at);
                state.faults -= 1;
            }
            Action::Delay(at) => {
                state.network[at].from = None;
                state.faults -= 1;
            }
            Action::Lapse(job) => {
                if state
                    .holds()
                    .any(|hold| hold.job == job && state.is_owner(hold))
                {
                    state.faults -= 1;
                }
                state.store.lapse(job);
            }
            Action::Reap => {
                let leased = state.store.leased(self.defect);
                for job in leased.and(state.store.lapsed).jobs() {
                    state.owner[job] = 0;
                }
                state.store.reap(self.defect);
            }
            Action::Promote(job) => state.store.promote(job),
            Action::Cancel(job) => {
                state.faults -= 1;
                state.store.cancel(job);
            }
            other => unreachable!("{other:?} is done by a worker"),
        }
    }

    /// Runs a script, and gives its answer to whoever waits for it.
    fn carry_out(self, state: &mut State, call: Call, pick: Set, from: Option<usize>) {
        match call {
            Call::Claim => {
                let (token, taken) = state.store.claim(pick, self.defect);
                let claim = state.store.claims;
                for job in taken.jobs() {
                    state.owner[job] = claim;
                    let attempt = state.store.records[job].attempt;
                    let hold = Hold {
                        claim,
                        job,
                        token,
                        attempt,
                        told: Told::Nothing,
                        outcome: None,
                    };
                    if let Some(worker) = from {
                        state.workers[worker].holds.push(hold);
                    }
                }
            }
            Call::Extend { job, token, claim } => {
                let extension = state.store.extend(job, token, self.defect);
                state.intruded |= extension != Extension::Lost && state.owner[job] != claim;
                let told = match extension {
                    Extension::Held => return,
                    Extension::Cancel => Told::CalledOff,
                    Extension::Lost => Told::Lost,
                };
                let of_it = |hold: &&mut Hold| (hold.job, hold.claim) == (job, claim);
                let holds = from.map(|worker| &mut state.workers[worker].holds);
                if let Some(hold) = holds.into_iter().flatten().find(of_it) {
                    hold.told = hold.told.max(told);
                }
            }
            Call::Finish {
                job,
                token,
                claim,
                outcome,
            } => {
                match state.store.finish(job, token, outcome, self.defect) {
                    Verdict::Accepted => {
                        state.intruded |= state.owner[job] != claim;
                        state.owner[job] = 0;
                    }
                    Verdict::Repeated | Verdict::Lost => {}
                }
                if let Some(worker) = from {
                    let holds = &mut state.workers[worker].holds;
                    holds.retain(|hold| (hold.job, hold.claim) != (job, claim));
                }
            }
        }
    }
}

/// Which jobs a claim can take: any that wait and that its worker has slots for,
/// all orders of the waiting jobs being possible. Nothing for other calls.
fn picks(state: &State, message: &Message) -> Vec<Set> {
    let waiting = state.store.waiting;
    if message.call != Call::Claim || waiting.is_empty() {
        return vec![Set::default()];
    }
    let slots = message
        .from
        .map_or(SLOTS, |worker| SLOTS - state.workers[worker].holds.len());
    Set::some()
        .filter(|pick| pick.and(waiting) == *pick && pick.jobs().count() <= slots)
        .collect()
}

/// How a handler can end, and what its worker makes of it: see `classify` in
/// `worker/src/execute.rs`. A release without a cause is a shutdown.
fn endings(hold: &Hold, may_stop: bool) -> Vec<Outcome> {
    let badly = match hold.told {
        Told::CalledOff => Outcome::Cancel,
        Told::Lost => Outcome::Release,
        Told::Nothing if hold.attempt < MAX_ATTEMPTS => Outcome::Error,
        Told::Nothing => Outcome::Fail,
    };
    let mut endings = vec![Outcome::Ack, badly];
    if may_stop && hold.told == Told::Nothing {
        endings.push(Outcome::Release);
    }
    endings
}

fn send_outcome(state: &mut State, worker: usize, hold: &Hold, outcome: Outcome) {
    let Hold {
        job, token, claim, ..
    } = *hold;
    state.send(
        worker,
        Call::Finish {
            job,
            token,
            claim,
            outcome,
        },
    );
}

fn change(worker: &mut Worker, which: &Hold, how: impl Fn(&mut Hold)) {
    worker
        .holds
        .iter_mut()
        .filter(|hold| *hold == which)
        .for_each(how);
}

fn forget(worker: &mut Worker, which: &Hold) {
    worker.holds.retain(|hold| hold != which);
}
