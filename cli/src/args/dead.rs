//! `dead`.

use clap::Subcommand;
use jobflow::JobId;

use super::shared::{Consent, Listing, Refresh};
use super::values::rate;

/// Look at the failed jobs and run them again.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  jobflow-cli dead groups
  jobflow-cli dead replay --group 5f3a9c --rate 50")]
pub(crate) enum Dead {
    /// List failed jobs.
    #[command(after_help = "\
Examples:
  jobflow-cli dead list --filter 'queue = mail' --order-by 'finish_time desc'
  jobflow-cli dead list --filter 'fingerprint = 5f3a9c' -o id")]
    List {
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        refresh: Refresh,
    },
    /// Group the failed jobs by what they failed of.
    #[command(after_help = "\
Examples:
  jobflow-cli dead groups
  jobflow-cli dead groups --filter 'queue = mail' -o json")]
    Groups {
        /// Which of the failed jobs, as for `job list`.
        #[arg(short, long, value_name = "FILTER", default_value = "")]
        filter: String,
    },
    Replay(Replay),
}

/// Run failed jobs again: one, a group of them, or all.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
#[command(after_help = "\
Examples:
  jobflow-cli dead replay 0198c0de-0000-7000-8000-000000000000
  jobflow-cli dead replay --group 5f3a9c --rate 50 --wait
  jobflow-cli dead replay --all --filter 'queue = mail' --yes")]
pub(crate) struct Replay {
    #[arg(group = "which")]
    pub(crate) id: Option<JobId>,

    /// Those of this fingerprint, as `dead groups` shows it.
    #[arg(long, value_name = "FINGERPRINT", group = "which")]
    pub(crate) group: Option<String>,

    /// All of them.
    #[arg(long, group = "which")]
    pub(crate) all: bool,

    /// Narrows --group and --all, as for `job list`.
    #[arg(
        short,
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true
    )]
    #[arg(conflicts_with = "id")]
    pub(crate) filter: String,

    /// Jobs a second, at the most [default: as fast as it goes].
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// Wait until it is done.
    #[arg(long)]
    pub(crate) wait: bool,

    #[command(flatten)]
    pub(crate) consent: Consent,
}
