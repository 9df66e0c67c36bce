//! `queue`.

use std::str::FromStr;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use jobflow::{Kind, MAX_ATTEMPTS, QueueName, proto};
use prost_types::Timestamp;

use super::shared::{Consent, Refresh};
use super::submit::Durability;
use super::values::{backoff, duration, retention, timestamp};

/// Look at queues and control them.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  jobflow-cli queue list
  jobflow-cli queue pause mail --reason 'the mail server is down'")]
pub(crate) enum Queue {
    /// List the queues and how many of their jobs are in each state.
    #[command(after_help = "\
Examples:
  jobflow-cli queue list
  jobflow-cli queue list --watch")]
    List {
        #[command(flatten)]
        refresh: Refresh,
    },
    /// Show a queue with its pauses and settings.
    #[command(after_help = "\
Examples:
  jobflow-cli queue get mail")]
    Get {
        queue: QueueName,
    },
    /// Keep the jobs of a queue, or of one kind in it, from being claimed.
    ///
    /// Jobs that run go on, and new ones are taken.
    #[command(after_help = "\
Examples:
  jobflow-cli queue pause mail --reason 'the mail server is down' --for 30m
  jobflow-cli queue pause mail --kind newsletter")]
    Pause {
        queue: QueueName,
        /// Only jobs of this kind.
        #[arg(long, value_name = "KIND")]
        kind: Option<Kind>,
        /// For people.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Resume by itself after this long.
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        lasting: Option<Duration>,
        /// Resume by itself at this time.
        #[arg(long, value_name = "RFC3339", conflicts_with = "lasting", value_parser = timestamp)]
        until: Option<Timestamp>,
    },
    /// End a pause, and open a queue that drains.
    #[command(after_help = "\
Examples:
  jobflow-cli queue resume mail
  jobflow-cli queue resume mail --kind newsletter")]
    Resume {
        queue: QueueName,
        /// Only the pause of this kind.
        #[arg(long, value_name = "KIND")]
        kind: Option<Kind>,
    },
    /// Refuse new jobs while those that are there run to their end.
    #[command(after_help = "\
Examples:
  jobflow-cli queue drain mail")]
    Drain {
        queue: QueueName,
    },
    /// Delete the jobs of some states.
    #[command(after_help = "\
Examples:
  jobflow-cli queue purge mail --state failed --dry-run
  jobflow-cli queue purge mail --state waiting --state scheduled --yes")]
    Purge {
        queue: QueueName,
        /// Jobs in this state; may be given more than once.
        #[arg(long = "state", value_name = "STATE", required = true)]
        states: Vec<PurgeState>,
        #[command(flatten)]
        consent: Consent,
    },
    Set(Box<Settings>),
    /// Delete a queue that has no jobs, with its settings and totals.
    #[command(after_help = "\
Examples:
  jobflow-cli queue delete mail --yes")]
    Delete {
        queue: QueueName,
        #[command(flatten)]
        consent: Consent,
    },
}

/// Change the settings of a queue; `default` takes one back.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("setting").required(true).multiple(true))]
#[command(after_help = "\
Examples:
  jobflow-cli queue set mail --max-waiting 100000 --keep-failed 10000,30d
  jobflow-cli queue set mail --max-waiting default --backoff 1s,2,1h
  jobflow-cli queue set mail --durability replicated
  jobflow-cli queue set mail --partitions 16")]
pub(crate) struct Settings {
    pub(crate) queue: QueueName,

    /// Refuse a job when so many wait or are scheduled.
    #[arg(long, value_name = "N", group = "setting", value_parser = setting(i64::from_str))]
    pub(crate) max_waiting: Option<Setting<i64>>,

    /// How many completed jobs are kept, for how long, or both.
    #[arg(long, value_name = "COUNT,AGE", group = "setting", value_parser = setting(retention))]
    pub(crate) keep_completed: Option<Setting<proto::Retention>>,

    /// The same for failed jobs.
    #[arg(long, value_name = "COUNT,AGE", group = "setting", value_parser = setting(retention))]
    pub(crate) keep_failed: Option<Setting<proto::Retention>>,

    /// The same for cancelled jobs.
    #[arg(long, value_name = "COUNT,AGE", group = "setting", value_parser = setting(retention))]
    pub(crate) keep_cancelled: Option<Setting<proto::Retention>>,

    /// After how many errored attempts a job fails that does not say.
    #[arg(long, value_name = "N", group = "setting", value_parser = setting(attempts))]
    pub(crate) attempts: Option<Setting<i32>>,

    /// How long an attempt of a job may run that does not say.
    #[arg(long, value_name = "DURATION", group = "setting", value_parser = setting(duration))]
    pub(crate) job_timeout: Option<Setting<Duration>>,

    /// First delay, factor and longest delay between attempts.
    #[arg(long, value_name = "FIRST,FACTOR,MOST", group = "setting")]
    #[arg(value_parser = setting(backoff))]
    pub(crate) backoff: Option<Setting<proto::Backoff>>,

    /// How safe a job is before it is acknowledged that does not say: memory,
    /// fsync or replicated.
    #[arg(long, value_name = "CLASS", group = "setting", value_parser = setting(durability))]
    pub(crate) durability: Option<Setting<Durability>>,

    /// Over how many partitions the jobs are spread, 1 to 64; in a cluster they
    /// are on several servers.
    #[arg(long, value_name = "N", group = "setting", value_parser = setting(partitions))]
    pub(crate) partitions: Option<Setting<i32>>,
}

/// What becomes of a setting.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Setting<T> {
    Default,
    To(T),
}

fn setting<T, E: ToString>(
    read: impl Fn(&str) -> Result<T, E> + Clone,
) -> impl Fn(&str) -> Result<Setting<T>, String> + Clone {
    move |text| match text {
        "default" => Ok(Setting::Default),
        text => read(text)
            .map(Setting::To)
            .map_err(|error| error.to_string()),
    }
}

fn durability(text: &str) -> Result<Durability, String> {
    Durability::from_str(text, false)
        .map_err(|_| "must be memory, fsync, replicated or default".to_owned())
}

fn partitions(text: &str) -> Result<i32, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=64).contains(number));
    number.ok_or_else(|| "must be 1 to 64".to_owned())
}

fn attempts(text: &str) -> Result<i32, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (1..=i64::from(MAX_ATTEMPTS)).contains(&i64::from(*number)))
        .ok_or_else(|| format!("must be 1 to {MAX_ATTEMPTS}"))
}

/// The states whose jobs can be purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PurgeState {
    Scheduled,
    Blocked,
    Waiting,
    Retrying,
    Completed,
    Failed,
    Cancelled,
}

impl From<PurgeState> for proto::JobState {
    fn from(state: PurgeState) -> Self {
        match state {
            PurgeState::Scheduled => Self::Scheduled,
            PurgeState::Blocked => Self::Blocked,
            PurgeState::Waiting => Self::Waiting,
            PurgeState::Retrying => Self::Retrying,
            PurgeState::Completed => Self::Completed,
            PurgeState::Failed => Self::Failed,
            PurgeState::Cancelled => Self::Cancelled,
        }
    }
}
