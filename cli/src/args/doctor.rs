/// Check the server, its store and every job.
///
/// Exits with 1 when there is something to mend.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobflow-cli doctor
  jobflow-cli doctor --fix
  jobflow-cli doctor -o json")]
pub(crate) struct Doctor {
    /// Mend what is damaged in the store, job by job, and tell what was done.
    ///
    /// Safe while workers and producers go on. Jobs whose record can not be
    /// read are set aside to `failed`.
    #[arg(long)]
    pub(crate) fix: bool,
}
