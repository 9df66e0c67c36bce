//! `worker`.

use clap::Subcommand;
use jobflow::QueueName;

use super::shared::Refresh;

/// Look at workers and tell them things.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  jobflow-cli worker list --queue mail")]
pub(crate) enum Worker {
    /// List the workers that have beaten lately.
    #[command(after_help = "\
Examples:
  jobflow-cli worker list
  jobflow-cli worker list --queue mail --watch")]
    List {
        /// Only those that claim from this queue.
        #[arg(short, long, value_name = "QUEUE")]
        queue: Option<QueueName>,
        #[command(flatten)]
        refresh: Refresh,
    },
    /// Show a worker with the jobs it runs.
    #[command(after_help = "\
Examples:
  jobflow-cli worker get web-1-4711")]
    Get { worker: String },
    /// Let a worker claim nothing more; what runs goes on.
    #[command(after_help = "\
Examples:
  jobflow-cli worker quiet web-1-4711")]
    Quiet { worker: String },
    /// Let a quiet worker claim again.
    #[command(after_help = "\
Examples:
  jobflow-cli worker resume web-1-4711")]
    Resume { worker: String },
    /// End a worker as SIGTERM does: running jobs may end within its grace.
    #[command(after_help = "\
Examples:
  jobflow-cli worker stop web-1-4711")]
    Stop { worker: String },
}
