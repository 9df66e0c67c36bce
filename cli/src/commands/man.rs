use std::io;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::args::Args;
use crate::error::Result;
use crate::output::Output;

/// Prints the page of each command, one after the other, for `man -l -`.
pub(crate) fn run(output: &mut Output) -> Result<()> {
    let mut root = Args::command();
    root.build();
    let mut pages = Vec::new();
    render(&root, &mut pages)?;
    Ok(output.text(&String::from_utf8_lossy(&pages))?)
}

fn render(command: &clap::Command, pages: &mut Vec<u8>) -> io::Result<()> {
    Man::new(command.clone()).render(pages)?;
    let shown = |sub: &&clap::Command| !sub.is_hide_set() && sub.get_name() != "help";
    command
        .get_subcommands()
        .filter(shown)
        .try_for_each(|sub| render(sub, pages))
}
