//! `submit`.

use std::time::Duration;

use clap::ValueEnum;
use jobflow::{MAX_ATTEMPTS, Priority, QueueName, proto};
use prost_types::Timestamp;

use super::shared::Payload;
use super::values::{duration, header, kind_or_stdin, timestamp};

/// Submit one job, or many from standard input.
///
/// With `-` as the kind, or with no kind and standard input not a terminal,
/// every line of standard input is a job:
/// {"kind":"resize","data":{"w":64},"queue":"images","delay":"5s"}.
/// Other fields are priority, run_at, start_within, start_before, max_attempts,
/// timeout, headers, tags, content_type, idempotency_key, on_conflict, key_scope
/// and durability; options given here are the defaults. One result per line is
/// printed, in order: the id, or with -o jsonl the verdict.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobflow-cli submit resize --data '{\"w\":64}' --queue images --delay 5m
  jobflow-cli submit resize --data-file job.json --wait -o json
  jobflow-cli submit report --tag eu --start-within 1h
  jobflow-cli submit report --idempotency-key monday --on-conflict reject
  jobflow-cli submit - --queue images < jobs.jsonl > ids.txt
  seq 1000 | jobflow-cli submit count --lines")]
pub(crate) struct Submit {
    /// The name that picks the handler; `-` reads jobs from standard input.
    #[arg(value_parser = kind_or_stdin)]
    pub(crate) kind: Option<String>,

    #[command(flatten)]
    pub(crate) payload: Payload,

    /// Submit a job of this kind for each line of standard input, which is its payload.
    #[arg(long, requires = "kind", conflicts_with_all = ["data", "data_file"])]
    pub(crate) lines: bool,

    #[command(flatten)]
    pub(crate) options: JobOptions,

    /// Return the job that already has this key instead of creating another.
    #[arg(long, value_name = "KEY", conflicts_with = "lines")]
    pub(crate) idempotency_key: Option<String>,

    /// Wait until the job is final, and print its result.
    #[arg(short, long, conflicts_with = "lines")]
    pub(crate) wait: bool,

    /// How long to wait for the job.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    #[arg(requires = "wait")]
    pub(crate) wait_timeout: Duration,
}

/// What can be said about a job, or about each job of a bulk submit.
#[derive(Debug, clap::Args)]
pub(crate) struct JobOptions {
    /// The queue it goes to [default: default].
    #[arg(short, long, value_name = "QUEUE")]
    pub(crate) queue: Option<QueueName>,

    /// 0 (runs first) to 9 [default: 5].
    #[arg(short, long, value_name = "BAND")]
    #[arg(value_parser = clap::value_parser!(i32).range(0..=i64::from(Priority::MAX)))]
    pub(crate) priority: Option<i32>,

    /// Run it no sooner than this long from now, for example 5m.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) delay: Option<Duration>,

    /// Run it no sooner than this, for example 2030-01-31T09:00:00+01:00.
    #[arg(long, value_name = "RFC3339", conflicts_with = "delay", value_parser = timestamp)]
    pub(crate) run_at: Option<Timestamp>,

    /// After how many errored attempts it fails [default: 3].
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=i64::from(MAX_ATTEMPTS)))]
    pub(crate) attempts: Option<i32>,

    /// How long one attempt may run [default: 30m].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) job_timeout: Option<Duration>,

    /// Metadata of your own; may be given more than once.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,

    /// A word by which the job is found; may be given more than once.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,

    /// Fail it with EXPIRED unless it starts within this long.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) start_within: Option<Duration>,

    /// Fail it with EXPIRED unless it starts before this.
    #[arg(long, value_name = "RFC3339", conflicts_with = "start_within")]
    #[arg(value_parser = timestamp)]
    pub(crate) start_before: Option<Timestamp>,

    /// What to do when a job has the idempotency key already
    /// [default: return-existing].
    #[arg(long, value_name = "RULE")]
    pub(crate) on_conflict: Option<OnConflict>,

    /// How long the job holds its idempotency key [default: kept].
    #[arg(long, value_name = "SCOPE")]
    pub(crate) key_scope: Option<KeyScope>,

    /// How safe the job is before it is acknowledged [default: as its queue says].
    #[arg(long, value_name = "CLASS")]
    pub(crate) durability: Option<Durability>,

    /// Media type of the payload.
    #[arg(long, value_name = "TYPE", default_value = jobflow::DEFAULT_CONTENT_TYPE)]
    pub(crate) content_type: String,
}

/// What a submit does when a job holds its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnConflict {
    /// Return that job, as a duplicate.
    ReturnExisting,
    /// Refuse the new job.
    Reject,
    /// Cancel and replace it if it has not started; else return it.
    ReplaceWaiting,
    /// Replace it even if it runs: it is asked to end.
    CancelActive,
}

/// How long a job holds its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyScope {
    /// Until the job is deleted, by hand or by retention.
    Kept,
    /// Until the job is final.
    Unfinished,
}

/// What has to have happened to a job before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// The store has it in memory.
    Memory,
    /// It is on the disk of the store.
    Fsync,
    /// Replicas of the store have it.
    Replicated,
}

impl From<Durability> for proto::Durability {
    fn from(class: Durability) -> Self {
        match class {
            Durability::Memory => Self::Memory,
            Durability::Fsync => Self::Fsync,
            Durability::Replicated => Self::Replicated,
        }
    }
}

impl From<OnConflict> for proto::OnConflict {
    fn from(rule: OnConflict) -> Self {
        match rule {
            OnConflict::ReturnExisting => Self::ReturnExisting,
            OnConflict::Reject => Self::Reject,
            OnConflict::ReplaceWaiting => Self::ReplaceWaiting,
            OnConflict::CancelActive => Self::CancelActive,
        }
    }
}

impl From<KeyScope> for proto::KeyScope {
    fn from(scope: KeyScope) -> Self {
        match scope {
            KeyScope::Kept => Self::Kept,
            KeyScope::Unfinished => Self::Unfinished,
        }
    }
}
