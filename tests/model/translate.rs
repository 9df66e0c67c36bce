//! The words of an operation as those of the library.

use std::time::Duration;

use jobflow::{
    Backoff, Change, Force, JobId, Kind as JobKind, NewJob, Outcome, Priority, RunAt, StartLimit,
    StoreTime,
};

use crate::compare::words;
use crate::driver::FAR;
use crate::model::REASON;
use crate::op::{How, Kind, Limit, New, When};
use crate::verbs::{luck, result};

pub(crate) fn far() -> StoreTime {
    // The year 2255.
    StoreTime(9_000_000_000_000)
}

pub(crate) fn kind_of(kind: u8) -> JobKind {
    JobKind::new(format!("k{kind}")).unwrap()
}

pub(crate) fn priority(band: u8) -> Priority {
    Priority::new(i64::from(band)).unwrap()
}

pub(crate) fn run_at(when: When) -> RunAt {
    match when {
        When::Now => RunAt::Now,
        When::AfterNothing => RunAt::After(Duration::ZERO),
        When::Past => RunAt::At(StoreTime(1)),
        When::Far => RunAt::After(FAR),
        When::FarAt => RunAt::At(far()),
    }
}

pub(crate) fn run_of(news: &[(JobId, New)], id: JobId) -> When {
    let new = news.iter().find(|(other, _)| *other == id);
    new.map_or(When::Now, |(_, new)| new.run)
}

pub(crate) fn job(new: &New, id: Option<JobId>, payload: u32) -> NewJob {
    let backoff = Duration::from_secs(1_000);
    let mut job = NewJob::new(format!("k{}", new.kind), payload.to_string())
        .and_then(|job| job.run_at(run_at(new.run)))
        .and_then(|job| job.tags(words('t', &new.tags)))
        .and_then(|job| {
            job.start_limit(match new.limit {
                Limit::None => StartLimit::Never,
                Limit::Over => StartLimit::Before(StoreTime(1)),
                Limit::Within => StartLimit::Within(FAR),
                Limit::Before => StartLimit::Before(far()),
            })
        })
        .unwrap()
        .priority(priority(new.priority))
        .backoff(Backoff::new(backoff, 1.0, backoff).unwrap())
        .on_conflict(new.on_conflict)
        .key_scope(new.scope);
    if let Some(key) = new.key {
        job = job.idempotency_key(key.to_string()).unwrap();
    }
    if let Some(most) = new.max_attempts {
        job = job.max_attempts(most).unwrap();
    }
    match id {
        Some(id) => job.id(id).unwrap(),
        None => job,
    }
}

pub(crate) fn change(kind: Kind) -> Change {
    match kind {
        Kind::Cancel => Change::Cancel {
            reason: REASON.to_owned(),
        },
        Kind::Retry => Change::Retry,
        Kind::Promote => Change::Promote,
        Kind::Delete => Change::Delete(Force::No),
        Kind::DeleteForced => Change::Delete(Force::Yes),
    }
}

pub(crate) fn outcome(how: How) -> Outcome {
    match how {
        How::Ack => Outcome::Ack(None),
        How::AckResult => Outcome::Ack(Some(result())),
        How::Error => Outcome::Error(luck()),
        How::ErrorNow => Outcome::ErrorAfter(Duration::ZERO, luck()),
        How::ErrorFar => Outcome::ErrorAfter(FAR, luck()),
        How::Fail => Outcome::Fail(luck()),
        How::SnoozeNow => Outcome::Snooze(Duration::ZERO),
        How::SnoozeFar => Outcome::Snooze(FAR),
        How::Unhandled => Outcome::Unhandled(Duration::ZERO),
        How::Release => Outcome::Release,
        How::Cancelled => Outcome::Cancelled,
    }
}
