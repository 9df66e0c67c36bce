//! I9: after a fault that stops everybody, work goes on within a stated time.

use crate::evidence::{Evidence, Fault};
use crate::report::Verdict;

const MS: u64 = 1_000_000;

/// For handlers and for submitters apart: each can be deaf alone.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Verdict> {
    let limit = evidence.terms.progress_ms;
    let claim = |who: &str| format!("after each fault {who} again within {limit} ms");
    let ends = stalls(evidence, ends(evidence));
    let acks = stalls(evidence, acks(evidence));
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

/// Between two signs of progress, the longest time in which no outage was under way.
pub(crate) fn stalls(evidence: &Evidence, mut signs: Vec<u64>) -> Vec<(u64, u64)> {
    let (from, until) = evidence.terms.submits;
    let outages: Vec<_> = evidence.outages().collect();
    signs.retain(|sign| (from..until).contains(sign));
    signs.extend([from, until]);
    signs.sort_unstable();
    let mut stalls = Vec::new();
    for pair in signs.windows(2) {
        // Most are short, and there are very many.
        if pair[1] - pair[0] < 10 * MS {
            continue;
        }
        stalls.push((pair[0], longest_calm(pair[0], pair[1], &outages)));
    }
    stalls
}

fn longest_calm(from: u64, until: u64, outages: &[&Fault]) -> u64 {
    let (mut calm_since, mut longest) = (from, 0);
    for fault in outages
        .iter()
        .filter(|fault| fault.healed >= from && fault.begun <= until)
    {
        longest = longest.max(fault.begun.saturating_sub(calm_since));
        calm_since = calm_since.max(fault.healed);
    }
    longest.max(until.saturating_sub(calm_since))
}
