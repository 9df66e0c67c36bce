//! I2: an outcome is taken from the current holder of the lease only.
//!
//! Tokens of a queue only grow. So the outcome that stands must be of the last
//! run that was claimed: one of an earlier run would be of a holder whose lease
//! was over, or the job would have been claimed after it had ended.

use crate::dump::Outcome;
use crate::evidence::Evidence;
use crate::report::Verdict;

pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::new(
        "I2 fence",
        "each completion carries the token that was current at that moment",
    );
    // A Redis that forgot claims gives their tokens again.
    let forgot = evidence
        .faults
        .iter()
        .any(|fault| fault.name == "redis-truncate");
    for (id, job) in &evidence.dump.jobs {
        let (Some("completed"), Some(meta)) = (job.state(), job.meta) else {
            continue;
        };
        let runs = evidence.runs.get(id).map(Vec::as_slice).unwrap_or_default();
        let newest = runs.last().map_or(0, |run| run.token);
        verdict.check(meta.ended >= newest || forgot, || {
            format!(
                "job {id} was completed with token {}, but claimed under {newest}",
                meta.ended
            )
        });
        let its_own = runs
            .iter()
            .any(|run| run.token == meta.ended && run.ended_well());
        verdict.check(its_own, || {
            format!(
                "job {id} was completed with token {}, under which no run ended well",
                meta.ended
            )
        });
        if let Some(Outcome::Result { token: Some(token) }) = job.outcome {
            verdict.check(token == meta.ended, || {
                format!(
                    "job {id} holds the result of token {token}, but was completed with {}",
                    meta.ended
                )
            });
        }
    }
    for (id, runs) in &evidence.runs {
        let twice = runs.windows(2).find(|pair| pair[0].token == pair[1].token);
        verdict.check(twice.is_none() || forgot, || {
            format!(
                "job {id} was claimed twice under token {}",
                twice.map_or(0, |pair| pair[0].token)
            )
        });
    }
    verdict
}
