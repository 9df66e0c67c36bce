//! What is counted and measured in a run.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::causes::Causes;
use crate::dump::Outcome;
use crate::evidence::{Evidence, Fault, Process, Run};
use crate::rules;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// An outage that begins sooner after another cuts off what is measured of that one.
const APART: u64 = 3 * SECOND;

/// The faults after which every worker has to find Redis again.
const OUTAGES: [&str; 3] = ["redis-kill", "redis-stop-start", "redis-truncate"];

/// How long the jobs of one killed worker took to run again.
pub(crate) struct Recovery {
    pub(crate) killed: u64,
    pub(crate) slowest: u64,
    pub(crate) jobs: u64,
}

/// Of each killed worker that had jobs which ran again.
pub(crate) fn recoveries(evidence: &Evidence) -> Vec<Recovery> {
    let mut kills = HashMap::<u32, Vec<u64>>::new();
    for fault in evidence
        .faults
        .iter()
        .filter(|fault| fault.name == "worker-kill")
    {
        for pid in &fault.scope {
            kills.entry(*pid).or_default().push(fault.begun);
        }
    }
    let mut by_kill = HashMap::<(u32, u64), Recovery>::new();
    for pair in evidence.runs.values().flat_map(|runs| runs.windows(2)) {
        let (first, second) = (&pair[0], &pair[1]);
        let Some(born) = evidence.process_of(first).map(|process| process.born) else {
            continue;
        };
        // The system gives process ids again.
        let gone = evidence.process_of(first).and_then(|process| process.gone);
        let own = kills.get(&first.pid).into_iter().flatten();
        let mut own = own.filter(|at| **at >= born && gone.is_none_or(|gone| **at <= gone));
        if let Some(at) = own.next()
            && first.end.is_none()
            && first.at <= *at
            // Else another worker had it and was killed before it began the job: from
            // whose death to count nobody has written down.
            && second.crashes <= first.crashes + 1
        {
            let recovery = by_kill.entry((first.pid, *at)).or_insert(Recovery {
                killed: *at,
                slowest: 0,
                jobs: 0,
            });
            recovery.slowest = recovery.slowest.max(second.at.saturating_sub(*at));
            recovery.jobs += 1;
        }
    }
    by_kill.into_values().collect()
}

/// For each outage and each worker that lived through it: until it started a job again.
pub(crate) fn claims_again(evidence: &Evidence) -> Vec<(u64, u32, Option<u64>)> {
    let mut starts = HashMap::<u32, Vec<u64>>::new();
    for run in evidence.runs.values().flatten() {
        starts.entry(run.pid).or_default().push(run.at);
    }
    starts
        .values_mut()
        .for_each(|starts| starts.sort_unstable());
    let outages: Vec<_> = evidence
        .faults
        .iter()
        .filter(|fault| OUTAGES.contains(&fault.name.as_str()))
        .collect();
    let next_outage = |healed: u64| {
        let begins = outages.iter().map(|outage| outage.begun);
        begins.filter(|begun| *begun > healed).min()
    };
    outages
        .iter()
        .filter(|fault| fault.healed < evidence.terms.submits.1)
        .flat_map(|fault| lived_through(evidence, fault).map(move |worker| (fault.healed, worker)))
        .map(|(healed, worker)| {
            let pid = worker.pid;
            let starts = starts.get(&pid).map(Vec::as_slice).unwrap_or_default();
            let next = starts.get(starts.partition_point(|start| *start < healed));
            let next = next.filter(|next| worker.lives_at(**next));
            (healed, pid, next.map(|next| next - healed))
        })
        .filter(|(healed, _, took)| {
            let cut_off = next_outage(*healed).map_or(u64::MAX, |begun| begun - healed);
            cut_off >= took.unwrap_or(u64::MAX).min(APART)
        })
        .collect()
}

fn lived_through<'a>(
    evidence: &'a Evidence,
    fault: &'a Fault,
) -> impl Iterator<Item = &'a Process> {
    let until = fault
        .healed
        .saturating_add(10 * SECOND)
        .min(evidence.terms.submits.1);
    evidence
        .workers()
        .filter(move |worker| worker.lives_at(fault.begun) && worker.lives_at(until))
}

