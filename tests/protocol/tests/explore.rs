//! Explores the protocol to the end, and shows that the checker would find the
//! mistakes of other designs.

#![expect(clippy::print_stdout, reason = "how much was explored is the result")]

use jobflow_protocol::{Defect, HOLDER_ONLY, NOTHING_LOST, Protocol, State};
use stateright::{Checker, HasDiscoveries, Model};

/// As many as a run of the tests has time for; more are a matter of minutes.
const FAULTS: u8 = 2;
const MORE_FAULTS: &str = "JOBFLOW_PROTOCOL_FAULTS";

fn faults() -> u8 {
    let text = std::env::var(MORE_FAULTS).ok();
    text.map_or(FAULTS, |text| text.parse().expect("a number of faults"))
}

#[test]
fn the_protocol_keeps_its_word_in_every_state() {
    let protocol = Protocol {
        faults: faults(),
        defect: None,
    };
    let checker = protocol
        .checker()
        .symmetry_fn(State::representative)
        .threads(2)
        .spawn_dfs()
        .join();
    assert!(checker.is_done(), "not explored to the end");
    checker.assert_properties();
    println!(
        "up to {} faults: {} states explored, {} of them different, to a depth of {}; 0 violations",
        faults(),
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth()
    );
}

/// The first property that a protocol with the defect breaks, and the shortest
/// way there.
fn found(defect: Defect) -> &'static str {
    let protocol = Protocol {
        faults: FAULTS,
        defect: Some(defect),
    };
    let checker = protocol
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .threads(2)
        .spawn_bfs()
        .join();
    let always = [HOLDER_ONLY, NOTHING_LOST];
    for name in always {
        if let Some(path) = checker.discovery(name) {
            let actions = path.into_actions();
            println!(
                "{defect:?} breaks `{name}` after {} actions:",
                actions.len()
            );
            for action in actions {
                println!("  {action:?}");
            }
            return name;
        }
    }
    panic!(
        "{defect:?} was not found in {} states",
        checker.state_count()
    );
}

#[test]
fn a_protocol_without_tokens_is_found_out() {
    assert_eq!(found(Defect::NoToken), HOLDER_ONLY);
}

#[test]
fn a_protocol_that_finishes_by_id_only_is_found_out() {
    assert_eq!(found(Defect::FinishById), HOLDER_ONLY);
}

#[test]
fn a_reaper_that_looks_at_a_list_of_leases_alone_is_found_out() {
    assert_eq!(found(Defect::LeaseListAlone), NOTHING_LOST);
}
