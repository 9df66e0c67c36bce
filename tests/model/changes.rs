//! The driver's changes of single jobs, of many, and of the queue.

use std::time::Duration;

use jobflow::{
    BulkStep, Code, Etag, Force, JobChanges, JobId, JobState, SettingsChange, StoreTime,
};

use crate::compare::{Found, same, words};
use crate::driver::{BULK, Run, code, name};
use crate::model::REASON;
use crate::op::{Changes, Kind, Op, Setting, Step, Until, Version};
use crate::translate::{change, far, kind_of, priority, run_at};

impl Run {
    /// A living job, or now and then one that is gone or never was.
    pub(crate) fn target(&self, pick: u8) -> (Option<usize>, JobId) {
        let mut among = self.model.living();
        among.extend((0..self.model.jobs.len()).find(|at| self.model.jobs[*at].state.is_none()));
        match among.len() {
            0 => (None, JobId::generate(&name())),
            len => {
                let at = among[usize::from(pick) % len];
                (Some(at), self.model.jobs[at].id)
            }
        }
    }

    /// The etag to send, and whether it is right.
    async fn version(&self, at: Option<usize>, version: Version) -> (Option<Etag>, bool) {
        let Some(at) = at.filter(|_| version != Version::Whichever) else {
            return (None, true);
        };
        let present = self.queue.get(self.model.jobs[at].id).await.ok();
        let present = present.and_then(|job| job.etag);
        let old = self.seen[at].versions.iter().map(Etag::new);
        let old = old.into_iter().find(|old| Some(old) != present.as_ref());
        match version {
            Version::Present => (present, true),
            _ => (
                Some(old.unwrap_or_else(|| Etag::new("0123456789abcdef"))),
                false,
            ),
        }
    }

    /// What a change must answer before it looks at the state.
    fn check(&self, at: Option<usize>, is_present: bool) -> Result<usize, Code> {
        let at = at.filter(|at| self.model.jobs[*at].state.is_some());
        let at = at.ok_or(Code::JobNotFound)?;
        is_present.then_some(at).ok_or(Code::EtagMismatch)
    }

    pub(crate) async fn change(&mut self, pick: u8, kind: Kind, version: Version) -> Found {
        let (at, id) = self.target(pick);
        // A promotion is for whichever version there is.
        let version = if kind == Kind::Promote {
            Version::Whichever
        } else {
            version
        };
        let (etag, is_present) = self.version(at, version).await;
        let etag = etag.as_ref();
        let found = match kind {
            Kind::Cancel => self.queue.cancel(id, REASON, etag).await.map(Some),
            Kind::Retry => self
                .queue
                .retry(id, None, etag)
                .await
                .map(|()| Some(JobState::Waiting)),
            Kind::Promote => self
                .queue
                .promote_job(id)
                .await
                .map(|()| Some(JobState::Waiting)),
            Kind::Delete => self.queue.delete(id, Force::No, etag).await.map(|()| None),
            Kind::DeleteForced => self.queue.delete(id, Force::Yes, etag).await.map(|()| None),
        };
        let checked = self.check(at, is_present);
        let expected = checked.and_then(|at| self.model.change(at, kind));
        if expected == Ok(Some(JobState::Cancelled)) {
            self.model.trim(JobState::Cancelled, 9);
        }
        self.model.end_call();
        same("change", code(found), expected)
    }

    pub(crate) async fn change_many(&mut self, picks: &[u8], kind: Kind, step: Step) -> Found {
        // A bulk operation has no steps in a queue that is not there.
        let step = if self.model.is_known {
            step
        } else {
            Step::None
        };
        let targets: Vec<_> = picks.iter().map(|pick| self.target(*pick)).collect();
        let ids: Vec<_> = targets.iter().map(|(_, id)| *id).collect();
        let bulk_step = self.bulk_step(step);
        let found = self
            .queue
            .change_jobs(&name(), &change(kind), &ids, bulk_step.as_ref())
            .await;
        let found = found.map_err(|error| error.to_string())?;
        if step == Step::Elsewhere {
            return same("a step that is elsewhere", found.is_none(), true);
        }
        let found: Vec<_> = found.unwrap_or_default().into_iter().map(code).collect();
        let is_delete = matches!(kind, Kind::Delete | Kind::DeleteForced);
        let mut expected = Vec::new();
        for (at, _) in &targets {
            let verdict = self
                .check(*at, true)
                .and_then(|at| self.model.change(at, kind));
            // A deleted job has no state; the answer says that it is over.
            expected.push(verdict.map(|state| state.unwrap_or(JobState::Cancelled)));
        }
        let changed = expected.iter().filter(|verdict| verdict.is_ok()).count();
        let off = |verdict: &&Result<_, _>| **verdict == Ok(JobState::Cancelled) && !is_delete;
        let off = expected.iter().filter(off).count();
        if off > 0 {
            self.model.trim(JobState::Cancelled, off + 8);
        }
        self.model.end_call();
        same("changes", found, expected)?;
        if step == Step::Expected {
            let skipped = (targets.len() - changed) as u64;
            self.bulk = [
                self.bulk[0] + 1,
                self.bulk[1] + changed as u64,
                self.bulk[2] + skipped,
            ];
        }
        self.compare_bulk()
    }

