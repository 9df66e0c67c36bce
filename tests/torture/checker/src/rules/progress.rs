//! I9: after a fault that stops everybody, work goes on within a stated time.

use crate::evidence::{Evidence, Process};
use crate::report::Verdict;

const MS: u64 = 1_000_000;

/// For handlers and for submitters apart: each can be deaf alone.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Verdict> {
    let limit = evidence.terms.progress_ms;
    let claim = |who: &str| format!("after each fault {who} again within {limit} ms");
    let ends = stalls(evidence, ends(evidence), "worker");
    let acks = stalls(evidence, acks(evidence), "server");
    [
        ("I9 runs", "a job ends", ends),
        ("I9 submits", "a submit is acknowledged", acks),
    ]
    .into_iter()
    .map(|(rule, who, stalls)| {
        let mut verdict = Verdict::new(rule, claim(who));
        for (since, stall) in stalls {
            verdict.check(stall <= limit * MS, || {
                format!(
                    "nothing for {} ms from {since} on, with no fault under way",
                    stall / MS
                )
            });
        }
        verdict
    })
    .collect()
}

pub(crate) fn ends(evidence: &Evidence) -> Vec<u64> {
    let runs = evidence.runs.values().flatten();
    runs.filter(|run| run.ended_well())
        .filter_map(|run| Some(run.end.as_ref()?.at))
        .collect()
}

fn acks(evidence: &Evidence) -> Vec<u64> {
    evidence
        .requests
        .values()
        .filter_map(|request| request.acked)
        .collect()
}

/// Between two signs of progress, the longest time in which nothing stood in the
/// way of all processes of a role.
pub(crate) fn stalls(evidence: &Evidence, mut signs: Vec<u64>, role: &str) -> Vec<(u64, u64)> {
    let (from, until) = evidence.terms.submits;
    let outages = outages(evidence, role);
    signs.retain(|sign| (from..until).contains(sign));
    signs.extend([from, until]);
    signs.sort_unstable();
    let gaps = signs.windows(2).map(|pair| (pair[0], pair[1]));
    // Most are short, and there are very many.
    let long = gaps.filter(|(since, next)| next - since >= 10 * MS);
    long.map(|(since, next)| (since, longest_calm(since, next, &outages)))
        .collect()
}

/// When everybody felt a fault, or each process of the role one of its own.
fn outages(evidence: &Evidence, role: &str) -> Vec<(u64, u64)> {
    let mut outages: Vec<_> = evidence
        .outages()
        .map(|fault| (fault.begun, fault.healed))
        .collect();
    let processes = evidence.processes.iter();
    let mut able: Vec<_> = processes
        .filter(|process| process.role.starts_with(role))
        .flat_map(|process| able(evidence, process))
        .collect();
    able.sort_unstable();
    let mut nobody_since = evidence.terms.submits.0;
    for (begin, end) in able {
        if begin > nobody_since {
            outages.push((nobody_since, begin));
        }
        nobody_since = nobody_since.max(end);
    }
    outages.push((nobody_since, u64::MAX));
    outages.sort_unstable();
    outages
}

/// When a process was there and no fault of its own kept it from its work.
fn able(evidence: &Evidence, process: &Process) -> Vec<(u64, u64)> {
    let mut able = Vec::new();
    let mut since = process.born;
    let gone = process.gone.unwrap_or(u64::MAX);
    let faults = evidence.faults.iter();
    for fault in faults.filter(|fault| fault.scope.contains(&process.pid)) {
        if fault.begun > since {
            able.push((since, fault.begun.min(gone)));
        }
        since = since.max(fault.healed);
    }
    if since < gone {
        able.push((since, gone));
    }
    able
}

fn longest_calm(from: u64, until: u64, outages: &[(u64, u64)]) -> u64 {
    let (mut calm_since, mut longest) = (from, 0);
    for (begun, healed) in outages {
        if *healed >= from && *begun <= until {
            longest = longest.max(begun.saturating_sub(calm_since));
            calm_since = calm_since.max(*healed);
        }
    }
    longest.max(until.saturating_sub(calm_since))
}
