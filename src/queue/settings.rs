//! What a queue does differently: its settings and switches, as the `config`
//! hash holds them.

use std::collections::HashMap;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::job::{Kind, QueueName, StoreTime};
use crate::lua::{self, Call};
use crate::options::{JobDefaults, Keep, MAX_DELAY, Retention, check_attempts, check_timeout};
use crate::partition::{Partition, Spread, check_count};
use crate::queue::JobQueue;
use crate::record::Etag;
use crate::spec::millis;

/// The settings of a queue; what is `None` is at the default of the installation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QueueSettings {
    /// More waiting and scheduled jobs than this are refused with `QUEUE_FULL`.
    pub max_waiting: Option<u64>,
    /// How many completed jobs are kept.
    pub keep_completed: Option<u32>,
    /// How long completed jobs are kept.
    pub age_completed: Option<Duration>,
    /// How many failed jobs are kept.
    pub keep_failed: Option<u32>,
    /// How long failed jobs are kept.
    pub age_failed: Option<Duration>,
    /// How many cancelled jobs are kept.
    pub keep_cancelled: Option<u32>,
    /// How long cancelled jobs are kept.
    pub age_cancelled: Option<Duration>,
    /// Attempts of jobs that do not say.
    pub max_attempts: Option<u32>,
    /// Timeout of jobs that do not say.
    pub timeout: Option<Duration>,
    /// Backoff of jobs that do not say.
    pub backoff: Option<Backoff>,
    /// Durability of submits that do not say.
    pub durability: Option<Durability>,
    /// Over how many partitions its jobs are spread.
    pub partitions: Option<u8>,
}

/// A new value of one setting; `None` for its default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SettingsChange {
    /// `max_waiting`.
    MaxWaiting(Option<u64>),
    /// `keep_completed`.
    KeepCompleted(Option<u32>),
    /// `age_completed`.
    AgeCompleted(Option<Duration>),
    /// `keep_failed`.
    KeepFailed(Option<u32>),
    /// `age_failed`.
    AgeFailed(Option<Duration>),
    /// `keep_cancelled`.
    KeepCancelled(Option<u32>),
    /// `age_cancelled`.
    AgeCancelled(Option<Duration>),
    /// `max_attempts`.
    MaxAttempts(Option<u32>),
    /// `timeout`.
    Timeout(Option<Duration>),
    /// `backoff`.
    Backoff(Option<Backoff>),
    /// `durability`.
    Durability(Option<Durability>),
    /// `partitions`; the default is one.
    Partitions(Option<u8>),
}

/// Settings and switches of a queue.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueueControl {
    /// Its own pause, and those of kinds.
    pub pauses: Vec<Pause>,
    /// New jobs are refused.
    pub draining: bool,
    /// What it does differently.
    pub settings: QueueSettings,
    /// Changes with the settings.
    pub etag: Etag,
}

/// Jobs are kept from being claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Those of one kind; `None` for the whole queue.
    pub kind: Option<Kind>,
    /// For people.
    pub reason: String,
    /// Since when.
    pub since: StoreTime,
    /// When it ends by itself.
    pub resume: Option<StoreTime>,
}

impl SettingsChange {
    /// The field of the hash and its text, checked; empty for the default.
    /// Nothing for what is no field of its own.
    fn field(self) -> Result<Option<(&'static str, String)>> {
        let text = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        let age = |name, age: Option<Duration>| match age {
            Some(age) if age > MAX_DELAY => Err(Error::invalid(name, "must be 0 to 10 years")),
            age => Ok((name, text(age.map(millis)))),
        };
        let count = |count: Option<u32>| text(count.map(u64::from));
        Ok(Some(match self {
            Self::MaxWaiting(most) => ("max_waiting", text(most)),
            Self::KeepCompleted(keep) => ("keep_completed", count(keep)),
            Self::AgeCompleted(kept) => age("age_completed", kept)?,
            Self::KeepFailed(keep) => ("keep_failed", count(keep)),
            Self::AgeFailed(kept) => age("age_failed", kept)?,
            Self::KeepCancelled(keep) => ("keep_cancelled", count(keep)),
            Self::AgeCancelled(kept) => age("age_cancelled", kept)?,
            Self::MaxAttempts(attempts) => {
                let attempts = attempts.map(check_attempts).transpose()?;
                ("max_attempts", count(attempts))
            }
            Self::Timeout(timeout) => {
                let timeout = timeout.map(check_timeout).transpose()?;
                ("timeout", text(timeout.map(millis)))
            }
            Self::Backoff(backoff) => ("backoff", backoff.map(write_backoff).unwrap_or_default()),
            Self::Durability(class) => {
                let word = class.map_or("", Durability::as_str);
                ("durability", word.to_owned())
            }
            Self::Partitions(count) => {
                check_count(count.unwrap_or(1))?;
                return Ok(None);
            }
        }))
    }
}

