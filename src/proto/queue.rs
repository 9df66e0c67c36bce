//! Queues, their numbers and settings, on the wire.

use super::values::{int, wide};
use super::{duration, timestamp};
use crate::proto;
use crate::queue::{PartitionCounts, PartitionsSnapshot, Pause, QueueSettings};
use crate::stats::{Counts, FinishedJob, QueueSnapshot, Totals};

impl From<Counts> for proto::JobCounts {
    fn from(counts: Counts) -> Self {
        Self {
            scheduled: wide(counts.scheduled),
            blocked: wide(counts.blocked),
            waiting: wide(counts.waiting),
            active: wide(counts.active),
            retrying: wide(counts.retrying),
            completed: wide(counts.completed),
            failed: wide(counts.failed),
            cancelled: wide(counts.cancelled),
        }
    }
}

impl From<Totals> for proto::QueueTotals {
    fn from(totals: Totals) -> Self {
        Self {
            submitted: wide(totals.submitted),
            completed: wide(totals.completed),
            failed: wide(totals.failed),
            cancelled: wide(totals.cancelled),
            errored: wide(totals.errored),
            lease_expired: wide(totals.lease_expired),
            lease_lost: wide(totals.lease_lost),
            unhandled: wide(totals.unhandled),
            released: wide(totals.released),
            snoozed: wide(totals.snoozed),
        }
    }
}

impl From<&QueueSnapshot> for proto::Queue {
    fn from(queue: &QueueSnapshot) -> Self {
        let control = &queue.control;
        Self {
            name: queue.name.to_string(),
            counts: Some(queue.counts.into()),
            totals: Some(queue.totals.into()),
            oldest_waiting_age: queue.oldest_waiting.map(duration),
            pauses: control.pauses.iter().map(Into::into).collect(),
            draining: control.draining,
            settings: Some(control.settings.into()),
            etag: control.etag.as_str().to_owned(),
            partitions: Some((&queue.partitions).into()),
        }
    }
}

impl From<&PartitionsSnapshot> for proto::QueuePartitions {
    fn from(partitions: &PartitionsSnapshot) -> Self {
        let numbers = |all: &[u8]| all.iter().copied().map(i32::from).collect();
        Self {
            count: partitions.count.into(),
            surplus: numbers(&partitions.surplus),
            unreachable: numbers(&partitions.unreachable),
            each: partitions.each.iter().map(Into::into).collect(),
        }
    }
}

impl From<&PartitionCounts> for proto::QueuePartition {
    fn from(part: &PartitionCounts) -> Self {
        Self {
            number: part.number.into(),
            counts: Some(part.counts.into()),
        }
    }
}

impl From<&Pause> for proto::Pause {
    fn from(pause: &Pause) -> Self {
        Self {
            kind: pause
                .kind
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            reason: pause.reason.clone(),
            pause_time: Some(timestamp(pause.since)),
            resume_time: pause.resume.map(timestamp),
        }
    }
}

impl From<QueueSettings> for proto::QueueSettings {
    fn from(settings: QueueSettings) -> Self {
        let retention = |count: Option<u32>, age: Option<std::time::Duration>| {
            (count.is_some() || age.is_some()).then(|| proto::Retention {
                count: count.map(int),
                age: age.map(duration),
            })
        };
        Self {
            max_waiting: settings.max_waiting.map(wide),
            completed_retention: retention(settings.keep_completed, settings.age_completed),
            failed_retention: retention(settings.keep_failed, settings.age_failed),
            cancelled_retention: retention(settings.keep_cancelled, settings.age_cancelled),
            max_attempts: settings.max_attempts.map(int),
            timeout: settings.timeout.map(duration),
            backoff: settings.backoff.map(Into::into),
            durability: settings
                .durability
                .map_or(0, |class| proto::Durability::from(class).into()),
            partitions: settings.partitions.map(i32::from),
        }
    }
}

impl From<&FinishedJob> for proto::FinishedJob {
    fn from(job: &FinishedJob) -> Self {
        Self {
            id: job.id.to_string(),
            queue: job.queue.to_string(),
            kind: job.kind.to_string(),
            state: proto::JobState::from(job.state).into(),
            attempt: int(job.attempt),
            worker: job.worker.clone().unwrap_or_default(),
            finish_time: Some(timestamp(job.finished)),
            wait_duration: Some(duration(job.waited)),
            run_duration: Some(duration(job.ran)),
            error: job.error.clone().map(Into::into),
        }
    }
}
