//! I4: nobody runs, and nothing stores, what was not submitted.

use crate::evidence::{Evidence, Request};
use crate::log::Id;
use crate::report::Verdict;

pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::new(
        "I4 unsubmitted",
        "what runs or is stored was acknowledged, or its acknowledgement is unknown",
    );
    for (id, runs) in &evidence.runs {
        for run in runs {
            let wrong = wrong(evidence.request_of(run), *id);
            verdict.check(wrong.is_none(), || {
                format!(
                    "job {id} ran for {}: {}",
                    run.request,
                    wrong.unwrap_or_default()
                )
            });
        }
    }
    for (id, job) in &evidence.dump.jobs {
        if let Some(name) = &job.request {
            let wrong = wrong(evidence.requests.get(name), *id);
            verdict.check(wrong.is_none(), || {
                format!(
                    "job {id} is stored for {name}: {}",
                    wrong.unwrap_or_default()
                )
            });
        }
    }
    verdict.check(evidence.odd_lines.is_empty(), || {
        format!(
            "{} odd lines, the first: {}",
            evidence.odd_lines.len(),
            evidence.odd_lines[0]
        )
    });
    verdict
}

fn wrong(request: Option<&Request>, id: Id) -> Option<&'static str> {
    let Some(request) = request.filter(|request| request.tried.is_some()) else {
        return Some("nobody submitted it");
    };
    if request.acked.is_none() && request.unknown == 0 {
        return Some("its submit was refused, and never unknown");
    }
    (request.acked.is_some() && !request.jobs.contains(&id))
        .then_some("its submit was acknowledged with another id")
}
