//! `job`.

use std::time::Duration;

use clap::Subcommand;
use jobflow::{JobId, MAX_ATTEMPTS, Priority};
use prost_types::Timestamp;

use super::shared::{Consent, Listing, Payload, Refresh};
use super::values::{duration, timestamp};

/// Look at jobs and change them.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  jobflow-cli job list --filter 'state = active' --watch
  jobflow-cli job explain 0198c0de-0000-7000-8000-000000000000")]
pub(crate) enum Job {
    /// Show a job, with its attempts.
    #[command(after_help = "\
Examples:
  jobflow-cli job get 0198c0de-0000-7000-8000-000000000000
  jobflow-cli job get 0198c0de-0000-7000-8000-000000000000 -o json")]
    Get {
        id: JobId,
    },
    /// List jobs.
    #[command(after_help = "\
Examples:
  jobflow-cli job list --filter 'state = failed' --order-by 'finish_time desc'
  jobflow-cli job list --filter 'tags:eu AND attempt > 1' --limit 0 -o id
  jobflow-cli job list --filter 'state = active' --watch")]
    List {
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        refresh: Refresh,
    },
    /// Count jobs.
    #[command(after_help = "\
Examples:
  jobflow-cli job count
  jobflow-cli job count --filter 'state = failed AND error_code = TIMEOUT'")]
    Count {
        /// Which jobs, as for `job list`.
        #[arg(short, long, value_name = "FILTER", default_value = "")]
        filter: String,
    },
    /// Wait until a job is final, and show it.
    ///
    /// Exits with 7 when it failed or was cancelled, with 8 when --timeout
    /// passed first.
    #[command(after_help = "\
Examples:
  jobflow-cli job wait 0198c0de-0000-7000-8000-000000000000 --timeout 5m")]
    Wait {
        id: JobId,
    },
    /// Follow a job: its state, progress, log lines and result.
    ///
    /// Exits with 7 when it failed or was cancelled.
    #[command(after_help = "\
Examples:
  jobflow-cli job watch 0198c0de-0000-7000-8000-000000000000
  jobflow-cli job watch 0198c0de-0000-7000-8000-000000000000 -o jsonl")]
    Watch {
        id: JobId,
    },
    /// Print what handlers logged for a job.
    #[command(after_help = "\
Examples:
  jobflow-cli job logs 0198c0de-0000-7000-8000-000000000000")]
    Logs {
        id: JobId,
    },
    /// Call a job off. One that is active is asked to end.
    ///
    /// `bulk cancel` calls many off.
    #[command(after_help = "\
Examples:
  jobflow-cli job cancel 0198c0de-0000-7000-8000-000000000000 --reason 'twice'")]
    Cancel {
        id: JobId,
        /// Kept with the job.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Run a final job again, or a retrying one at once.
    #[command(after_help = "\
Examples:
  jobflow-cli job retry 0198c0de-0000-7000-8000-000000000000
  jobflow-cli job retry 0198c0de-0000-7000-8000-000000000000 --data '{\"w\":32}'")]
    Retry {
        id: JobId,
        #[command(flatten)]
        payload: Payload,
        /// Media type of the new payload [default: as before].
        #[arg(long, value_name = "TYPE")]
        content_type: Option<String>,
    },
    /// Let a scheduled or retrying job wait now.
    #[command(after_help = "\
Examples:
  jobflow-cli job promote 0198c0de-0000-7000-8000-000000000000")]
    Promote {
        id: JobId,
    },
    Edit(Box<Edit>),
    /// Delete a job and all that is stored of it.
    #[command(after_help = "\
Examples:
  jobflow-cli job delete 0198c0de-0000-7000-8000-000000000000 --dry-run
  jobflow-cli job delete 0198c0de-0000-7000-8000-000000000000 --yes")]
    Delete {
        id: JobId,
        /// Also while it is active: whatever its worker says of it is refused.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Say why a job is not running.
    #[command(after_help = "\
Examples:
  jobflow-cli job explain 0198c0de-0000-7000-8000-000000000000")]
    Explain {
        id: JobId,
    },
}

/// Change a job that has not started.
///
/// Refused when somebody else changes it in between.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
#[command(after_help = "\
Examples:
  jobflow-cli job edit 0198c0de-0000-7000-8000-000000000000 --priority 0 --delay 10m
  jobflow-cli job edit 0198c0de-0000-7000-8000-000000000000 --tag eu --tag urgent")]
pub(crate) struct Edit {
    pub(crate) id: JobId,

    /// 0 (runs first) to 9.
    #[arg(short, long, value_name = "BAND", group = "change")]
    #[arg(value_parser = clap::value_parser!(i32).range(0..=i64::from(Priority::MAX)))]
    pub(crate) priority: Option<i32>,

    /// Run it no sooner than this.
    #[arg(long, value_name = "RFC3339", group = "change", value_parser = timestamp)]
    pub(crate) run_at: Option<Timestamp>,

    /// Run it no sooner than this long from now.
    #[arg(long, value_name = "DURATION", group = "change", value_parser = duration)]
    #[arg(conflicts_with = "run_at")]
    pub(crate) delay: Option<Duration>,

    /// The new payload, as JSON unless its content type says otherwise.
    #[arg(short, long, value_name = "JSON", group = "change")]
    pub(crate) data: Option<String>,

    /// Read the new payload from a file; `-` is standard input.
    #[arg(long, value_name = "FILE", group = "change", conflicts_with = "data")]
    pub(crate) data_file: Option<std::path::PathBuf>,

    /// Media type of the new payload [default: as before].
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,

    /// After how many errored attempts it fails.
    #[arg(long, value_name = "N", group = "change")]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=i64::from(MAX_ATTEMPTS)))]
    pub(crate) attempts: Option<i32>,

    /// Replaces all its tags; may be given more than once.
    #[arg(long = "tag", value_name = "TAG", group = "change")]
    pub(crate) tags: Vec<String>,

    /// Take all its tags away.
    #[arg(long, group = "change", conflicts_with = "tags")]
    pub(crate) no_tags: bool,
}
