//! `bulk`.

use clap::Subcommand;
use jobflow::JobId;

use super::shared::Consent;
use super::values::{narrow_filter, rate};

/// Change many jobs.
///
/// The server does it in the background, in small steps; another one goes on
/// with it when the server dies.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  jobflow-cli bulk cancel --filter 'state = waiting' --dry-run
  jobflow-cli bulk list")]
pub(crate) enum Bulk {
    /// Call jobs off. Active ones are asked to end.
    #[command(after_help = "\
Examples:
  jobflow-cli bulk cancel --filter 'state = waiting' --dry-run
  jobflow-cli bulk cancel --filter 'tags:campaign-7' --reason 'wrong list' --yes")]
    Cancel(BulkChange),
    /// Run final jobs again, and retrying ones at once.
    #[command(after_help = "\
Examples:
  jobflow-cli bulk retry --filter 'error_code = TIMEOUT' --rate 50 --yes --wait")]
    Retry(BulkChange),
    /// Delete jobs and all that is stored of them. Active ones are left alone.
    #[command(after_help = "\
Examples:
  jobflow-cli bulk delete 0198c0de-0000-7000-8000-000000000000 --yes
  jobflow-cli bulk delete --filter 'state = completed' --yes --wait")]
    Delete(BulkChange),
    /// Let scheduled and retrying jobs wait now.
    #[command(after_help = "\
Examples:
  jobflow-cli bulk promote --filter 'state = retrying' --yes")]
    Promote(BulkChange),
    /// List the bulk operations of the last days, newest first.
    #[command(after_help = "\
Examples:
  jobflow-cli bulk list")]
    List {
        /// How many at the most; 0 lists all.
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Show how far a bulk operation has come.
    #[command(after_help = "\
Examples:
  jobflow-cli bulk get b-1
  jobflow-cli bulk get b-1 --wait")]
    Get {
        id: String,
        /// Wait until it is done.
        #[arg(long)]
        wait: bool,
    },
    /// Stop a bulk operation where it is. What is done stays done.
    #[command(after_help = "\
Examples:
  jobflow-cli bulk stop b-1")]
    Stop { id: String },
}

/// Which jobs are changed, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct BulkChange {
    /// These jobs, at most 1,000.
    #[arg(value_name = "ID", required_unless_present = "filter", num_args = 1..=1_000)]
    pub(crate) ids: Vec<JobId>,

    /// Those of this filter, as for `job list`.
    #[arg(short, long, value_name = "FILTER", conflicts_with = "ids")]
    #[arg(value_parser = narrow_filter)]
    pub(crate) filter: Option<String>,

    /// Jobs a second, at the most [default: as fast as it goes].
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// Kept with the operation, and with jobs that are cancelled.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) reason: String,

    /// Wait until it is done.
    #[arg(long)]
    pub(crate) wait: bool,

    #[command(flatten)]
    pub(crate) consent: Consent,
}
