//! Queues.

use std::iter;

use jobflow::proto;
use serde::Serialize;

use crate::view::Item;
use crate::view::json::{Backoff, numbers, text};
use crate::view::style::CARE;
use crate::view::table::Column::{self, Left, Right};
use crate::view::table::pairs;
use crate::view::words::{count, given, printable, wire_duration};

pub(crate) type Count = (&'static str, fn(&proto::JobCounts) -> i64);

/// The columns of states.
pub(crate) const COUNTS: [Count; 8] = [
    ("WAITING", |counts| counts.waiting),
    ("ACTIVE", |counts| counts.active),
    ("SCHEDULED", |counts| counts.scheduled),
    ("BLOCKED", |counts| counts.blocked),
    ("RETRYING", |counts| counts.retrying),
    ("COMPLETED", |counts| counts.completed),
    ("FAILED", |counts| counts.failed),
    ("CANCELLED", |counts| counts.cancelled),
];

numbers!(JobCounts: i64 {
    scheduled, blocked, waiting, active, retrying, completed, failed, cancelled,
});
numbers!(QueueTotals: i64 {
    submitted, completed, failed, cancelled, errored, lease_expired, lease_lost, unhandled,
    released, snoozed,
});
numbers!(Rates: f64 { submitted, completed, failed, errored });

#[derive(Serialize)]
pub(crate) struct Queue<'a> {
    name: &'a str,
    counts: JobCounts,
    totals: QueueTotals,
    oldest_waiting_age: Option<String>,
    pauses: Vec<Pause<'a>>,
    draining: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Settings>,
    #[serde(skip_serializing_if = "str::is_empty")]
    etag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<Partitions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rates: Option<Rates>,
}

#[derive(Serialize)]
struct Partitions {
    count: i32,
    surplus: Vec<i32>,
    unreachable: Vec<i32>,
}

impl From<&proto::QueuePartitions> for Partitions {
    fn from(partitions: &proto::QueuePartitions) -> Self {
        Self {
            count: partitions.count,
            surplus: partitions.surplus.clone(),
            unreachable: partitions.unreachable.clone(),
        }
    }
}

impl<'a> Queue<'a> {
    pub(crate) fn new(queue: &'a proto::Queue) -> Self {
        Self {
            name: &queue.name,
            counts: queue.counts.unwrap_or_default().into(),
            totals: queue.totals.unwrap_or_default().into(),
            oldest_waiting_age: text(queue.oldest_waiting_age),
            pauses: queue.pauses.iter().map(Pause::new).collect(),
            draining: queue.draining,
            settings: queue.settings.map(Settings::from),
            etag: &queue.etag,
            partitions: queue.partitions.as_ref().map(Partitions::from),
            rates: None,
        }
    }

    pub(super) fn with_rates(metrics: &'a proto::QueueMetrics) -> Option<Self> {
        Some(Self {
            rates: Some(metrics.rates.unwrap_or_default().into()),
            ..Self::new(metrics.queue.as_ref()?)
        })
    }
}

#[derive(Serialize)]
struct Pause<'a> {
    kind: &'a str,
    reason: &'a str,
    pause_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_time: Option<String>,
}

impl<'a> Pause<'a> {
    fn new(pause: &'a proto::Pause) -> Self {
        Self {
            kind: &pause.kind,
            reason: &pause.reason,
            pause_time: text(pause.pause_time),
            resume_time: text(pause.resume_time),
        }
    }
}

/// What is absent is at its default.
#[derive(Serialize)]
struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_waiting: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_retention: Option<Retention>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_retention: Option<Retention>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_retention: Option<Retention>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<Backoff>,
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<i32>,
}

#[derive(Serialize)]
struct Retention {
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<String>,
}

impl From<proto::QueueSettings> for Settings {
    fn from(settings: proto::QueueSettings) -> Self {
        Self {
            max_waiting: settings.max_waiting,
            completed_retention: settings.completed_retention.map(Retention::from),
            failed_retention: settings.failed_retention.map(Retention::from),
            cancelled_retention: settings.cancelled_retention.map(Retention::from),
            max_attempts: settings.max_attempts,
            timeout: text(settings.timeout),
            durability: durability(settings.durability()),
            partitions: settings.partitions,
            backoff: settings.backoff.map(Backoff::from),
        }
    }
}

impl From<proto::Retention> for Retention {
    fn from(retention: proto::Retention) -> Self {
        Self {
            count: retention.count,
            age: text(retention.age),
        }
    }
}

impl Item for proto::Queue {
    const COLUMNS: &'static [Column] = &[
        Left("QUEUE"),
        Right(COUNTS[0].0),
        Right(COUNTS[1].0),
        Right(COUNTS[2].0),
        Right(COUNTS[3].0),
        Right(COUNTS[4].0),
        Right(COUNTS[5].0),
        Right(COUNTS[6].0),
        Right(COUNTS[7].0),
        Right("OLDEST"),
        Left("NOTE"),
    ];

    fn id(&self) -> &str {
        &self.name
    }

    fn json(&self) -> impl Serialize {
        Queue::new(self)
    }

    fn text(&self) -> String {
        one(self)
    }

    fn row(&self) -> Vec<String> {
        let counts = self.counts.unwrap_or_default();
        let mut row = vec![printable(&self.name)];
        row.extend(COUNTS.iter().map(|(_, of)| count(of(&counts))));
        row.push(wire_duration(self.oldest_waiting_age.as_ref()));
        row.push(note(self));
        row
    }
}

