//! Does each operation twice: to a real queue and to the model.

use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{
    Change, ClaimedJob, Code, Extension, Force, JobId, JobState, NewJob, QueueName,
    Result as CallResult,
};

use crate::compare::{Found, Seen, same, worker_name};
use crate::model::{CRASH_CAP, KEPT, Model};
use crate::op::{How, Limit, New, Op, Pick, When};
use crate::store::Store;
use crate::translate::{job, outcome, run_of};
use crate::verbs::{End, Submit};

pub(crate) const FAR: Duration = Duration::from_secs(10 * 24 * 3600);
const LEASE: Duration = Duration::from_secs(3600);
/// The steps of a queue are bounded; below this many jobs none leaves any behind.
const MOST_JOBS: usize = 90;
/// The numbers, and everything, are compared after so many operations.
const COUNT_EVERY: usize = 3;
const LOOK_EVERY: usize = 40;
pub(crate) const BULK: &str = "bulk";

pub(crate) struct Run {
    pub(crate) queue: TestQueue,
    pub(crate) store: Store,
    pub(crate) model: Model,
    pub(crate) seen: Vec<Seen>,
    /// The place of the job and what its worker was given.
    claims: Vec<(usize, ClaimedJob)>,
    /// Of the bulk operation: steps done, jobs changed, jobs skipped.
    pub(crate) bulk: [u64; 3],
    pub(crate) calls: usize,
    /// When the present operation began.
    pub(crate) since: u64,
}

pub(crate) fn name() -> QueueName {
    QueueName::default()
}

pub(crate) fn code<T>(result: CallResult<T>) -> Result<T, Code> {
    result.map_err(|error| error.code())
}

impl Run {
    /// A queue of its own; its connection belongs to the runtime.
    pub(crate) fn new_in(runtime: &tokio::runtime::Runtime) -> Self {
        let _inside = runtime.enter();
        let queue = TestQueue::with(|config| {
            config.crash_cap = CRASH_CAP;
            for keep in [
                &mut config.retention.completed,
                &mut config.retention.failed,
                &mut config.retention.cancelled,
            ] {
                keep.count = KEPT;
            }
        });
        Self {
            store: Store::of(&queue),
            queue,
            model: Model::default(),
            seen: Vec::new(),
            claims: Vec::new(),
            bulk: [0; 3],
            calls: 0,
            since: 0,
        }
    }

    /// All operations, and then the end of all jobs, which must leave nothing behind.
    pub(crate) async fn all(&mut self, ops: &[Op]) -> Found {
        for (n, op) in ops.iter().enumerate() {
            self.since = self.store.time();
            self.model.begin();
            let done = self.perform(op).await;
            self.calls += 1;
            self.seen.resize_with(self.model.jobs.len(), Seen::default);
            let at = |what: String| format!("operation {n}, {op:?}: {what}");
            done.map_err(at)?;
            self.compare().await.map_err(at)?;
            if n % COUNT_EVERY == 0 {
                self.compare_numbers().await.map_err(at)?;
            }
            if n % LOOK_EVERY == LOOK_EVERY - 1 {
                self.compare_all().await.map_err(at)?;
            }
        }
        self.compare_all().await?;
        self.audit().await?;
        let delete = Change::Delete(Force::Yes);
        for ids in self.model.living_ids().chunks(100) {
            let deleted = self.queue.change_jobs(&name(), &delete, ids, None).await;
            deleted.map_err(|error| error.to_string())?;
        }
        if self.model.is_known {
            let deleted = self.queue.delete_queue(&name()).await;
            deleted.map_err(|error| error.to_string())?;
        }
        self.audit().await
    }

    async fn audit(&self) -> Found {
        let report = self
            .queue
            .audit()
            .await
            .map_err(|error| error.to_string())?;
        same("audit", report.problems, Vec::new())
    }

