//! Holds what is stored against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use futures_util::future::join_all;
use jobflow::{Code, Error, JobRecord, JobState, QueueName};

use crate::driver::Run;
use crate::job::{Job, Stored};
use crate::model::Model;

/// What a run found to differ.
pub(crate) type Found = Result<(), String>;

/// What was last seen of a job, and the versions before.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    record: Option<JobRecord>,
    pub(crate) versions: Vec<String>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what is compared is mostly made for it"
)]
pub(crate) fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Found {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{what}: found {found:?}, the model has {expected:?}"
    ))
}

pub(crate) fn worker_name(worker: u8) -> String {
    format!("worker-{worker}")
}

pub(crate) fn words(prefix: char, numbers: &[u8]) -> Vec<String> {
    numbers.iter().map(|n| format!("{prefix}{n}")).collect()
}

impl Run {
    /// After an operation: what was made known, and the jobs it touched.
    pub(crate) async fn compare(&mut self) -> Found {
        self.resolve_forgotten()?;
        let mut expected: Vec<_> = self
            .model
            .events
            .iter()
            .map(|(letter, id)| {
                (
                    *letter,
                    id.map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
                )
            })
            .collect();
        expected.sort();
        same("events", self.store.news(), expected)?;
        let touched = std::mem::take(&mut self.model.touched);
        self.compare_jobs(touched.into_iter().collect()).await
    }

    /// Now and then: everything.
    pub(crate) async fn compare_all(&mut self) -> Found {
        self.compare_numbers().await?;
        self.since = self.store.time();
        self.compare_jobs((0..self.model.jobs.len()).collect())
            .await?;
        let mut found = self.store.members("waiting");
        found.extend(self.store.members("parked"));
        let waiting = self.model.in_state(JobState::Waiting).into_iter();
        #[expect(clippy::cast_precision_loss, reason = "places are exact in a double")]
        let expected: BTreeMap<_, _> = waiting
            .map(|at| &self.model.jobs[at])
            .map(|job| (job.id.as_bytes().to_vec(), job.place() as f64))
            .collect();
        same("order of waiting", found, expected)?;
        let keys = self.model.keys.iter();
        let expected: BTreeMap<_, _> = keys
            .map(|(key, at)| {
                let id = self.model.jobs[*at].id;
                (format!("k:{key}").into_bytes(), id.as_bytes().to_vec())
            })
            .collect();
        same("keys", self.store.hash("idem"), expected)
    }

    pub(crate) async fn compare_numbers(&self) -> Found {
        let model = &self.model;
        let found = self.queue.queue(&QueueName::default()).await;
        let Ok(found) = found else {
            let code = found.map(drop).map_err(|error| error.code());
            return same("queue", code, model.check_known());
        };
        for state in JobState::ALL {
            let expected = model.in_state(state).len() as u64;
            same(state.as_str(), found.counts.of(state), expected)?;
        }
        same("totals", found.totals, model.totals)?;
        let control = found.control;
        same("draining", control.draining, model.is_draining)?;
        same("settings", control.settings, model.settings)?;
        let pauses = control.pauses.iter();
        let paused: BTreeSet<_> = pauses
            .map(|pause| pause.kind.as_ref().map(ToString::to_string))
            .collect();
        let kinds = model
            .paused_kinds
            .iter()
            .map(|kind| Some(format!("k{kind}")));
        let expected = kinds.chain(model.is_paused.then_some(None)).collect();
        same("pauses", paused, expected)
    }

    async fn compare_jobs(&mut self, ats: Vec<usize>) -> Found {
        let ids = ats.iter().map(|at| self.model.jobs[*at].id);
        let found = join_all(ids.map(|id| self.queue.get(id))).await;
        let now = self.store.time();
        for (at, found) in ats.into_iter().zip(found) {
            self.compare_job(at, found, now)
                .map_err(|what| format!("job {at}: {what}"))?;
        }
        Ok(())
    }

    fn compare_job(&mut self, at: usize, found: Result<JobRecord, Error>, now: u64) -> Found {
        let job = &mut self.model.jobs[at];
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let is_gone = job.state.is_none();
                return same(
                    "found",
                    Some(error.code()),
                    is_gone.then_some(Code::JobNotFound),
                );
            }
        };
        compare_record(&found, job, self.model.settings.max_attempts)?;
        observe_times(&found, job, self.since, now)?;
        self.seen[at].see(found)
    }

    /// Which final jobs were forgotten for want of room: the oldest.
    pub(crate) fn resolve_forgotten(&mut self) -> Found {
        let since = self.since;
        for (state, count) in std::mem::take(&mut self.model.forgotten) {
            let kept = self.store.members(state.as_str());
            let all = self.model.in_state(state);
            let (kept, gone): (Vec<_>, Vec<_>) = all
                .into_iter()
                .partition(|at| kept.contains_key(&self.model.jobs[*at].id.as_bytes()[..]));
            same(&format!("forgotten {state}"), gone.len(), count)?;
            let age = |at: &usize| {
                let job = &self.model.jobs[*at];
                // Those of the present operation ended somewhen in it.
                let finished = job
                    .finished
                    .filter(|time| *time != u64::MAX)
                    .unwrap_or(since);
                (finished, *job.id.as_bytes())
            };
            let newest_gone = gone.iter().map(age).max();
            let in_order = kept
                .iter()
                .all(|at| newest_gone < Some(age(at)) || self.is_new(*at));
            if !in_order && !gone.iter().any(|at| self.is_new(*at)) {
                return Err(format!("of {state} not the oldest were forgotten"));
            }
            gone.into_iter().for_each(|at| self.model.forget(at));
        }
        Ok(())
    }

    fn is_new(&self, at: usize) -> bool {
        self.model.jobs[at].finished == Some(u64::MAX)
    }
}

