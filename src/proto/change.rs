//! What a change asks for, from the wire: the fields that a mask names.

use std::time::Duration;

use super::submit::durability_from;
use super::{duration_from, timestamp_from};
use crate::backoff::Backoff;
use crate::error::{Error, Result, quoted};
use crate::options::{Priority, RunAt};
use crate::proto;
use crate::queue::{JobChanges, SettingsChange};

const JOB_PATHS: [&str; 5] = ["priority", "run_time", "payload", "max_attempts", "tags"];
const SETTINGS_PATHS: [&str; 12] = [
    "settings.max_waiting",
    "settings.completed_retention.count",
    "settings.completed_retention.age",
    "settings.failed_retention.count",
    "settings.failed_retention.age",
    "settings.cancelled_retention.count",
    "settings.cancelled_retention.age",
    "settings.max_attempts",
    "settings.timeout",
    "settings.backoff",
    "settings.durability",
    "settings.partitions",
];

/// What `UpdateJob` changes.
///
/// # Errors
/// `INVALID_FIELD` naming the mask or the field.
pub fn job_changes(job: &proto::Job, mask: Option<&prost_types::FieldMask>) -> Result<JobChanges> {
    let mut changes = JobChanges::default();
    for path in paths(mask, &JOB_PATHS)? {
        match path {
            "priority" => changes.priority = Some(Priority::new(i64::from(job.priority))?),
            "run_time" => {
                let time = job.run_time.as_ref();
                let time = time.map(|time| timestamp_from("run_time", time));
                changes.run_at = Some(time.transpose()?.map_or(RunAt::Now, RunAt::At));
            }
            "payload" => {
                let content_type = Some(job.content_type.clone());
                let content_type = content_type.filter(|content_type| !content_type.is_empty());
                changes.payload = Some((job.payload.clone(), content_type));
            }
            // A negative number is out of range like any other.
            "max_attempts" => {
                changes.max_attempts = Some(u32::try_from(job.max_attempts).unwrap_or(0));
            }
            _ => changes.tags = Some(job.tags.clone()),
        }
    }
    Ok(changes)
}

/// What `UpdateQueue` changes.
///
/// # Errors
/// `INVALID_FIELD` naming the mask or the field.
pub fn settings_changes(
    settings: Option<proto::QueueSettings>,
    mask: Option<&prost_types::FieldMask>,
) -> Result<Vec<SettingsChange>> {
    let settings = settings.unwrap_or_default();
    let [completed, failed, cancelled] = [
        settings.completed_retention,
        settings.failed_retention,
        settings.cancelled_retention,
    ]
    .map(Option::unwrap_or_default);
    let paths = paths(mask, &SETTINGS_PATHS)?.into_iter();
    let change = |path| {
        Ok(match path {
            "settings.max_waiting" => {
                let most = settings.max_waiting.map(|most| number(path, most));
                SettingsChange::MaxWaiting(most.transpose()?)
            }
            "settings.completed_retention.count" => {
                SettingsChange::KeepCompleted(count(path, completed.count)?)
            }
            "settings.completed_retention.age" => {
                SettingsChange::AgeCompleted(time(path, completed.age.as_ref())?)
            }
            "settings.failed_retention.count" => {
                SettingsChange::KeepFailed(count(path, failed.count)?)
            }
            "settings.failed_retention.age" => {
                SettingsChange::AgeFailed(time(path, failed.age.as_ref())?)
            }
            "settings.cancelled_retention.count" => {
                SettingsChange::KeepCancelled(count(path, cancelled.count)?)
            }
            "settings.cancelled_retention.age" => {
                SettingsChange::AgeCancelled(time(path, cancelled.age.as_ref())?)
            }
            "settings.max_attempts" => {
                SettingsChange::MaxAttempts(count(path, settings.max_attempts)?)
            }
            "settings.timeout" => SettingsChange::Timeout(time(path, settings.timeout.as_ref())?),
            "settings.partitions" => {
                // One that fits no partition is out of range like any other.
                let count = settings
                    .partitions
                    .map(|count| u8::try_from(count).unwrap_or(0));
                SettingsChange::Partitions(count)
            }
            "settings.durability" => {
                SettingsChange::Durability(durability_from(path, settings.durability)?)
            }
            _ => {
                let backoff = settings.backoff;
                SettingsChange::Backoff(backoff.map(Backoff::try_from).transpose()?)
            }
        })
    };
    paths.map(change).collect()
}