    async fn perform(&mut self, op: &Op) -> Found {
        match op {
            Op::Submit { jobs, repeat } => self.submit(jobs, *repeat).await,
            Op::Claim { limit, worker } => self.claim(*limit, *worker).await,
            Op::Finish { pick, how, repeat } => self.finish(*pick, *how, *repeat).await,
            Op::Extend { picks } => self.extend(picks).await,
            Op::Change { job, change, etag } => self.change(*job, *change, *etag).await,
            Op::ChangeMany { jobs, change, step } => self.change_many(jobs, *change, *step).await,
            Op::RetryWithPayload { job, etag } => self.retry(*job, *etag).await,
            Op::Update { job, changes, etag } => self.update(*job, changes, *etag).await,
            Op::Purge { states } => {
                let found = code(self.queue.purge(&name(), states).await);
                let expected = self.model.purge(states).map(|purged| purged as u64);
                same("purge", found, expected)
            }
            Op::Set { setting, etag } => self.set(*setting, *etag).await,
            Op::Pause { .. } | Op::Resume { .. } | Op::Drain | Op::DeleteQueue => {
                self.control(op).await
            }
            Op::Promote | Op::Reap | Op::Prune => self.keep_order(op).await,
            Op::LeaseEnds { .. } | Op::DueComes { .. } | Op::LimitComes { .. } => {
                self.make_time_come(op);
                Ok(())
            }
        }
    }

    async fn submit(&mut self, news: &[New], repeat: bool) -> Found {
        if self.model.living().len() > MOST_JOBS {
            return Ok(());
        }
        let ids: Vec<_> = news
            .iter()
            .map(|new| new.own_id.then(|| JobId::generate(&name())))
            .collect();
        let batch: Vec<_> = news.iter().cloned().zip(ids).collect();
        self.submit_batch(&batch).await?;
        let own: Vec<_> = batch.into_iter().filter(|(_, id)| id.is_some()).collect();
        if repeat && !own.is_empty() {
            self.calls += 1;
            return self.submit_batch(&own).await;
        }
        Ok(())
    }

    async fn submit_batch(&mut self, batch: &[(New, Option<JobId>)]) -> Found {
        let first_payload = self.model.payloads;
        let jobs: Vec<_> = batch
            .iter()
            .zip(first_payload..)
            .map(|((new, id), payload)| job(new, *id, payload))
            .collect();
        self.model.payloads += u32::try_from(jobs.len()).expect("a small batch");
        let found = match <[NewJob; 1]>::try_from(jobs) {
            Ok([job]) => vec![self.queue.submit(job).await],
            Err(jobs) => self.queue.submit_batch(jobs).await,
        };
        // An id that the library made is known by its answer only.
        let news: Vec<_> = batch
            .iter()
            .zip(&found)
            .map(|((new, id), found)| {
                let made = found.as_ref().ok().filter(|found| !found.duplicate);
                let id = id.or(made.map(|found| found.id));
                (id.unwrap_or_else(|| JobId::generate(&name())), new.clone())
            })
            .collect();
        let expected = self.model.submit(&news, first_payload);
        for (found, expected) in found.into_iter().zip(expected) {
            let found = code(found.map(|new| (new.id, new.state, new.duplicate, new.replaced)));
            let job = |at: usize| &self.model.jobs[at];
            let expected = match expected {
                Submit::New { at, replaced } => {
                    let state = if matches!(run_of(&news, job(at).id), When::Far | When::FarAt) {
                        JobState::Scheduled
                    } else {
                        JobState::Waiting
                    };
                    Ok((job(at).id, state, false, replaced.map(|at| job(at).id)))
                }
                Submit::Duplicate(at) => Ok((
                    job(at).id,
                    job(at).state.unwrap_or(JobState::Blocked),
                    true,
                    None,
                )),
                Submit::Refused(code) => Err(code),
            };
            same("submit", found, expected)?;
        }
        Ok(())
    }

    async fn claim(&mut self, limit: usize, worker: u8) -> Found {
        let found = self
            .queue
            .claim(&name(), limit, LEASE, &worker_name(worker))
            .await;
        let found = found.map_err(|error| error.to_string())?.jobs;
        let expected = self.model.claim(limit, worker, self.claims.len());
        let ids = expected.iter().map(|at| self.model.jobs[*at].id);
        let found_ids: Vec<_> = found.iter().map(|job| job.id).collect();
        same("claimed", found_ids, ids.collect())?;
        for (at, found) in expected.into_iter().zip(found) {
            let job = &self.model.jobs[at];
            same("attempt", found.attempt, job.attempt)?;
            same(
                "payload",
                &found.payload[..],
                job.payload.to_string().as_bytes(),
            )?;
            let of_queue = self.model.settings.max_attempts;
            let most = job.max_attempts.or(of_queue).unwrap_or(3);
            same("max_attempts", found.max_attempts, most)?;
            self.claims.push((at, found));
        }
        Ok(())
    }

