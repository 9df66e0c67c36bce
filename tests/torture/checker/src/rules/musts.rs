//! What a scenario has to show beyond the invariants.

use crate::dump::Outcome;
use crate::evidence::{Evidence, Run, Sample};
use crate::figures;
use crate::report::Verdict;

const MS: u64 = 1_000_000;

pub(crate) fn judge(evidence: &Evidence) -> Vec<Verdict> {
    let rules = [
        recovery,
        claims_again,
        lease_losses,
        runs_once,
        refusals,
        drains,
        poison,
        good_rate,
        never_early,
        late,
        growth,
    ];
    rules.iter().filter_map(|rule| rule(evidence)).collect()
}

fn at_least(rule: &'static str, what: &str, least: u64, found: u64) -> Verdict {
    let mut verdict = Verdict::new(rule, format!("at least {least} {what}"));
    verdict.checked = found;
    if found < least {
        verdict.break_by(format!("there were {found}"));
    }
    verdict
}

fn recovery(evidence: &Evidence) -> Option<Verdict> {
    let limit = evidence.terms.musts.recovery_ms?;
    let least = evidence.terms.musts.recovered_kills.unwrap_or(1);
    let mut verdict = Verdict::new(
        "recovery",
        format!("jobs of each of at least {least} killed workers run again within {limit} ms"),
    );
    let recoveries = figures::recoveries(evidence);
    for recovery in &recoveries {
        verdict.check(recovery.slowest <= limit * MS, || {
            format!(
                "killed at {}: one of {} jobs ran again after {} ms",
                recovery.killed,
                recovery.jobs,
                recovery.slowest / MS
            )
        });
    }
    if (recoveries.len() as u64) < least {
        verdict.break_by(format!("only {} killed workers had jobs", recoveries.len()));
    }
    Some(verdict)
}

fn claims_again(evidence: &Evidence) -> Option<Verdict> {
    let limit = evidence.terms.musts.claims_again_ms?;
    let least = evidence.terms.musts.outages.unwrap_or(1);
    let mut verdict = Verdict::new(
        "claims again",
        format!(
            "after each of at least {least} outages every worker starts a job within {limit} ms"
        ),
    );
    let claims = figures::claims_again(evidence);
    for (healed, pid, took) in &claims {
        verdict.check(took.is_some_and(|took| took <= limit * MS), || {
            format!(
                "worker {pid} after the outage that ended at {healed}: {:?} ms",
                took.map(|took| took / MS)
            )
        });
    }
    let outages: std::collections::HashSet<_> =
        claims.iter().map(|(healed, _, _)| healed).collect();
    if (outages.len() as u64) < least {
        verdict.break_by(format!("only {} outages", outages.len()));
    }
    Some(verdict)
}

fn lease_losses(evidence: &Evidence) -> Option<Verdict> {
    let least = evidence.terms.musts.lease_losses?;
    Some(at_least(
        "lease losses",
        "runs overtaken by another claim",
        least,
        figures::overtaken(evidence),
    ))
}

fn runs_once(evidence: &Evidence) -> Option<Verdict> {
    if !evidence.terms.musts.runs_once {
        return None;
    }
    let mut verdict = Verdict::new("runs once", "no job runs twice, no attempt is used up");
    for (id, runs) in &evidence.runs {
        let meta = evidence.dump.jobs.get(id).and_then(|job| job.meta);
        let clean = meta.is_none_or(|meta| meta.attempt == 1 && meta.crashes == 0);
        verdict.check(runs.len() == 1 && clean, || {
            format!("job {id} ran {} times: {meta:?}", runs.len())
        });
    }
    Some(verdict)
}

fn refusals(evidence: &Evidence) -> Option<Verdict> {
    let (least, word) = evidence.terms.musts.refusals.as_ref()?;
    let refused = evidence
        .requests
        .values()
        .flat_map(|request| &request.refused);
    let found = refused.filter(|refused| *refused == word).count();
    Some(at_least(
        "refusals",
        &format!("submits refused with {word}"),
        *least,
        found as u64,
    ))
}

fn drains(evidence: &Evidence) -> Option<Verdict> {
    let name = evidence.terms.musts.drains_during.as_ref()?;
    let mut verdict = Verdict::new(
        "drains",
        format!("the queue drains to 0 during each {name}"),
    );
    for fault in evidence.faults.iter().filter(|fault| fault.name == *name) {
        verdict.check(fault.detail.contains("drained"), || {
            format!("not during the one of {}: {}", fault.begun, fault.detail)
        });
    }
    if verdict.checked == 0 {
        verdict.break_by(format!("there was no {name}"));
    }
    Some(verdict)
}

fn poison(evidence: &Evidence) -> Option<Verdict> {
    let most = evidence.terms.musts.deaths_per_poison?;
    let mut verdict = Verdict::new(
        "poison",
        format!("a poison job costs at most {most} workers, and then fails with a reason"),
    );
    for (id, runs) in &evidence.runs {
        if !runs
            .first()
            .is_some_and(|run| figures::is_poison(evidence, run))
        {
            continue;
        }
        // A worker that died later, of another job, is none of its cost.
        let dies_by = |run: &Run, until: u64| {
            let died = evidence.process_of(run).filter(|process| process.died);
            run.end.is_none()
                && died
                    .and_then(|process| process.gone)
                    .is_some_and(|gone| gone <= until)
        };
        let again = runs.windows(2).filter(|pair| dies_by(&pair[0], pair[1].at));
        let at_last = runs.last().is_some_and(|run| {
            let loops = evidence
                .request_of(run)
                .is_some_and(|request| request.kind == "poison-loop");
            !loops && dies_by(run, u64::MAX)
        });
        let deaths = again.count() + usize::from(at_last);
        verdict.check(deaths <= most as usize, || {
            format!("job {id} cost {deaths} workers")
        });
        let job = evidence.dump.jobs.get(id);
        let failed = job.and_then(|job| job.outcome.as_ref());
        let told = matches!(failed, Some(Outcome::Error { code }) if code == "WORKER_LOST" || code == "TIMEOUT");
        verdict.check(
            told && job.and_then(|job| job.state()) == Some("failed"),
            || format!("job {id} did not fail with WORKER_LOST or TIMEOUT: {failed:?}"),
        );
    }
    if verdict.checked == 0 {
        verdict.break_by("there was no poison".to_owned());
    }
    Some(verdict)
}