fn one(queue: &proto::Queue) -> String {
    let counts = queue.counts.unwrap_or_default();
    let totals = queue.totals.unwrap_or_default();
    let counts = COUNTS
        .iter()
        .map(|(heading, of)| (heading.to_lowercase(), Some(count(of(&counts)))));
    let pauses: Vec<_> = queue.pauses.iter().map(pause).collect();
    let settings = queue.settings.unwrap_or_default();
    let number = |number: Option<i64>| number.map(count);
    let mut lines: Vec<(String, Option<String>)> = vec![("queue".to_owned(), given(&queue.name))];
    lines.extend(counts);
    let rest = [
        (
            "oldest waiting",
            Some(wire_duration(queue.oldest_waiting_age.as_ref())),
        ),
        ("submitted ever", Some(count(totals.submitted))),
        ("paused", given(&pauses.join("\n"))),
        (
            "draining",
            queue.draining.then(|| "new jobs are refused".to_owned()),
        ),
        ("max waiting", number(settings.max_waiting)),
        (
            "keep completed",
            settings.completed_retention.as_ref().map(retention),
        ),
        (
            "keep failed",
            settings.failed_retention.as_ref().map(retention),
        ),
        (
            "keep cancelled",
            settings.cancelled_retention.as_ref().map(retention),
        ),
        ("attempts", number(settings.max_attempts.map(i64::from))),
        (
            "job timeout",
            settings.timeout.map(|limit| wire_duration(Some(&limit))),
        ),
        ("backoff", settings.backoff.as_ref().map(backoff)),
        (
            "durability",
            durability(settings.durability()).map(str::to_owned),
        ),
        ("partitions", queue.partitions.as_ref().and_then(partitions)),
    ];
    lines.extend(rest.map(|(name, value)| (name.to_owned(), value)));
    let lines: Vec<_> = lines
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    pairs(&lines)
}

/// Why jobs of the queue do not run, in a word or two.
pub(crate) fn note(queue: &proto::Queue) -> String {
    let draining = queue.draining.then(|| "draining".to_owned());
    let pauses = queue.pauses.iter().map(|pause| match pause.kind.as_str() {
        "" => "paused".to_owned(),
        kind => format!("paused: {}", printable(kind)),
    });
    let partitions = queue.partitions.as_ref();
    let out_of_reach = partitions.map_or(0, |partitions| partitions.unreachable.len());
    let unreachable = (out_of_reach > 0).then(|| format!("{out_of_reach} partitions unreachable"));
    let notes: Vec<_> = unreachable
        .into_iter()
        .chain(draining)
        .chain(pauses)
        .collect();
    match notes.is_empty() {
        true => String::new(),
        false => format!("{CARE}{}{CARE:#}", notes.join(", ")),
    }
}

/// How many there are, and which are not as they should be; nothing for one alone.
fn partitions(partitions: &proto::QueuePartitions) -> Option<String> {
    let numbers = |what: &str, all: &[i32]| {
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        (!all.is_empty()).then(|| format!("{what}: {}", all.join(" ")))
    };
    let odd = [
        numbers("worked off", &partitions.surplus),
        numbers("unreachable", &partitions.unreachable),
    ];
    let odd: Vec<_> = odd.into_iter().flatten().collect();
    (partitions.count > 1 || !odd.is_empty()).then(|| {
        let parts = iter::once(count(i64::from(partitions.count))).chain(odd);
        parts.collect::<Vec<_>>().join(", ")
    })
}

fn pause(pause: &proto::Pause) -> String {
    let what = match pause.kind.as_str() {
        "" => "all",
        kind => kind,
    };
    let since = pause.pause_time.map(|time| format!(" since {time}"));
    let until = pause.resume_time.map(|time| format!(" until {time}"));
    let reason = given(&pause.reason).map(|reason| format!(": {reason}"));
    let parts = [since, until, reason].into_iter().flatten();
    iter::once(printable(what)).chain(parts).collect()
}

fn retention(retention: &proto::Retention) -> String {
    let count = retention.count.map(|number| count(i64::from(number)));
    let age = retention.age.map(|age| wire_duration(Some(&age)));
    let parts: Vec<_> = [count, age].into_iter().flatten().collect();
    parts.join(", for ")
}

fn backoff(backoff: &proto::Backoff) -> String {
    format!(
        "from {}, times {}, up to {}",
        wire_duration(backoff.initial.as_ref()),
        backoff.multiplier,
        wire_duration(backoff.max.as_ref())
    )
}

fn durability(class: proto::Durability) -> Option<&'static str> {
    match class {
        proto::Durability::Unspecified => None,
        proto::Durability::Memory => Some("memory"),
        proto::Durability::Fsync => Some("fsync"),
        proto::Durability::Replicated => Some("replicated"),
    }
}