fn compare_record(found: &JobRecord, job: &Job, queue_attempts: Option<u32>) -> Found {
    same("state", Some(found.state), job.state)?;
    same("kind", found.kind.to_string(), format!("k{}", job.kind))?;
    same("priority", found.priority.get(), job.priority)?;
    same(
        "payload",
        &found.payload[..],
        job.payload.to_string().as_bytes(),
    )?;
    same("attempt", found.attempt, job.attempt)?;
    let max_attempts = job.max_attempts.or(queue_attempts).unwrap_or(3);
    same("max_attempts", found.max_attempts, max_attempts)?;
    same("crashes", found.crash_count, job.crashes)?;
    same("worker", found.worker.clone(), job.worker.map(worker_name))?;
    let (result, error) = match job.stored.clone() {
        Stored::Nothing => (None, None),
        Stored::Result(result) => (Some(result), None),
        Stored::Error(error) => (None, Some(error)),
    };
    same("result", &found.result, &result)?;
    same("error", &found.error, &error)?;
    let key = job.key.map(|key| key.to_string());
    same("key", &found.idempotency_key, &key)?;
    same("tags", &found.tags, &words('t', &job.tags))?;
    same("limit", found.start_before.is_some(), job.has_limit)?;
    let is_asked = job.is_asked_to_end && job.is(JobState::Active);
    same("asked to end", found.cancel_requested, is_asked)?;
    same("lease", found.lease_expires.is_some(), job.lease.is_some())?;
    same("started", found.started.is_some(), job.has_started)?;
    let attempts = found.attempts.iter();
    let attempts: Vec<_> = attempts
        .map(|one| {
            (
                one.number,
                one.worker.clone(),
                one.outcome,
                one.error.clone(),
            )
        })
        .collect();
    let expected = job.shown_attempts().into_iter();
    let expected: Vec<_> = expected
        .map(|(number, worker, outcome, error)| (number, worker_name(worker), outcome, error))
        .collect();
    same("attempts", attempts, expected)?;
    let payloads = found.previous_payloads.iter();
    let payloads: Vec<_> = payloads.map(|old| old.payload.to_vec()).collect();
    let expected = job.payloads.iter().map(|old| old.to_string().into_bytes());
    same("old payloads", payloads, expected.collect())
}

/// The model knows no clock: it takes over the times that can be.
fn observe_times(found: &JobRecord, job: &mut Job, since: u64, now: u64) -> Found {
    let finished = found.finished.map(|time| time.0);
    if job.finished == Some(u64::MAX) {
        let in_range = finished.is_some_and(|time| (since..=now).contains(&time));
        same("finished in the operation", in_range, true)?;
        job.finished = finished;
    }
    same("finished", finished, job.finished)?;
    for attempt in &found.attempts {
        let in_order = found.created <= attempt.started && attempt.started <= attempt.ended;
        same(
            "times of an attempt in order",
            in_order && attempt.ended.0 <= now,
            true,
        )?;
    }
    if matches!(found.state, JobState::Scheduled | JobState::Retrying) {
        let due = found.ready.map(|time| time.0).unwrap_or_default();
        same("due", due <= now, job.is_due)?;
        job.due = due;
    }
    Ok(())
}

impl Seen {
    /// A job that looks different must have another version.
    fn see(&mut self, found: JobRecord) -> Found {
        let version = found
            .etag
            .as_ref()
            .map_or("", |etag| etag.as_str())
            .to_owned();
        if let Some(old) = &self.record {
            let looks = |job: &JobRecord| {
                let what = (
                    job.state,
                    job.priority,
                    job.attempt,
                    job.finished,
                    job.cancel_requested,
                );
                let whose = (
                    job.worker.clone(),
                    job.idempotency_key.clone(),
                    job.tags.clone(),
                );
                (what, whose, job.payload.clone(), job.attempts.len())
            };
            let is_old = self.versions.last() == Some(&version);
            if looks(old) != looks(&found) && is_old {
                return Err(format!("changed, but is still of version {version}"));
            }
        }
        if self.versions.last() != Some(&version) {
            self.versions.push(version);
        }
        self.record = Some(found);
        Ok(())
    }
}

impl Model {
    pub(crate) fn living_ids(&self) -> Vec<jobflow::JobId> {
        self.living()
            .into_iter()
            .map(|at| self.jobs[at].id)
            .collect()
    }
}
