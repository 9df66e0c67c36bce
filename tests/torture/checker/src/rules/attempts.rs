//! I5: attempts stay within what the job was given.

use crate::evidence::Evidence;
use crate::report::Verdict;

pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::new("I5 attempts", "no job has more attempts than it was given");
    for (id, runs) in &evidence.runs {
        let Some(most) = runs
            .first()
            .and_then(|run| evidence.request_of(run))
            .map(|request| request.attempts)
        else {
            continue;
        };
        let highest = runs.iter().map(|run| run.attempt).max().unwrap_or_default();
        verdict.check(highest <= most, || {
            format!("job {id} came to attempt {highest} of {most}")
        });
        // Runs that ended well under a lost lease are crashes, and errored ones are attempts.
        let stored = evidence.dump.jobs.get(id).and_then(|job| job.meta);
        verdict.check(stored.is_none_or(|meta| meta.attempt <= most), || {
            format!(
                "job {id} is stored with attempt {} of {most}",
                stored.map_or(0, |meta| meta.attempt)
            )
        });
        let crashes = stored.map_or(0, |meta| meta.crashes);
        let cap = evidence.terms.crash_cap;
        verdict.check(crashes <= cap, || {
            format!("job {id} has lost {crashes} workers, the cap is {cap}")
        });
    }
    verdict
}
