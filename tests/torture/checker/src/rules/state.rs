//! I8: each job is in exactly one state, and nothing is left of jobs that are not.

use crate::dump::COLUMNS;
use crate::evidence::Evidence;
use crate::report::Verdict;

const SPECS: usize = 0;

pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::new(
        "I8 state",
        "each id is in one state and has a spec; no orphan column, index or key",
    );
    for (id, job) in &evidence.dump.jobs {
        let columns = || {
            job.columns
                .iter()
                .map(|place| COLUMNS[*place])
                .collect::<Vec<_>>()
                .join(", ")
        };
        verdict.check(job.states.len() == 1, || match job.states.len() {
            0 => format!(
                "job {id} is in no state, but left in: {} {}",
                columns(),
                if job.named { "an index" } else { "" }
            ),
            _ => format!("job {id} is in {} states", job.states.len()),
        });
        verdict.check(job.columns.contains(&SPECS), || {
            format!("job {id} has no spec")
        });
        let held = job.state() != Some("active") || job.meta.is_some_and(|meta| meta.token > 0);
        verdict.check(held, || format!("job {id} is active without a token"));
    }
    for key in &evidence.dump.odd_keys {
        verdict.break_by(format!("key {key} is none of the layout"));
    }
    for record in &evidence.dump.unreadable {
        verdict.break_by(format!("{record} can not be read"));
    }
    verdict
}
