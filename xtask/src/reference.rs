//! `cargo xtask reference`: the tables of options in `docs/configuration.md`, as
//! the programs themselves tell their options.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::util::{self, say};

pub(crate) const HELP: &str = "\
Usage: cargo xtask reference [--check]

Builds jobflow-server and jobflow-worker, and writes the tables of their options
in docs/configuration.md: names, variables and defaults as the programs tell
them, in their order. What an option means stays as it is written there; a new
one begins with the words of the program.

  --check  only fail where something would be written";

const DOCUMENT: &str = "docs/configuration.md";
/// Programs, and whether their options are in a file as well.
const PROGRAMS: [(&str, bool); 2] = [("jobflow-server", true), ("jobflow-worker", false)];
/// Of every program, and explained by itself.
const COMMON: [&str; 2] = ["help", "version"];

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let checks = match arguments {
        [] => false,
        [one] if one == "--check" => true,
        _ => bail!("expected --check or nothing"),
    };
    // As `cargo xtask test` builds them, so that nothing is built twice.
    util::run(util::cargo().args(["build", "--locked", "--workspace", "--bins", "--tests"]))?;
    compare(!checks)
}

/// Fails where the document is not as the programs that were built say.
pub(crate) fn check() -> Result<()> {
    compare(false)
}

fn compare(writes: bool) -> Result<()> {
    let path = util::root().join(DOCUMENT);
    let old = fs::read_to_string(&path).with_context(|| format!("reading {DOCUMENT}"))?;
    let mut new = old.clone();
    for (program, has_file) in PROGRAMS {
        let flags = flags(&help_of(program)?);
        new = with_table(&new, program, has_file, &flags)?;
    }
    if new == old {
        say(&format!("{DOCUMENT} tells the options as they are"));
        return Ok(());
    }
    ensure!(
        writes,
        "{DOCUMENT} does not tell the options as they are: run `cargo xtask reference`"
    );
    fs::write(&path, new)?;
    say(&format!("wrote {DOCUMENT}"));
    Ok(())
}

fn help_of(program: &str) -> Result<String> {
    let binary = util::target_dir()?.join("debug").join(program);
    let output = Command::new(&binary)
        .arg("--help")
        .output()
        .with_context(|| format!("{} does not start", binary.display()))?;
    ensure!(output.status.success(), "{program} --help failed");
    Ok(String::from_utf8(output.stdout)?)
}

/// An option as the program tells it.
#[derive(Debug, PartialEq, Eq, Default)]
struct Flag {
    name: String,
    value: Option<String>,
    variable: Option<String>,
    default: Option<String>,
    means: String,
}

/// Reads what clap prints, however it breaks the lines.
fn flags(help: &str) -> Vec<Flag> {
    let options = help.split_once("\nOptions:\n").map_or("", |(_, rest)| rest);
    // Each begins on a line of its own, after a short form where it has one.
    let mut told: Vec<String> = Vec::new();
    for line in options.lines() {
        let line = line.trim();
        let begins = line.starts_with("--") || (line.starts_with('-') && line.contains(", --"));
        match told.last_mut() {
            Some(last) if !begins => {
                last.push(' ');
                last.push_str(line);
            }
            _ => told.push(line.to_owned()),
        }
    }
    let flags = told.iter().filter_map(|told| flag(told));
    flags
        .filter(|flag| !COMMON.contains(&flag.name.as_str()))
        .collect()
}

fn flag(told: &str) -> Option<Flag> {
    let (_, told) = told.split_once("--")?;
    let mut words = told.split_whitespace();
    let name = words.next()?.to_owned();
    let mut words = words.peekable();
    let value = words.next_if(|word| word.starts_with('<'));
    let value = value.map(|word| word.trim_matches(['<', '>']).to_owned());
    let mut means = words.collect::<Vec<_>>().join(" ");
    let variable = take(&mut means, "[env: ");
    let default = take(&mut means, "[default: ");
    take(&mut means, "[possible values: ");
    Some(Flag {
        name,
        value,
        // With what the environment says at the moment.
        variable: variable.map(|told| told.split('=').next().unwrap_or_default().to_owned()),
        default,
        means,
    })
}

/// Takes a note in brackets out of a text.
fn take(text: &mut String, begin: &str) -> Option<String> {
    let at = text.find(begin)?;
    let length = text[at..].find(']')?;
    let note = text[at + begin.len()..at + length].to_owned();
    text.replace_range(at..=at + length, "");
    *text = text.trim_end().trim_end_matches(" .").to_owned();
    Some(note)
}

