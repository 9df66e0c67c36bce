//! Why a job ran again.

use crate::evidence::{Evidence, Run};

/// Finds causes in what is known of a run.
pub(crate) struct Causes<'a> {
    evidence: &'a Evidence,
    /// The begin of each fault, and the latest end of all up to it.
    reach: Vec<(u64, u64)>,
}

impl<'a> Causes<'a> {
    pub(crate) fn new(evidence: &'a Evidence) -> Self {
        let mut latest = 0;
        let reach = evidence
            .faults
            .iter()
            .map(|fault| {
                latest = latest.max(fault.healed);
                (fault.begun, latest)
            })
            .collect();
        Self { evidence, reach }
    }

    /// The logged cause of a second run, or nothing.
    pub(crate) fn of(&self, first: &Run, second: &Run) -> Option<&'a str> {
        if let Some(end) = &first.end {
            match (end.outcome.as_str(), end.reason.as_str()) {
                ("error" | "panic", _) => return Some("the attempt errored"),
                ("snooze", _) => return Some("the handler snoozed"),
                ("cut", "-") => return Some("the attempt ran out of time"),
                (_, "stop") => return Some("its worker was stopped"),
                (_, "lease_lost") => return Some("its worker logged that the lease was lost"),
                _ => {}
            }
        }
        // Its handler never ends, and is told so by nobody but the worker's clock.
        if first.end.is_none()
            && self
                .evidence
                .request_of(first)
                .is_some_and(|request| request.kind == "poison-loop")
        {
            return Some("the attempt ran out of time");
        }
        if let Some(process) = self.evidence.process_of(first)
            && let Some(gone) = process.gone
            && gone <= second.at
            && first.end.as_ref().is_none_or(|end| end.at <= gone)
        {
            // What had ended well long before was finished, and is no matter of the kill.
            let finished = first
                .end
                .as_ref()
                .is_some_and(|end| gone > end.at + 1_000_000_000);
            if !finished {
                return Some(if process.died {
                    "its worker died"
                } else {
                    "its worker was killed or stopped"
                });
            }
        }
        self.fault_between(first, second)
    }

    /// A fault that this process felt between the two starts. Peers are given the
    /// benefit of the doubt: which of two runs was claimed first they do not tell.
    fn fault_between(&self, first: &Run, second: &Run) -> Option<&'a str> {
        let faults = &self.evidence.faults;
        let until = faults.partition_point(|fault| fault.begun <= second.at);
        for at in (0..until).rev() {
            if self.reach[at].1 < first.at {
                return None;
            }
            let fault = &faults[at];
            let felt = fault.scope.is_empty()
                || fault.scope.contains(&first.pid)
                || self.evidence.terms.peer && fault.scope.contains(&second.pid);
            if felt && fault.healed >= first.at {
                return Some(&fault.name);
            }
        }
        None
    }
}