fn number(path: &str, value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Error::invalid(path, "must not be negative"))
}

fn count(path: &str, value: Option<i32>) -> Result<Option<u32>> {
    let count =
        |value| u32::try_from(value).map_err(|_| Error::invalid(path, "must not be negative"));
    value.map(count).transpose()
}

fn time(path: &str, value: Option<&prost_types::Duration>) -> Result<Option<Duration>> {
    value.map(|value| duration_from(path, value)).transpose()
}

/// The paths that a mask names, each once: `*` names all, and a path those below it.
fn paths(
    mask: Option<&prost_types::FieldMask>,
    allowed: &[&'static str],
) -> Result<Vec<&'static str>> {
    let refused = |what: &str| {
        let allowed = allowed.join(", ");
        Error::invalid(
            "update_mask",
            format!("{what}; it may name {allowed}, or * for all"),
        )
    };
    let named = mask.map_or(&[][..], |mask| &mask.paths);
    if named.is_empty() {
        return Err(refused("must not be empty"));
    }
    let is_meant = |path: &str, named: &str| {
        named == "*"
            || path
                .strip_prefix(named)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if let Some(unknown) = named
        .iter()
        .find(|named| !allowed.iter().any(|path| is_meant(path, named)))
    {
        return Err(refused(&format!(
            "{:?} can not be changed",
            quoted(unknown)
        )));
    }
    let meant = |path: &&&str| named.iter().any(|named| is_meant(path, named));
    Ok(allowed.iter().filter(meant).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> prost_types::FieldMask {
        let paths = paths.iter().map(|&path| path.to_owned()).collect();
        prost_types::FieldMask { paths }
    }

    #[test]
    fn only_what_the_mask_names_is_changed() {
        let job = || proto::Job {
            priority: 2,
            max_attempts: 7,
            tags: vec!["eu".to_owned()],
            ..proto::Job::default()
        };
        let some = job_changes(&job(), Some(&mask(&["priority", "priority"]))).unwrap();
        let expected = JobChanges {
            priority: Some(Priority::new(2).unwrap()),
            ..JobChanges::default()
        };
        assert_eq!(some, expected);
        let all = job_changes(&job(), Some(&mask(&["*"]))).unwrap();
        assert_eq!(all.run_at, Some(RunAt::Now));
        assert_eq!(all.max_attempts, Some(7));
        assert!(all.payload.is_some() && all.tags.is_some());
    }

    #[test]
    fn a_path_names_those_below_it() {
        let some = settings_changes(None, Some(&mask(&["settings.failed_retention"])));
        let expected = [
            SettingsChange::KeepFailed(None),
            SettingsChange::AgeFailed(None),
        ];
        assert_eq!(some.unwrap(), expected);
        for all in ["*", "settings"] {
            let all = settings_changes(None, Some(&mask(&[all]))).unwrap();
            assert_eq!(all.len(), SETTINGS_PATHS.len());
        }
    }

    #[test]
    fn other_paths_are_refused_with_those_that_are_allowed() {
        for bad in [
            &[][..],
            &["id"],
            &["state"],
            &[""],
            &["pri"],
            &["priority", "kind"],
        ] {
            let error = job_changes(&proto::Job::default(), Some(&mask(bad))).unwrap_err();
            assert_eq!(error.field(), Some("update_mask"), "{bad:?}");
            assert!(error.to_string().contains("max_attempts"), "{error}");
        }
        let long = "\u{7f}".repeat(1 << 20);
        let error = job_changes(&proto::Job::default(), Some(&mask(&[&long]))).unwrap_err();
        assert!(error.to_string().len() < 2_000);
        assert!(job_changes(&proto::Job::default(), None).is_err());
        for bad in ["name", "settings.", "settings.max", "counts"] {
            let error = settings_changes(None, Some(&mask(&[bad]))).unwrap_err();
            assert_eq!(error.field(), Some("update_mask"), "{bad}");
        }
    }
}
