//! Why every run of the model ends: each action leads to a state that is
//! nearer to the end by this measure. So nothing goes round in circles, and
//! what holds in the states where nothing can happen holds *eventually*.
//!
//! The checker proves it, as it compares both sides of each action.

use crate::store::{Defect, Outcome, Store};
use crate::{CRASH_CAP, Call, JOBS, MAX_ATTEMPTS, State, Told, WORKERS};

/// How far a state is from the end: faults that may still happen, then steps
/// in the lives of the jobs, then steps of single attempts and calls.
pub type Distance = (u32, u32, u32);

/// Measures a state.
#[must_use]
pub fn distance(state: &State, defect: Option<Defect>) -> Distance {
    (
        2 * u32::from(state.faults) + given_back(state),
        (0..JOBS).map(|job| life_left(&state.store, job)).sum(),
        chores(state, defect),
    )
}

/// A release was paid for with two when it was decided on, and takes its job a
/// step back when it is carried out.
fn given_back(state: &State) -> u32 {
    let by_worker = |job| {
        let mut holds = state.holds();
        holds.any(|hold| {
            let will = hold.outcome == Some(Outcome::Release)
                || (hold.outcome.is_none() && hold.told == Told::Lost);
            hold.job == job && will && state.is_owner(hold)
        })
    };
    let on_its_way = |at: usize| {
        state.network.iter().any(|message| {
            matches!(message.call, Call::Finish { job, claim, outcome: Outcome::Release, .. }
                if job == at && claim == state.owner[at])
        })
    };
    (0..JOBS)
        .map(|job| u32::from(by_worker(job) || on_its_way(job)))
        .sum()
}

/// Attempts and crashes that are left, and how far it is to the end of this one.
fn life_left(store: &Store, job: usize) -> u32 {
    if store.is_final(job) {
        return 0;
    }
    let record = store.records[job];
    let is_active = store.active.has(job);
    let errored = record.attempt - u8::from(is_active);
    let stage = if store.retrying.has(job) {
        3
    } else if is_active {
        1
    } else {
        2
    };
    10 * u32::from(MAX_ATTEMPTS - errored) + 10 * u32::from(CRASH_CAP - record.crashes) + stage
}

fn chores(state: &State, defect: Option<Defect>) -> u32 {
    let leased = state.store.leased(defect);
    let mut sum = 0;
    for worker in 0..WORKERS {
        if !state.store.waiting.is_empty() && !state.awaits_claim(worker) {
            sum += 3;
        }
        for hold in &state.workers[worker].holds {
            sum += 9;
            sum -= match hold.told {
                Told::Nothing => 0,
                Told::CalledOff => 1,
                Told::Lost => 2,
            };
            if hold.outcome.is_some() {
                sum -= if state.awaits_finish(worker, hold) {
                    6
                } else {
                    3
                };
            }
            if state.wants_extend(hold, leased) && !state.awaits_extend(worker, hold) {
                sum += 3;
            }
        }
    }
    let unlapsed = leased.jobs().filter(|job| !state.store.lapsed.has(*job));
    let rest = 2 * state.network.len() + unlapsed.count();
    sum + u32::try_from(rest).expect("a few calls and jobs")
}
