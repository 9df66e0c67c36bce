//! What a run does: a list of operations, each in words that stay readable
//! when a failing list has been cut down.

use std::fmt;

use jobflow::{JobState, KeyScope, OnConflict};
use proptest::prelude::*;

/// One step. A number that picks a job or a claim counts those there are, and
/// begins anew behind the last.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Submit {
        jobs: Vec<New>,
        repeat: bool,
    },
    Claim {
        limit: usize,
        worker: u8,
    },
    Finish {
        pick: Pick,
        how: How,
        repeat: bool,
    },
    Extend {
        picks: Vec<Pick>,
    },
    Change {
        job: u8,
        change: Kind,
        etag: Version,
    },
    ChangeMany {
        jobs: Vec<u8>,
        change: Kind,
        step: Step,
    },
    RetryWithPayload {
        job: u8,
        etag: Version,
    },
    Update {
        job: u8,
        changes: Changes,
        etag: Version,
    },
    Pause {
        kind: Option<u8>,
        until: Until,
    },
    Resume {
        kind: Option<u8>,
    },
    Drain,
    Purge {
        states: Vec<JobState>,
    },
    DeleteQueue,
    Set {
        setting: Setting,
        etag: Version,
    },
    Promote,
    Reap,
    Prune,
    /// The time of a lease, a delay or a limit has come.
    LeaseEnds {
        pick: Pick,
    },
    DueComes {
        job: u8,
    },
    LimitComes {
        job: u8,
    },
}

#[derive(Clone)]
pub(crate) struct New {
    pub(crate) kind: u8,
    pub(crate) priority: u8,
    pub(crate) run: When,
    pub(crate) key: Option<u8>,
    pub(crate) on_conflict: OnConflict,
    pub(crate) scope: KeyScope,
    pub(crate) tags: Vec<u8>,
    pub(crate) limit: Limit,
    pub(crate) max_attempts: Option<u32>,
    /// The caller makes the id, so that the submit can be repeated.
    pub(crate) own_id: bool,
}

/// Says only what is not usual.
impl fmt::Debug for New {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job k{} in band {}", self.kind, self.priority)?;
        if self.run != When::Now {
            write!(f, ", run {:?}", self.run)?;
        }
        if let Some(key) = self.key {
            write!(f, ", key {key} {:?} {:?}", self.on_conflict, self.scope)?;
        }
        if !self.tags.is_empty() {
            write!(f, ", tags {:?}", self.tags)?;
        }
        if self.limit != Limit::None {
            write!(f, ", limit {:?}", self.limit)?;
        }
        if let Some(most) = self.max_attempts {
            write!(f, ", {most} attempts")?;
        }
        if self.own_id {
            write!(f, ", own id")?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    AfterNothing,
    Past,
    Far,
    FarAt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    None,
    Over,
    Within,
    Before,
}

/// A claim: one that holds its job, or any that ever was.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pick {
    Held(u8),
    Any(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Ack,
    AckResult,
    Error,
    ErrorNow,
    ErrorFar,
    Fail,
    SnoozeNow,
    SnoozeFar,
    Unhandled,
    Release,
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Cancel,
    Retry,
    Promote,
    Delete,
    DeleteForced,
}

/// Which version of a thing a change is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Whichever,
    Present,
    Old,
}

/// The step of a bulk operation that a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    None,
    Expected,
    Elsewhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Never,
    Past,
    Far,
}

#[derive(Debug, Clone)]
pub(crate) struct Changes {
    pub(crate) priority: Option<u8>,
    pub(crate) run: Option<When>,
    pub(crate) payload: bool,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) tags: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Setting {
    MaxWaiting(Option<u64>),
    KeepCompleted(Option<u32>),
    KeepFailed(Option<u32>),
    KeepCancelled(Option<u32>),
    /// Whether completed, failed and cancelled jobs are forgotten at once.
    NoAge([bool; 3]),
    MaxAttempts(Option<u32>),
}

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..=100)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        18 => (prop::collection::vec(new(), 1..=4), prop::bool::weighted(0.2))
            .prop_map(|(jobs, repeat)| Op::Submit { jobs, repeat }),
        20 => (1..=4_usize, 0..3_u8).prop_map(|(limit, worker)| Op::Claim { limit, worker }),
        24 => (pick(), how(), prop::bool::weighted(0.2))
            .prop_map(|(pick, how, repeat)| Op::Finish { pick, how, repeat }),
        2 => prop::collection::vec(pick(), 1..=3).prop_map(|picks| Op::Extend { picks }),
        14 => (any::<u8>(), kind(), version())
            .prop_map(|(job, change, etag)| Op::Change { job, change, etag }),
        3 => (prop::collection::vec(any::<u8>(), 0..=4), kind(), step())
            .prop_map(|(jobs, change, step)| Op::ChangeMany { jobs, change, step }),
        2 => (any::<u8>(), version()).prop_map(|(job, etag)| Op::RetryWithPayload { job, etag }),
        6 => (any::<u8>(), changes(), version())
            .prop_map(|(job, changes, etag)| Op::Update { job, changes, etag }),
        3 => (prop::option::weighted(0.7, 0..3_u8), until())
            .prop_map(|(kind, until)| Op::Pause { kind, until }),
        5 => prop::option::of(0..3_u8).prop_map(|kind| Op::Resume { kind }),
        1 => Just(Op::Drain),
        1 => prop::collection::vec(state(), 1..=2).prop_map(|states| Op::Purge { states }),
        1 => Just(Op::DeleteQueue),
        4 => (setting(), version()).prop_map(|(setting, etag)| Op::Set { setting, etag }),
        2 => Just(Op::Promote),
        3 => Just(Op::Reap),
        2 => Just(Op::Prune),
        5 => pick().prop_map(|pick| Op::LeaseEnds { pick }),
        4 => any::<u8>().prop_map(|job| Op::DueComes { job }),
        2 => any::<u8>().prop_map(|job| Op::LimitComes { job }),
    ]
}

