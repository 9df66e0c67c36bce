use clap::{Command, CommandFactory};

use crate::args::Args;
use crate::error::Result;
use crate::output::Output;

const WIDTH: usize = 90;
const INTRODUCTION: &str = "\
# jobflow-cli

Everything that can be typed, as the program itself says it with `--help`.
This page is printed by `jobflow-cli markdown`, and a test compares the two.

The result of a command goes to standard output, everything else to standard error.
`-o json` and `-o jsonl` name fields as `proto/jobflow/v1/` does; errors are then JSON too.
Colour and progress appear on a terminal only.
";

pub(crate) fn run(output: &mut Output) -> Result<()> {
    Ok(output.text(&page())?)
}

fn page() -> String {
    let mut root = Args::command().term_width(WIDTH);
    root.build();
    let mut page = INTRODUCTION.to_owned();
    add(&mut root, "jobflow-cli", &mut page);
    page
}

fn add(command: &mut Command, name: &str, page: &mut String) {
    let help = command
        .clone()
        .term_width(WIDTH)
        .render_long_help()
        .to_string();
    let lines = help
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n");
    *page += &format!("\n## {name}\n\n```text\n{lines}\n```\n");
    for sub in command.get_subcommands_mut() {
        if !sub.is_hide_set() && sub.get_name() != "help" {
            let name = format!("{name} {}", sub.get_name());
            add(sub, &name, page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_disk_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
        let on_disk = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            on_disk == page(),
            "docs/cli.md is stale: run `cargo run -p jobflow-cli -- markdown > docs/cli.md`"
        );
    }
}
