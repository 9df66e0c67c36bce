/// List who did what, the newest first.
///
/// Calls that are open to operators or admins alone, and calls that were refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobflow-cli audit
  jobflow-cli audit -n 0 -o jsonl")]
pub(crate) struct Audit {
    /// How many at the most; 0 lists all that are kept.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}
