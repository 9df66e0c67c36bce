//! I3: a job runs again only for a cause that somebody has logged.

use crate::causes::Causes;
use crate::evidence::Evidence;
use crate::report::Verdict;
use crate::rules::lost::told;

pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::new("I3 duplicate", "a job runs again only for a logged cause");
    let causes = Causes::new(evidence);
    for (id, runs) in &evidence.runs {
        for pair in runs.windows(2) {
            verdict.check(causes.of(&pair[0], &pair[1]).is_some(), || {
                format!(
                    "job {id} ran again without a cause: {}; then {}",
                    told(&pair[0]),
                    told(&pair[1])
                )
            });
        }
    }
    verdict
}
