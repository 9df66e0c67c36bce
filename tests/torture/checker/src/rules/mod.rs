//! The invariants, one per file. I7, one job for each firing of a schedule, is
//! missing: there are no schedules.

mod attempts;
mod duplicate;
mod fence;
mod key;
mod lost;
mod musts;
mod progress;
mod state;
mod unsubmitted;

#[cfg(test)]
mod planted;
#[cfg(test)]
mod planted_musts;
#[cfg(test)]
mod story;

use crate::evidence::Evidence;
use crate::report::Verdict;

pub(crate) use lost::forgotten;

/// The times without an end of a job.
pub(crate) fn stalls_of_ends(evidence: &Evidence) -> Vec<u64> {
    let stalls = progress::stalls(evidence, progress::ends(evidence), "worker");
    stalls.into_iter().map(|(_, stall)| stall).collect()
}

/// Judges a run by every rule.
pub(crate) fn all(evidence: &Evidence) -> Vec<Verdict> {
    if evidence.terms.peer {
        // Tokens, attempts and records are its own business.
        return vec![
            lost::judge(evidence),
            duplicate::judge(evidence),
            unsubmitted::judge(evidence),
        ];
    }
    let mut verdicts = vec![
        lost::judge(evidence),
        fence::judge(evidence),
        duplicate::judge(evidence),
        unsubmitted::judge(evidence),
        attempts::judge(evidence),
        key::judge(evidence),
        state::judge(evidence),
    ];
    verdicts.extend(progress::judge(evidence));
    verdicts.extend(musts::judge(evidence));
    verdicts
}