    /// The place of a claim in the list of them.
    fn picked(&self, pick: Pick) -> Option<usize> {
        let (among, n): (Vec<_>, _) = match pick {
            Pick::Any(n) => ((0..self.claims.len()).collect(), n),
            Pick::Held(n) => {
                let active = self.model.in_state(JobState::Active).into_iter();
                (
                    active.filter_map(|at| self.model.jobs[at].lease).collect(),
                    n,
                )
            }
        };
        (!among.is_empty()).then(|| among[usize::from(n) % among.len()])
    }

    async fn finish(&mut self, pick: Pick, how: How, repeat: bool) -> Found {
        let Some(claim) = self.picked(pick) else {
            return Ok(());
        };
        let (at, claimed) = self.claims[claim].clone();
        let end = End::of(how, claimed.attempt >= claimed.max_attempts);
        let was_held = self.model.jobs[at].lease == Some(claim);
        for _ in 0..=usize::from(repeat) {
            let found = code(self.queue.finish(&claimed, outcome(how)).await);
            let expected = self.model.finish(at, claim, &end);
            same("finish", found, expected)?;
            self.resolve_forgotten()?;
        }
        self.calls += usize::from(repeat);
        let job = &self.model.jobs[at];
        if was_held && how == How::Error && job.is(JobState::Retrying) {
            // Chance has chosen when: from now on it is far away.
            let now = self.store.time();
            let due = self.store.members("retrying")[&job.id.as_bytes()[..]];
            #[expect(clippy::cast_precision_loss, reason = "a time is exact in a double")]
            let latest = (now + 1_000_000) as f64;
            same("backoff in its range", due <= latest, true)?;
            self.store.put("retrying", job.id, now + 1_000_000_000);
        }
        Ok(())
    }

    async fn extend(&mut self, picks: &[Pick]) -> Found {
        let claims: Vec<_> = picks.iter().filter_map(|pick| self.picked(*pick)).collect();
        let leases = claims.iter().map(|claim| &self.claims[*claim].1);
        let leases: Vec<_> = leases.map(|claimed| (claimed.id, claimed.token)).collect();
        let found = code(self.queue.extend(&name(), LEASE, &leases).await);
        let expected = claims.iter().map(|claim| {
            let job = &mut self.model.jobs[self.claims[*claim].0];
            if job.lease != Some(*claim) {
                return Extension::Lost;
            }
            job.lease_is_over = false;
            if job.is_asked_to_end {
                Extension::CancelRequested
            } else {
                Extension::Held
            }
        });
        same("extend", found, Ok(expected.collect()))
    }

    async fn keep_order(&mut self, op: &Op) -> Found {
        let queue = &self.queue;
        match op {
            Op::Promote => {
                let found = code(queue.promote(&name()).await);
                self.model.expire();
                same("promote", found, Ok(self.model.promote()))
            }
            Op::Reap => {
                let found = code(queue.reap(&name()).await);
                let found = found.map(|reaped| (reaped.put_back, reaped.failed));
                same("reap", found, Ok(self.model.reap()))
            }
            _ => {
                let found = code(queue.prune(&name()).await);
                same("prune", found, Ok(self.model.prune()))
            }
        }
    }

    fn make_time_come(&mut self, op: &Op) {
        match op {
            Op::LeaseEnds { pick } => {
                let Some(claim) = self.picked(*pick) else {
                    return;
                };
                let job = &mut self.model.jobs[self.claims[claim].0];
                if job.lease == Some(claim) {
                    job.lease_is_over = true;
                    self.store.end("active", job.id);
                }
            }
            Op::DueComes { job } => {
                let (Some(at), id) = self.target(*job) else {
                    return;
                };
                let state = self.model.jobs[at].state;
                match state {
                    Some(JobState::Scheduled) => self.store.end_delay(id),
                    Some(JobState::Retrying) => self.store.end("retrying", id),
                    _ => return,
                }
                self.model.jobs[at].is_due = true;
                self.model.touched.insert(at);
            }
            Op::LimitComes { job } => {
                let (Some(at), id) = self.target(*job) else {
                    return;
                };
                if self.model.jobs[at].limit != Limit::None {
                    self.model.jobs[at].limit = Limit::Over;
                    self.store.end_limit(id);
                }
            }
            _ => {}
        }
    }
}
