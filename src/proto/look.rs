//! What a look at many jobs finds, on the wire.

use super::timestamp;
use super::values::{int, wide};
use crate::partition::Partition;
use crate::proto;
use crate::queue::{
    Damage, DeadLetterGroup, DeadLetters, Explanation, Finding, Integrity, JobCount, Obstacle,
    Severity,
};

/// Partitions, as they are named to people.
#[must_use]
pub fn names(parts: &[Partition]) -> Vec<String> {
    parts.iter().map(ToString::to_string).collect()
}

impl From<JobCount> for proto::CountJobsResponse {
    fn from(count: JobCount) -> Self {
        Self {
            count: wide(count.count),
            complete: count.complete,
        }
    }
}

impl From<DeadLetters> for proto::ListDeadLetterGroupsResponse {
    fn from(letters: DeadLetters) -> Self {
        Self {
            groups: letters.groups.into_iter().map(Into::into).collect(),
            complete: letters.complete,
        }
    }
}

impl From<DeadLetterGroup> for proto::DeadLetterGroup {
    fn from(group: DeadLetterGroup) -> Self {
        Self {
            fingerprint: group.fingerprint.hex,
            queue: group.queue.to_string(),
            kind: group.kind.to_string(),
            error_code: group.code,
            message: group.fingerprint.line,
            count: wide(group.count),
            first_time: Some(timestamp(group.first)),
            last_time: Some(timestamp(group.last)),
            example_id: group.example.to_string(),
        }
    }
}

impl From<Explanation> for proto::ExplainJobResponse {
    fn from(explanation: Explanation) -> Self {
        Self {
            state: proto::JobState::from(explanation.state).into(),
            summary: explanation.summary,
            obstacles: explanation.obstacles.into_iter().map(Into::into).collect(),
            jobs_ahead: explanation.jobs_ahead.map(wide),
            workers: int(explanation.workers),
            free_slots: int(explanation.free_slots),
        }
    }
}

impl From<Obstacle> for proto::Obstacle {
    fn from(obstacle: Obstacle) -> Self {
        Self {
            reason: obstacle.reason.as_str().to_owned(),
            description: obstacle.description,
            until_time: obstacle.until.map(timestamp),
        }
    }
}

impl From<Integrity> for proto::CheckIntegrityResponse {
    fn from(integrity: Integrity) -> Self {
        Self {
            findings: integrity.findings.into_iter().map(Into::into).collect(),
            jobs: i64::try_from(integrity.jobs).unwrap_or(i64::MAX),
            damages: integrity.damages.into_iter().map(Into::into).collect(),
            damage_count: i64::try_from(integrity.damaged).unwrap_or(i64::MAX),
        }
    }
}

impl From<Damage> for proto::Damage {
    fn from(damage: Damage) -> Self {
        Self {
            kind: damage.kind.as_str().to_owned(),
            queue: damage
                .queue
                .map(|queue| queue.to_string())
                .unwrap_or_default(),
            job_id: damage.job.map(|id| id.to_string()).unwrap_or_default(),
            description: damage.description,
            mended: damage.done.is_some(),
            done: damage.done.unwrap_or_default(),
        }
    }
}

impl From<Finding> for proto::Finding {
    fn from(finding: Finding) -> Self {
        let severity = match finding.severity {
            Severity::Ok => proto::Severity::Ok,
            Severity::Warning => proto::Severity::Warning,
            Severity::Error => proto::Severity::Error,
        };
        Self {
            severity: severity.into(),
            check: finding.check.to_owned(),
            description: finding.description,
            advice: finding.advice.to_owned(),
        }
    }
}
