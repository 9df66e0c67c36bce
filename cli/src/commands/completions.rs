use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::error::Result;
use crate::output::Output;

pub(crate) fn run(shell: Shell, output: &mut Output) -> Result<()> {
    // Into memory first: the generator panics when a pipe closes under it.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "jobflow-cli", &mut script);
    Ok(output.text(&String::from_utf8_lossy(&script))?)
}
