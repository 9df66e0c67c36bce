//! Options that several commands have.

use std::path::PathBuf;
use std::time::Duration;

use super::values::duration;

/// The payload of a job.
#[derive(Debug, clap::Args)]
pub(crate) struct Payload {
    /// The payload, as JSON unless its content type says otherwise.
    #[arg(short, long, value_name = "JSON")]
    pub(crate) data: Option<String>,

    /// Read the payload from a file; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    pub(crate) data_file: Option<PathBuf>,
}

/// Which jobs are listed, and how many.
#[derive(Debug, clap::Args)]
pub(crate) struct Listing {
    /// Which jobs, for example `queue = mail AND state = failed AND tags:eu`.
    /// docs/api.md has the grammar.
    #[arg(short, long, value_name = "FILTER", default_value = "")]
    pub(crate) filter: String,

    /// `finish_time`, `finish_time desc` and the like, where the filter allows
    /// exactly one state: also `run_time`, `position`, `lease_expire_time`.
    #[arg(long, value_name = "FIELD", default_value = "")]
    pub(crate) order_by: String,

    /// How many at the most; 0 lists all.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

/// Whether a list is shown again and again.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Refresh {
    /// Go on showing it as it changes, until interrupted. Where the output is
    /// no terminal, a JSON line is printed for whatever is new or changed.
    #[arg(short, long)]
    pub(crate) watch: bool,

    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    #[arg(requires = "watch")]
    pub(crate) interval: Duration,
}

/// For commands that can not be undone.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Consent {
    /// Do not ask; needed where nobody can be asked.
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Only tell how many it would be.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}
