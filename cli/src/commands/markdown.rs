use clap::{Command, CommandFactory};

use crate::args::Args;
use crate::error::Result;
use crate::output::Output;

const WIDTH: usize = 90;
const INTRODUCTION: &str = "\
# jobflow-cli

Everything that can be typed, as the program itself says it with `--help`; the global options, which go with every command, are shown once.
This page is printed by `jobflow-cli markdown`, and a test compares the two.

The result of a command goes to standard output, everything else to standard error.
`-o json` and `-o jsonl` name fields as `proto/jobflow/v1/` does; errors are then JSON too.
Colour and progress appear on a terminal only.

What can not be undone asks on a terminal and names how many jobs it would be; where nobody can be asked it needs `--yes`, and `--dry-run` only tells the count.
A command whose output nobody reads any more, as in `… | head`, ends quietly.
";

pub(crate) fn run(output: &mut Output) -> Result<()> {
    Ok(output.text(&page())?)
}

fn page() -> String {
    let mut root = Args::command();
    root.build();
    let mut page = INTRODUCTION.to_owned();
    add(&root, "jobflow-cli", &mut page);
    page
}

fn add(command: &Command, name: &str, page: &mut String) {
    let mut shown = command.clone().term_width(WIDTH);
    if name.contains(' ') {
        shown = shown.mut_args(|arg| {
            let hide = arg.is_global_set();
            arg.hide(hide)
        });
    }
    let help = shown.render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    *page += &format!(
        "\n## {name}\n\n```text\n{}\n```\n",
        lines.join("\n").trim_end()
    );
    for sub in command.get_subcommands() {
        if !sub.is_hide_set() && sub.get_name() != "help" {
            add(sub, &format!("{name} {}", sub.get_name()), page);
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