/// The first third of such a run is without poison.
fn good_rate(evidence: &Evidence) -> Option<Verdict> {
    let part = evidence.terms.musts.good_rate?;
    let (from, until) = evidence.terms.submits;
    let poisoned = evidence
        .requests
        .values()
        .filter(|request| request.kind.starts_with("poison"))
        .filter_map(|request| request.tried)
        .min()
        .unwrap_or(from);
    let before = figures::good_rate(evidence, from, poisoned);
    let beside = figures::good_rate(evidence, poisoned, until);
    let mut verdict = Verdict::new(
        "good rate",
        format!(
            "beside poison good jobs keep {part} of their rate: {before:.0}/s before, {beside:.0}/s beside"
        ),
    );
    verdict.check(before > 0.0 && beside >= part * before, || {
        format!("they kept {:.2}", beside / before)
    });
    Some(verdict)
}

fn never_early(evidence: &Evidence) -> Option<Verdict> {
    if !evidence.terms.musts.never_early {
        return None;
    }
    let mut verdict = Verdict::new("never early", "no delayed job starts before its time");
    for (due, _, earliest) in figures::lateness(evidence) {
        // The store counts whole milliseconds.
        verdict.check(earliest > -i128::from(MS), || {
            format!(
                "one due at {due} began {} ms early",
                -earliest / i128::from(MS)
            )
        });
    }
    if verdict.checked == 0 {
        verdict.break_by("there was no delayed job".to_owned());
    }
    Some(verdict)
}

/// Jobs due during an outage wait in line behind it, and so do those that come
/// upon this line; what is due once it is gone is judged.
fn late(evidence: &Evidence) -> Option<Verdict> {
    let limit = evidence.terms.musts.late_ms?;
    let mut verdict = Verdict::new(
        "late",
        format!(
            "once Redis is back the first delayed job starts within {limit} ms, and the line only shrinks"
        ),
    );
    let mut jobs = figures::lateness(evidence);
    jobs.sort_unstable();
    for fault in evidence.outages().filter(|fault| fault.healed != u64::MAX) {
        let due_meanwhile = jobs
            .iter()
            .filter(|(due, ..)| (fault.begun..fault.healed).contains(due));
        let starts =
            due_meanwhile.map(|(due, late, _)| i128::from(*due) + late - i128::from(fault.healed));
        if let Some(first) = starts.min() {
            verdict.check(first <= i128::from(limit * MS), || {
                format!(
                    "after the outage until {}: {} ms",
                    fault.healed,
                    first / i128::from(MS)
                )
            });
        }
    }
    let until = evidence
        .outages()
        .map(|fault| fault.healed)
        .filter(|healed| *healed != u64::MAX)
        .max()
        .unwrap_or(0);
    // The line is gone at the first job that starts in time.
    let after = jobs
        .iter()
        .skip_while(|(due, late, _)| *due < until || *late > i128::from(limit * MS));
    for (due, late, _) in after {
        verdict.check(*late <= i128::from(limit * MS), || {
            format!("one due at {due} began {} ms late", late / i128::from(MS))
        });
    }
    if verdict.checked == 0 {
        verdict.break_by("there was no delayed job".to_owned());
    }
    Some(verdict)
}

/// Compares the middle of the first third of a process's life with its last third.
fn growth(evidence: &Evidence) -> Option<Verdict> {
    let most = evidence.terms.musts.growth?;
    let mut verdict = Verdict::new(
        "flat",
        format!("memory and descriptors of each long-lived process grow by at most {most}"),
    );
    let (from, until) = evidence.terms.submits;
    for process in &evidence.processes {
        let samples = process
            .samples
            .iter()
            .filter(|sample| (from..until).contains(&sample.at));
        let samples: Vec<_> = samples.copied().collect();
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
            continue;
        };
        if last.at - first.at < (until - from) / 2 {
            continue;
        }
        // A few descriptors more or less are connections on their way.
        for (what, which, slack) in [
            ("KiB", Used::Memory, 2_048),
            ("descriptors", Used::Descriptors, 4),
        ] {
            let third = samples.len() / 3;
            let before = which.median(&samples[third / 2..third + third / 2]);
            let after = which.median(&samples[2 * third..]);
            let allowed = figures::as_float(before) * (1.0 + most) + figures::as_float(slack);
            verdict.check(figures::as_float(after) <= allowed, || {
                format!(
                    "{} {}: from {before} to {after} {what}",
                    process.role, process.pid
                )
            });
        }
    }
    if verdict.checked == 0 {
        verdict.break_by("no process lived long enough".to_owned());
    }
    Some(verdict)
}

enum Used {
    Memory,
    Descriptors,
}

impl Used {
    fn median(&self, samples: &[Sample]) -> u64 {
        let used = |sample: &Sample| match self {
            Self::Memory => sample.kib,
            Self::Descriptors => sample.descriptors,
        };
        let mut values: Vec<_> = samples.iter().map(used).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    }
}