/// Runs that were still going on when the job was claimed by another.
pub(crate) fn overtaken(evidence: &Evidence) -> u64 {
    let pairs = evidence.runs.values().flat_map(|runs| runs.windows(2));
    count(pairs.filter(|pair| pair[0].end.as_ref().is_some_and(|end| end.at > pair[1].at)))
}

/// Runs that ended well although the job had another token by then: the queue
/// has to have refused each of them.
pub(crate) fn stale(evidence: &Evidence) -> u64 {
    let pairs = evidence.runs.values().flat_map(|runs| runs.windows(2));
    count(pairs.filter(|pair| {
        pair[0].ended_well() && pair[0].end.as_ref().is_some_and(|end| end.at > pair[1].at)
    }))
}

fn count(items: impl Iterator) -> u64 {
    items.fold(0, |sum, _| sum + 1)
}

/// Of each first run of a delayed job: how long after its due time it began, by
/// the latest and by the earliest due time it can have had.
pub(crate) fn lateness(evidence: &Evidence) -> Vec<(u64, i128, i128)> {
    let mut all = Vec::new();
    for runs in evidence.runs.values() {
        let Some(first) = runs.iter().min_by_key(|run| run.at) else {
            continue;
        };
        let Some(request) = evidence
            .request_of(first)
            .filter(|request| request.delay_ms > 0)
        else {
            continue;
        };
        if let (Some(tried), Some(acked)) = (request.tried, request.acked) {
            let delay = i128::from(request.delay_ms) * i128::from(MS);
            let after = |at: u64| i128::from(first.at) - i128::from(at) - delay;
            all.push((
                acked.saturating_add(request.delay_ms * MS),
                after(acked),
                after(tried),
            ));
        }
    }
    all
}

/// The rate of the ends of good jobs, a second, between two instants.
pub(crate) fn good_rate(evidence: &Evidence, from: u64, until: u64) -> f64 {
    let runs = evidence.runs.values().flatten();
    let good = runs.filter(|run| !is_poison(evidence, run) && run.ended_well());
    let ends = good
        .filter_map(|run| run.end.as_ref())
        .filter(|end| (from..until).contains(&end.at));
    as_float(count(ends)) / (as_float(until.saturating_sub(from)) / as_float(SECOND))
}

