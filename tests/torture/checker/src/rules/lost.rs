//! I1: what was acknowledged has been run to its end.

use crate::dump::Outcome;
use crate::evidence::{Evidence, Request, Run};
use crate::log::Id;
use crate::report::Verdict;
use crate::terms::Durability;

/// How much Redis may forget when it syncs each second: the second, and the one
/// before, whose sync may still be under way.
const FORGOTTEN: u64 = 2_000_000_000;

pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::new(
        "I1 lost",
        "each acknowledged job is completed, failed with a reason or cancelled",
    );
    for (name, request) in &evidence.requests {
        for job in &request.jobs {
            let found = fate(evidence, *job);
            verdict.check(found.is_ok() || may_be_lost(evidence, request), || {
                let runs: Vec<_> = evidence
                    .runs
                    .get(job)
                    .into_iter()
                    .flatten()
                    .map(told)
                    .collect();
                format!(
                    "{name} ({}), job {job}, acknowledged at {:?}: {}; runs: [{}]",
                    request.kind,
                    request.acked,
                    found.err().unwrap_or_default(),
                    runs.join("; ")
                )
            });
        }
    }
    if evidence.terms.drained.is_none() {
        verdict.break_by("the queue was not drained in time".to_owned());
    }
    verdict
}

pub(crate) fn told(run: &Run) -> String {
    let end = run.end.as_ref();
    let end = end.map_or_else(
        || "no end".to_owned(),
        |end| format!("{} {} at {}", end.outcome, end.reason, end.at),
    );
    format!(
        "token {} attempt {} in {} at {}, {end}",
        run.token, run.attempt, run.pid, run.at
    )
}

/// How the job ended, or what is wrong with it.
fn fate(evidence: &Evidence, id: Id) -> Result<(), String> {
    let runs = evidence
        .runs
        .get(&id)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let ran_well = || runs.iter().any(Run::ended_well);
    let Some(job) = evidence.dump.jobs.get(&id) else {
        // Only the newest are kept: what is gone must have come to its end.
        return if evidence.terms.trimmed && (ran_well() || is_used_up(evidence, runs)) {
            Ok(())
        } else {
            Err("it is gone".to_owned())
        };
    };
    match job.state() {
        Some("completed") if ran_well() => Ok(()),
        Some("completed") => Err("it is completed, but no run of it ended well".to_owned()),
        Some("failed") => match &job.outcome {
            Some(Outcome::Error { code }) if !code.is_empty() => Ok(()),
            _ => Err("it failed without a reason".to_owned()),
        },
        Some("cancelled") => Ok(()),
        Some(state) => Err(format!("it is still {state}")),
        None => Err("it is in no state, or in several".to_owned()),
    }
}

/// Whether the last attempt that the job was given has ended badly.
fn is_used_up(evidence: &Evidence, runs: &[Run]) -> bool {
    runs.last().is_some_and(|last| {
        let given = evidence.request_of(last).map(|request| request.attempts);
        last.end.is_some() && given.is_some_and(|given| last.attempt >= given)
    })
}

/// Whether Redis was allowed to forget it.
pub(crate) fn may_be_lost(evidence: &Evidence, request: &Request) -> bool {
    let Some(acked) = request.acked else {
        return false;
    };
    evidence.outages().any(|fault| {
        let forgets = match (fault.name.as_str(), evidence.terms.durability) {
            ("redis-truncate", _) => FORGOTTEN,
            ("redis-kill" | "redis-stop-start" | "disk-full", Durability::Everysec) => FORGOTTEN,
            ("redis-kill" | "redis-stop-start" | "disk-full", Durability::No) => u64::MAX,
            _ => 0,
        };
        forgets > 0 && acked >= fault.begun.saturating_sub(forgets) && acked <= fault.healed
            || forgets == u64::MAX && acked <= fault.healed
    })
}

/// Acknowledged jobs that Redis forgot and was allowed to.
pub(crate) fn forgotten(evidence: &Evidence) -> usize {
    let all = evidence.requests.values();
    all.flat_map(|request| request.jobs.iter().map(move |job| (request, job)))
        .filter(|(request, job)| fate(evidence, **job).is_err() && may_be_lost(evidence, request))
        .count()
}