impl QueueSettings {
    fn read(config: &HashMap<String, String>) -> Self {
        let wide = |name: &str| config.get(name).and_then(|text| text.parse::<u64>().ok());
        let count = |name: &str| wide(name).and_then(|value| u32::try_from(value).ok());
        let time = |name: &str| wide(name).map(Duration::from_millis);
        Self {
            max_waiting: wide("max_waiting"),
            keep_completed: count("keep_completed"),
            age_completed: time("age_completed"),
            keep_failed: count("keep_failed"),
            age_failed: time("age_failed"),
            keep_cancelled: count("keep_cancelled"),
            age_cancelled: time("age_cancelled"),
            max_attempts: count("max_attempts"),
            timeout: time("timeout"),
            backoff: config.get("backoff").and_then(|text| read_backoff(text)),
            durability: config.get("durability").and_then(|text| text.parse().ok()),
            partitions: config
                .get("spread")
                .and_then(|text| Spread::read(text))
                .map(|spread| spread.count)
                .filter(|count| *count > 1),
        }
    }

    /// What is kept of finished jobs, with the installation's rules where the
    /// queue has none.
    #[must_use]
    pub fn retention(&self, of_all: Retention) -> Retention {
        let keep = |count: Option<u32>, age: Option<Duration>, of_all: Keep| Keep {
            count: count.unwrap_or(of_all.count),
            age: age.unwrap_or(of_all.age),
        };
        Retention {
            completed: keep(self.keep_completed, self.age_completed, of_all.completed),
            failed: keep(self.keep_failed, self.age_failed, of_all.failed),
            cancelled: keep(self.keep_cancelled, self.age_cancelled, of_all.cancelled),
        }
    }
}

impl QueueControl {
    /// Reads the hash. Pauses whose time is over are none, at `now`.
    pub(crate) fn read(config: &HashMap<String, String>, now: StoreTime) -> Self {
        let mut pauses: Vec<Pause> = config
            .iter()
            .filter_map(|(name, text)| {
                let kind = match name.as_str() {
                    "paused" => None,
                    name => Some(Kind::new(name.strip_prefix("kind:")?).ok()?),
                };
                read_pause(kind, text)
            })
            .filter(|pause| pause.resume.is_none_or(|resume| resume > now))
            .collect();
        pauses.sort_by(|a, b| a.kind.cmp(&b.kind));
        Self {
            pauses,
            draining: config.contains_key("draining"),
            settings: QueueSettings::read(config),
            etag: Etag::new(config.get("epoch").map_or("0", String::as_str)),
        }
    }
}

impl JobQueue {
    /// Changes settings of a queue, all of them or none; where it has several
    /// partitions, one of them after the other, so that a fault of the store may
    /// leave some behind until it is repeated.
    ///
    /// # Errors
    /// `INVALID_FIELD`, `ETAG_MISMATCH`, `QUEUE_NOT_FOUND`, and any fault of the store.
    pub async fn update_settings(
        &self,
        queue: &QueueName,
        changes: &[SettingsChange],
        etag: Option<&Etag>,
    ) -> Result<()> {
        let fields = changes
            .iter()
            .filter_map(|change| change.field().transpose())
            .collect::<Result<Vec<_>>>()?;
        let count = changes.iter().rev().find_map(|change| match change {
            SettingsChange::Partitions(count) => Some(count.unwrap_or(1)),
            _ => None,
        });
        self.check_known(queue).await?;
        if let Some(count) = count {
            // What can not be must not be found out behind the other changes.
            self.core.read_spread(queue).await?.changed(count, 0)?;
        }
        let first = Partition::first(queue.clone());
        let mut call = Call::new(&lua::CONFIGURE, &self.core.keys(&first));
        call.arg(etag.map_or("", Etag::as_str));
        for (name, value) in fields {
            call.arg(name).arg(value);
        }
        let epoch: i64 = call.run_once(&self.core.store).await?;
        if epoch < 0 {
            return Err(Error::EtagMismatch {
                what: format!("queue {queue}"),
            });
        }
        match count {
            Some(count) => self.core.spread_over(queue, count).await,
            None if self.core.partitions_now(queue).await?.len() > 1 => {
                self.core.copy_settings(queue, None).await
            }
            None => Ok(()),
        }
    }
}