pub(crate) fn is_poison(evidence: &Evidence, run: &Run) -> bool {
    evidence
        .request_of(run)
        .is_some_and(|request| request.kind.starts_with("poison"))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn as_float(number: u64) -> f64 {
    number as f64
}

/// All of them, by name.
pub(crate) fn all(evidence: &Evidence) -> Vec<(String, Value)> {
    let mut figures = Vec::new();
    let mut add = |name: &str, value: Value| figures.push((name.to_owned(), value));
    let terms = &evidence.terms;
    let length = format!("{}, {:.1}", terms.seed, terms.minutes);
    add("scenario", json!(terms.scenario));
    add("seed, minutes", json!(length));
    submits(evidence, &mut add);
    runs(evidence, &mut add);
    ends(evidence, &mut add);
    times(evidence, &mut add);
    figures
}

fn submits(evidence: &Evidence, add: &mut impl FnMut(&str, Value)) {
    let requests = evidence.requests.values();
    let acked = count(requests.clone().filter(|request| request.acked.is_some()));
    let unknown: u32 = requests.clone().map(|request| request.unknown).sum();
    let words = requests.clone().flat_map(|request| &request.refused);
    add("submitted", json!(requests.len()));
    add("acknowledged", json!(acked));
    add("tries whose end was unknown", json!(unknown));
    add(
        "refused, by word",
        json!(counted(words.map(String::as_str))),
    );
}

fn runs(evidence: &Evidence, add: &mut impl FnMut(&str, Value)) {
    let causes = Causes::new(evidence);
    let all = evidence.runs.values();
    let runs: usize = all.clone().map(Vec::len).sum();
    let pairs = all.flat_map(|runs| runs.windows(2));
    let again = pairs.map(|pair| causes.of(&pair[0], &pair[1]).unwrap_or("NO CAUSE"));
    add("jobs that ran", json!(evidence.runs.len()));
    add("runs", json!(runs));
    add("runs again, by cause", json!(counted(again)));
    add(
        "runs overtaken by another claim",
        json!(overtaken(evidence)),
    );
    // What a peer did with them nobody can see.
    let stale_ones = if evidence.terms.peer {
        "of these ended well"
    } else {
        "of these ended well, and were refused"
    };
    add(stale_ones, json!(stale(evidence)));
}

fn ends(evidence: &Evidence, add: &mut impl FnMut(&str, Value)) {
    let faults = evidence.faults.iter().map(|fault| fault.name.as_str());
    let died = evidence.processes.iter().filter(|process| process.died);
    let roles = died.map(|process| process.role.split('-').next().unwrap_or_default());
    let forgotten = rules::forgotten(evidence);
    add(
        "acknowledged, forgotten by Redis as allowed",
        json!(forgotten),
    );
    add("jobs at the end, by state", json!(states(evidence)));
    add("failed, by reason", json!(reasons(evidence)));
    add(
        "good jobs that failed with WORKER_LOST",
        json!(beside(evidence)),
    );
    add("faults", json!(counted(faults)));
    add("processes that ended by themselves", json!(counted(roles)));
}

fn times(evidence: &Evidence, add: &mut impl FnMut(&str, Value)) {
    let recoveries: Vec<_> = recoveries(evidence)
        .iter()
        .map(|recovery| recovery.slowest)
        .collect();
    add(
        "killed workers whose jobs ran again",
        json!(recoveries.len()),
    );
    add("  slowest job of each, ms", spread(recoveries));
    let claims: Vec<_> = claims_again(evidence)
        .into_iter()
        .filter_map(|(_, _, took)| took)
        .collect();
    add(
        "Redis is back until each worker starts a job, ms",
        spread(claims),
    );
    let late: Vec<_> = lateness(evidence)
        .into_iter()
        .map(|(_, late, _)| u64::try_from(late).unwrap_or(0))
        .collect();
    if !late.is_empty() {
        add("delayed jobs, start after the due time, ms", spread(late));
    }
    let ends = rules::stalls_of_ends(evidence);
    add(
        "longest time without an end of a job, no fault under way, ms",
        json!(ends.into_iter().max().unwrap_or(0) / MS),
    );
    if let Some(drained) = evidence.terms.drained {
        add(
            "drained after the last submit, s",
            json!(drained.saturating_sub(evidence.terms.submits.1) / SECOND),
        );
    }
}

fn spread(mut times: Vec<u64>) -> Value {
    if times.is_empty() {
        return json!("-");
    }
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100] / MS;
    json!(format!(
        "median {}, 99 % {}, max {} of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    ))
}

fn counted<'a>(words: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, u64> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

fn states(evidence: &Evidence) -> BTreeMap<&str, u64> {
    counted(evidence.dump.jobs.values().filter_map(|job| job.state()))
}

/// Jobs that are no poison and yet lost too many workers, to faults or beside poison.
fn beside(evidence: &Evidence) -> u64 {
    let lost = evidence.dump.jobs.values().filter(
        |job| matches!(&job.outcome, Some(Outcome::Error { code }) if code == "WORKER_LOST"),
    );
    let requests = lost.filter_map(|job| evidence.requests.get(job.request.as_ref()?));
    count(requests.filter(|request| !request.kind.starts_with("poison")))
}

fn reasons(evidence: &Evidence) -> BTreeMap<&str, u64> {
    let failed = evidence
        .dump
        .jobs
        .values()
        .filter(|job| job.state() == Some("failed"));
    counted(failed.filter_map(|job| match &job.outcome {
        Some(Outcome::Error { code }) => Some(code.as_str()),
        _ => None,
    }))
}