fn new() -> impl Strategy<Value = New> {
    let names = (0..3_u8, prop_oneof![3 => Just(5_u8), 1 => 0..=9_u8]);
    let key = prop::option::weighted(0.4, 0..3_u8);
    let rules = (key, on_conflict(), prop::bool::ANY);
    let limit = prop_oneof![
        6 => Just(Limit::None),
        1 => Just(Limit::Over),
        1 => Just(Limit::Within),
        1 => Just(Limit::Before),
    ];
    let max_attempts = prop::option::of(1..=3_u32);
    let rest = (tags(), limit, max_attempts, prop::bool::ANY);
    (names, when(), rules, rest).prop_map(
        |(
            (kind, priority),
            run,
            (key, on_conflict, frees),
            (tags, limit, max_attempts, own_id),
        )| {
            New {
                kind,
                priority,
                run,
                key,
                on_conflict,
                scope: if frees {
                    KeyScope::Unfinished
                } else {
                    KeyScope::Kept
                },
                tags,
                limit,
                max_attempts,
                own_id,
            }
        },
    )
}

fn changes() -> impl Strategy<Value = Changes> {
    (
        prop::option::of(0..=9_u8),
        prop::option::of(when()),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.3, 1..=3_u32),
        prop::option::weighted(0.3, tags()),
    )
        .prop_map(|(priority, run, payload, max_attempts, tags)| Changes {
            priority,
            run,
            payload,
            max_attempts,
            tags,
        })
}

fn tags() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec(0..3_u8, 1..=2),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![8 => any::<u8>().prop_map(Pick::Held), 1 => any::<u8>().prop_map(Pick::Any)]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        5 => Just(When::Now),
        1 => Just(When::AfterNothing),
        1 => Just(When::Past),
        1 => Just(When::Far),
        1 => Just(When::FarAt),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => prop_oneof![Just(How::Ack), Just(How::AckResult)],
        4 => prop_oneof![Just(How::Error), Just(How::ErrorNow), Just(How::ErrorFar)],
        2 => Just(How::Fail),
        3 => prop_oneof![Just(How::SnoozeNow), Just(How::SnoozeFar), Just(How::Unhandled)],
        2 => Just(How::Release),
        1 => Just(How::Cancelled),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        5 => Just(Kind::Cancel),
        4 => Just(Kind::Retry),
        2 => Just(Kind::Promote),
        1 => Just(Kind::Delete),
        1 => Just(Kind::DeleteForced),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![
        6 => Just(Version::Whichever),
        2 => Just(Version::Present),
        1 => Just(Version::Old),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::None),
        Just(Step::Expected),
        Just(Step::Elsewhere)
    ]
}

fn until() -> impl Strategy<Value = Until> {
    prop_oneof![Just(Until::Never), Just(Until::Past), Just(Until::Far)]
}

fn on_conflict() -> impl Strategy<Value = OnConflict> {
    prop_oneof![
        Just(OnConflict::ReturnExisting),
        Just(OnConflict::Reject),
        Just(OnConflict::ReplaceWaiting),
        Just(OnConflict::CancelActive),
    ]
}

fn state() -> impl Strategy<Value = JobState> {
    prop::sample::select(
        &[
            JobState::Scheduled,
            JobState::Waiting,
            JobState::Retrying,
            JobState::Completed,
            JobState::Failed,
            JobState::Cancelled,
        ][..],
    )
}

fn setting() -> impl Strategy<Value = Setting> {
    let keep = || prop::option::of(0..4_u32);
    prop_oneof![
        prop::option::weighted(0.3, 0..9_u64).prop_map(Setting::MaxWaiting),
        keep().prop_map(Setting::KeepCompleted),
        keep().prop_map(Setting::KeepFailed),
        keep().prop_map(Setting::KeepCancelled),
        any::<[bool; 3]>().prop_map(Setting::NoAge),
        prop::option::of(1..=3_u32).prop_map(Setting::MaxAttempts),
    ]
}