/// The document with this table in the section of the program.
fn with_table(text: &str, program: &str, has_file: bool, flags: &[Flag]) -> Result<String> {
    let section = format!("\n## {program}\n");
    let begin = text
        .find(&section)
        .with_context(|| format!("{DOCUMENT} has no section {program}"))?;
    let begin = begin + section.len();
    let at = text[begin..].find("| Flag |").map(|at| begin + at);
    let at = at.with_context(|| format!("{DOCUMENT} has no table of {program}"))?;
    let end = text[at..].find("\n\n").map_or(text.len(), |end| at + end);
    let meanings = meanings(&text[at..end]);
    Ok([
        &text[..at],
        &table(flags, has_file, &meanings),
        &text[end..],
    ]
    .concat())
}

/// What stands last in the rows of a table, by option.
fn meanings(table: &str) -> BTreeMap<&str, &str> {
    let rows = table.lines().filter_map(|row| row.strip_prefix("| `--"));
    let cells = rows.filter_map(|row| {
        let name = row.split(['`', ' ']).next()?;
        let last = row.trim_end_matches([' ', '|']).rsplit(" | ").next()?;
        Some((name, last))
    });
    cells.collect()
}

fn table(flags: &[Flag], has_file: bool, meanings: &BTreeMap<&str, &str>) -> String {
    let head = if has_file {
        "| Flag | Environment | In the file | Default | Means |\n|---|---|---|---|---|"
    } else {
        "| Flag | Environment | Default | Means |\n|---|---|---|---|"
    };
    let mut lines = vec![head.to_owned()];
    for flag in flags {
        let name = &flag.name;
        let spelled = flag.value.as_ref().map_or_else(
            || format!("`--{name}`"),
            |value| format!("`--{name} {value}`"),
        );
        let code = |text: &str| format!("`{text}`");
        let nothing = || "–".to_owned();
        let variable = flag.variable.as_deref().map_or_else(nothing, code);
        let file = match (has_file, name.as_str()) {
            (false, _) => String::new(),
            // The file can not name itself.
            (true, "config") => "– | ".to_owned(),
            (true, name) => format!("`{}` | ", name.replace('-', "_")),
        };
        let default = match (&flag.default, &flag.value) {
            (Some(default), _) if default.contains(' ') => default.clone(),
            (Some(default), _) => code(default),
            (None, Some(_)) => "none".to_owned(),
            (None, None) => "off".to_owned(),
        };
        let told = || format!("{}.", flag.means.trim_end_matches('.'));
        let means = meanings.get(name.as_str());
        let means = means.map_or_else(told, |&means| means.to_owned());
        lines.push(format!(
            "| {spelled} | {variable} | {file}{default} | {means} |"
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "Serves\n\nUsage: x [OPTIONS]\n\nOptions:\n      \
        --redis <URL>\n          The Redis server [default: redis://h/]\n          \n          \
        [env: X_REDIS]\n\n      --off-switch         Stop it [env:\n                           \
        X_OFF=1]\n      --limit <N>  How many [default:\n          64 in all] [possible values: a, b]\n  \
        -c, --config <FILE>  A file\n  -h, --help  Print help\n  -V, --version  Print version\n";
    const TEXT: &str = "# C\n\n## x\n\nWords.\n\n| Flag | Environment | Default | Means |\n|---|---|---|---|\n\
        | `--redis URL` | – | old | Ours, [see](a.md), `a`. |\n| `--gone` | – | – | Gone. |\n\nMore.\n\n## y\n";

    #[test]
    fn options_are_read_however_the_lines_break() {
        let flags = flags(HELP);
        let names: Vec<_> = flags.iter().map(|flag| flag.name.as_str()).collect();
        assert_eq!(names, ["redis", "off-switch", "limit", "config"]);
        let redis = Flag {
            name: "redis".to_owned(),
            value: Some("URL".to_owned()),
            variable: Some("X_REDIS".to_owned()),
            default: Some("redis://h/".to_owned()),
            means: "The Redis server".to_owned(),
        };
        assert_eq!(flags[0], redis);
        assert_eq!(flags[1].variable.as_deref(), Some("X_OFF"));
        assert_eq!(flags[2].default.as_deref(), Some("64 in all"));
        assert_eq!(
            (flags[2].means.as_str(), flags[1].means.as_str()),
            ("How many", "Stop it")
        );
    }

    #[test]
    fn a_table_is_told_by_the_program_and_explained_by_hand() {
        let flags = flags(HELP);
        let new = with_table(TEXT, "x", false, &flags).unwrap();
        let rows = "|---|---|---|---|\n\
            | `--redis URL` | `X_REDIS` | `redis://h/` | Ours, [see](a.md), `a`. |\n\
            | `--off-switch` | `X_OFF` | off | Stop it. |\n\
            | `--limit N` | – | 64 in all | How many. |\n\
            | `--config FILE` | – | none | A file. |\n\nMore.\n";
        assert!(new.contains(rows), "{new}");
        assert!(!new.contains("--gone"));
        assert_eq!(with_table(&new, "x", false, &flags).unwrap(), new);
        assert!(with_table(&new, "z", false, &flags).is_err());
    }
}