    fn bulk_step(&self, step: Step) -> Option<BulkStep> {
        let expected_cursor = match (step, self.bulk[0]) {
            (Step::None, _) => return None,
            (Step::Elsewhere, _) => "elsewhere".to_owned(),
            (Step::Expected, 0) => String::new(),
            (Step::Expected, n) => n.to_string(),
        };
        Some(BulkStep {
            operation: BULK.to_owned(),
            expected_cursor,
            next_cursor: (self.bulk[0] + 1).to_string(),
        })
    }

    fn compare_bulk(&mut self) -> Found {
        let names = ["cursor", "changed", "skipped"];
        for (name, expected) in names.into_iter().zip(self.bulk) {
            let found = self.store.field("bulk", format!("{BULK}:{name}"));
            same(
                name,
                found.unwrap_or_else(|| "0".to_owned()),
                expected.to_string(),
            )?;
        }
        Ok(())
    }

    pub(crate) async fn retry(&mut self, pick: u8, version: Version) -> Found {
        let (at, id) = self.target(pick);
        let (etag, is_present) = self.version(at, version).await;
        let payload = self.next_payload();
        let new = Some((payload.to_string().into(), None));
        let found = code(self.queue.retry(id, new, etag.as_ref()).await);
        let checked = self.check(at, is_present);
        let expected = checked.and_then(|at| {
            self.model.change(at, Kind::Retry)?;
            self.model.jobs[at].replace_payload(payload);
            Ok(())
        });
        same("retry", found, expected)
    }

    pub(crate) async fn update(&mut self, pick: u8, changes: &Changes, version: Version) -> Found {
        let (at, id) = self.target(pick);
        let (etag, is_present) = self.version(at, version).await;
        let payload = self.next_payload();
        let sent = JobChanges {
            priority: changes.priority.map(priority),
            run_at: changes.run.map(run_at),
            payload: changes.payload.then(|| (payload.to_string().into(), None)),
            max_attempts: changes.max_attempts,
            tags: changes.tags.as_ref().map(|tags| words('t', tags)),
        };
        let found = code(self.queue.update(id, sent, etag.as_ref()).await);
        let checked = self.check(at, is_present);
        let expected = checked.and_then(|at| self.model.update(at, changes, payload));
        same("update", found, expected)
    }

    fn next_payload(&mut self) -> u32 {
        self.model.payloads += 1;
        self.model.payloads - 1
    }

    pub(crate) async fn set(&mut self, setting: Setting, version: Version) -> Found {
        let present = self.queue.queue(&name()).await.ok();
        let etag = match version {
            Version::Whichever => None,
            Version::Present => present.map(|queue| queue.control.etag),
            Version::Old => Some(Etag::new("before")),
        };
        let age = |is_none: bool| is_none.then_some(Duration::ZERO);
        let changes = match setting {
            Setting::MaxWaiting(most) => vec![SettingsChange::MaxWaiting(most)],
            Setting::KeepCompleted(keep) => vec![SettingsChange::KeepCompleted(keep)],
            Setting::KeepFailed(keep) => vec![SettingsChange::KeepFailed(keep)],
            Setting::KeepCancelled(keep) => vec![SettingsChange::KeepCancelled(keep)],
            Setting::MaxAttempts(most) => vec![SettingsChange::MaxAttempts(most)],
            Setting::NoAge([completed, failed, cancelled]) => vec![
                SettingsChange::AgeCompleted(age(completed)),
                SettingsChange::AgeFailed(age(failed)),
                SettingsChange::AgeCancelled(age(cancelled)),
            ],
        };
        let found = code(
            self.queue
                .update_settings(&name(), &changes, etag.as_ref())
                .await,
        );
        let is_present = version != Version::Old;
        let checked = self.model.check_known();
        let expected = checked.and_then(|()| is_present.then_some(()).ok_or(Code::EtagMismatch));
        if expected.is_ok() {
            self.model.set(setting);
        }
        same("settings", found, expected)
    }

    pub(crate) async fn control(&mut self, op: &Op) -> Found {
        let kind = |kind: Option<u8>| kind.map(kind_of);
        let queue = &self.queue;
        let (found, expected) = match op {
            Op::Pause { kind: of, until } => {
                let resume = match until {
                    Until::Never => None,
                    Until::Past => Some(StoreTime(1)),
                    Until::Far => Some(far()),
                };
                let found = queue.pause(&name(), kind(*of).as_ref(), "", resume).await;
                (found, self.model.pause(*of, *until))
            }
            Op::Resume { kind: of } => {
                let found = queue.resume(&name(), kind(*of).as_ref()).await;
                (found, self.model.resume(*of))
            }
            Op::Drain => (queue.drain(&name()).await, self.model.drain()),
            _ => {
                let expected = self.model.delete_queue();
                if expected.is_ok() {
                    self.store.forget_news();
                    self.bulk = [0; 3];
                }
                (queue.delete_queue(&name()).await, expected)
            }
        };
        same("control", code(found), expected)
    }
}
