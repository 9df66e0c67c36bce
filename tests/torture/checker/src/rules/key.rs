//! I6: one job for each idempotency key and request id, however often it is submitted.

use std::collections::HashMap;

use crate::evidence::Evidence;
use crate::log::Id;
use crate::report::Verdict;
use crate::rules::lost::may_be_lost;

pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::new("I6 key", "one job for each idempotency key or request id");
    let mut jobs: HashMap<&str, Vec<Id>> = HashMap::new();
    let ran = evidence
        .runs
        .iter()
        .flat_map(|(id, runs)| runs.iter().map(|run| (run.request.as_str(), *id)));
    let stored = evidence
        .dump
        .jobs
        .iter()
        .filter_map(|(id, job)| Some((job.request.as_deref()?, *id)));
    let acked = evidence
        .requests
        .iter()
        .flat_map(|(name, request)| request.jobs.iter().map(move |id| (name.as_str(), *id)));
    for (request, id) in ran.chain(stored).chain(acked) {
        let known = jobs.entry(request).or_default();
        if !known.contains(&id) {
            known.push(id);
        }
    }
    for (request, ids) in jobs {
        // A job that Redis was allowed to forget may be submitted anew.
        let forgotten = evidence
            .requests
            .get(request)
            .is_some_and(|request| may_be_lost(evidence, request));
        verdict.check(ids.len() == 1 || forgotten, || {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            format!("{request} became {} jobs: {}", ids.len(), ids.join(", "))
        });
    }
    verdict
}