/// What a queue says for jobs that do not, from the three fields in the order
/// of the scripts; what is empty is at its default.
pub(crate) fn job_defaults([attempts, timeout, backoff]: &[String; 3]) -> JobDefaults {
    let of_all = JobDefaults::default();
    JobDefaults {
        max_attempts: attempts.parse().unwrap_or(of_all.max_attempts),
        timeout: timeout
            .parse()
            .map_or(of_all.timeout, Duration::from_millis),
        backoff: read_backoff(backoff).unwrap_or(of_all.backoff),
    }
}

/// Initial and longest delay in milliseconds around the multiplier.
fn write_backoff(backoff: Backoff) -> String {
    format!(
        "{},{},{}",
        millis(backoff.initial()),
        backoff.multiplier(),
        millis(backoff.max())
    )
}

fn read_backoff(text: &str) -> Option<Backoff> {
    let mut parts = text.split(',');
    let mut delay = || parts.next()?.parse().ok().map(Duration::from_millis);
    let initial = delay()?;
    let multiplier = parts.next()?.parse().ok()?;
    let max = parts.next()?.parse().ok().map(Duration::from_millis)?;
    Backoff::new(initial, multiplier, max).ok()
}

/// `resume|since|reason`, where resume 0 is never.
fn read_pause(kind: Option<Kind>, text: &str) -> Option<Pause> {
    let mut parts = text.splitn(3, '|');
    let mut instant = || parts.next()?.parse().ok().map(StoreTime);
    let (resume, since) = (instant()?, instant()?);
    Some(Pause {
        kind,
        reason: parts.next()?.to_owned(),
        since,
        resume: (resume.0 > 0).then_some(resume),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back() {
        let backoff = Backoff::new(Duration::from_millis(5), 1.5, Duration::from_secs(9)).unwrap();
        let changes = [
            SettingsChange::MaxWaiting(Some(7)),
            SettingsChange::KeepFailed(Some(0)),
            SettingsChange::AgeCompleted(Some(Duration::from_secs(60))),
            SettingsChange::Timeout(Some(Duration::from_secs(3))),
            SettingsChange::Backoff(Some(backoff)),
            SettingsChange::Durability(Some(Durability::Fsync)),
        ];
        let fields = changes.map(|change| change.field().unwrap().unwrap());
        let config = fields.map(|(name, text)| (name.to_owned(), text)).into();
        let settings = QueueSettings::read(&config);
        let expected = QueueSettings {
            max_waiting: Some(7),
            keep_failed: Some(0),
            age_completed: Some(Duration::from_secs(60)),
            timeout: Some(Duration::from_secs(3)),
            backoff: Some(backoff),
            durability: Some(Durability::Fsync),
            ..QueueSettings::default()
        };
        assert_eq!(settings, expected);
        assert_eq!(settings.retention(Retention::default()).failed.count, 0);
    }

    #[test]
    fn a_value_out_of_its_range_is_refused() {
        assert!(SettingsChange::MaxAttempts(Some(0)).field().is_err());
        for odd in [0, 65] {
            assert!(SettingsChange::Partitions(Some(odd)).field().is_err());
        }
        assert!(
            SettingsChange::Timeout(Some(Duration::ZERO))
                .field()
                .is_err()
        );
        let long = MAX_DELAY + Duration::from_millis(1);
        assert!(SettingsChange::AgeFailed(Some(long)).field().is_err());
    }

    #[test]
    fn a_pause_ends_at_its_time() {
        let config = HashMap::from([
            ("paused".to_owned(), "500|100|moving | house".to_owned()),
            ("kind:resize".to_owned(), "0|200|".to_owned()),
        ]);
        let before = QueueControl::read(&config, StoreTime(499));
        assert_eq!(before.pauses.len(), 2);
        assert_eq!(before.pauses[0].reason, "moving | house");
        assert_eq!(before.pauses[0].resume, Some(StoreTime(500)));
        let after = QueueControl::read(&config, StoreTime(500));
        assert_eq!(after.pauses.len(), 1);
        assert_eq!(after.pauses[0].kind, Some(Kind::new("resize").unwrap()));
    }
}
