//! What must hold in every state, and what must happen in some, so that it says something.

use stateright::Property;

use crate::{CRASH_CAP, JOBS, MAX_ATTEMPTS, Protocol, State};

/// The fence.
pub const HOLDER_ONLY: &str = "the store takes from the holder of the lease only";
/// Executions overlap only where they must.
pub const ONE_HANDLER: &str = "two handlers run one job only after a lost lease";
/// Where nothing can happen any more, all is done.
pub const NOTHING_LOST: &str = "no job is lost: in the end each is final";

pub(crate) fn all() -> Vec<Property<Protocol>> {
    let mut all = always();
    all.extend(sometimes());
    all
}

fn always() -> Vec<Property<Protocol>> {
    vec![
        Property::always(HOLDER_ONLY, |_, state: &State| !state.intruded),
        Property::always("each job is in exactly one state", |_, state: &State| {
            (0..JOBS).all(|job| {
                let sets = state.store.states().into_iter();
                sets.filter(|set| set.has(job)).count() == 1
            })
        }),
        Property::always(
            "exactly the active jobs have a token",
            |_, state: &State| {
                (0..JOBS)
                    .all(|job| state.store.active.has(job) == (state.store.records[job].token != 0))
            },
        ),
        Property::always(
            "attempts and crashes stay within their limits",
            |_, state: &State| {
                let mut records = state.store.records.iter();
                records.all(|record| record.attempt <= MAX_ATTEMPTS && record.crashes <= CRASH_CAP)
            },
        ),
        Property::always(ONE_HANDLER, |_, state: &State| {
            (0..JOBS).all(|job| {
                let running = state
                    .holds()
                    .filter(|h| h.job == job && h.outcome.is_none());
                running.count() <= 1 || state.store.records[job].crashes > 0
            })
        }),
        Property::always(NOTHING_LOST, |model: &Protocol, state: &State| {
            model.may_go_on(state) || (0..JOBS).all(|job| state.store.is_final(job))
        }),
        Property::always(
            "every action leads nearer to the end",
            |_, state: &State| !state.circled,
        ),
    ]
}

/// Without these the others would say little.
fn sometimes() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes("both jobs are final", |_, state: &State| {
            (0..JOBS).all(|job| state.store.is_final(job))
        }),
        Property::sometimes(
            "a job has lost all the workers it may",
            |_, state: &State| {
                let lapsed = state.store.active.and(state.store.lapsed).jobs();
                let mut crashes = lapsed.map(|job| state.store.records[job].crashes + 1);
                crashes.any(|crashes| crashes == CRASH_CAP)
            },
        ),
        Property::sometimes("an active job is called off", |_, state: &State| {
            let mut active = state.store.active.jobs();
            active.any(|job| state.store.records[job].cancel)
        }),
        Property::sometimes("a job is in its last attempt", |_, state: &State| {
            let mut active = state.store.active.jobs();
            active.any(|job| state.store.records[job].attempt == MAX_ATTEMPTS)
        }),
        Property::sometimes("a late outcome is refused", |_, state: &State| {
            state
                .finishes()
                .any(|(record, token)| record.token != token && record.ended != token)
        }),
        Property::sometimes(
            "an outcome comes twice and is known again",
            |_, state: &State| {
                state
                    .finishes()
                    .any(|(record, token)| record.ended == token)
            },
        ),
    ]
}
