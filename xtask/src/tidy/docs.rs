//! Documents that mirror the code say the same as the code.

use std::collections::BTreeSet;

use super::{Problem, Tree};

const ERRORS: &str = "docs/errors.md";
const CODES: &str = "src/error/code.rs";

/// A document, and the sources whose options it names. `cargo xtask reference`
/// compares more of the first, but needs the programs built.
const OPTIONS: [(&str, &[&str]); 2] = [
    ("docs/configuration.md", &["server/src/", "worker/src/"]),
    ("docs/cli.md", &["cli/src/"]),
];

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let mut problems = error_problems(tree);
    for (document, sources) in OPTIONS {
        problems.extend(option_problems(tree, document, sources));
    }
    problems
}

/// The words of `Code`: the strings of its `as_str`.
pub(super) fn codes(tree: &Tree) -> BTreeSet<String> {
    let text = tree.get(CODES).unwrap_or_default();
    let after = text.split_once("fn as_str").map_or("", |(_, after)| after);
    let body = after
        .split_once("\n    }\n")
        .map_or(after, |(body, _)| body);
    let words = body.split('"').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

fn error_problems(tree: &Tree) -> Vec<Problem> {
    let codes = codes(tree);
    let text = tree.get(ERRORS).unwrap_or_default();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let is_code =
        |word: &str| word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let explained: BTreeSet<String> = headings
        .map(|line| line.trim_matches(['#', ' ', '`']))
        .filter(|word| is_code(word))
        .map(str::to_owned)
        .collect();
    let missing = codes.difference(&explained);
    let unknown = explained.difference(&codes);
    let mut problems: Vec<Problem> = missing
        .map(|code| format!("{ERRORS}: no heading for {code} of {CODES}"))
        .collect();
    problems.extend(unknown.map(|code| format!("{ERRORS}: {code} is not a `Code` of {CODES}")));
    problems
}

fn option_problems(tree: &Tree, document: &str, sources: &[&str]) -> Vec<Problem> {
    let mut options = BTreeSet::new();
    for file in tree.ending(".rs") {
        if sources.iter().any(|start| file.path.starts_with(start)) {
            options.extend(clap_options(&file.text));
        }
    }
    let text = tree.get(document).unwrap_or_default();
    let mentioned = mentioned_options(text);
    let missing = options.difference(&mentioned);
    let mut problems: Vec<Problem> = missing
        .map(|option| format!("{document}: --{option} is not described"))
        .collect();
    // In a table the first cell of a row is an option of ours; in the text
    // there may be those of other programs.
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `--"));
    for row in rows {
        let end = row.find(|c: char| !is_option_char(c)).unwrap_or(row.len());
        let option = &row[..end];
        if !options.contains(option) {
            problems.push(format!("{document}: there is no option --{option}"));
        }
    }
    problems
}

/// The long names of a clap struct: `long = "x"`, or the name of the field.
fn clap_options(text: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for (at, start) in text.match_indices("#[arg(") {
        let Some((attribute, after)) = text[at + start.len()..].split_once(")]") else {
            continue;
        };
        let mut parts = attribute.split(',').map(str::trim);
        let Some(long) = parts.find(|part| *part == "long" || part.starts_with("long =")) else {
            continue;
        };
        let name = match long.split('"').nth(1) {
            Some(explicit) => explicit.to_owned(),
            None => field_name(after).replace('_', "-"),
        };
        options.insert(name);
    }
    options
}

/// The field behind an attribute: comments and other attributes may follow.
fn field_name(after: &str) -> String {
    let mut names = after.lines().filter_map(|line| {
        let (before, behind) = line.trim().split_once(':')?;
        let name = before.split_whitespace().last()?;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_field = is_name && !before.starts_with(['#', '/']) && !behind.starts_with(':');
        is_field.then(|| name.to_owned())
    });
    names.next().unwrap_or_default()
}

fn mentioned_options(text: &str) -> BTreeSet<String> {
    let pieces = text.split("--").skip(1);
    let names = pieces.map(|piece| {
        let end = piece
            .find(|c: char| !is_option_char(c))
            .unwrap_or(piece.len());
        piece[..end].to_owned()
    });
    names.filter(|name| !name.is_empty()).collect()
}

const fn is_option_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "    pub const fn as_str(self) -> &'static str {\n        match self {\n            \
         Self::LeaseLost => \"LEASE_LOST\",\n            Self::Internal => \"INTERNAL\",\n        }\n    }\n\
         fn other() { \"MORE\" }";

    #[test]
    fn errors_md_has_a_heading_for_each_code_and_no_other() {
        let told = |text: &str| problems(&Tree::of(&[(CODES, CODE), (ERRORS, text)]));
        assert!(told("# Errors\n\n## `LEASE_LOST`\n\n## INTERNAL\n").is_empty());
        assert!(told("## LEASE_LOST\n")[0].contains("INTERNAL"));
        assert!(told("## LEASE_LOST\n## INTERNAL\n## QUEUE_FULL\n")[0].contains("QUEUE_FULL"));
    }

    #[test]
    fn options_and_their_document_agree() {
        let config = "#[arg(long, env = \"JOBFLOW_REDIS_URL\")]\npub redis: String,\n\
             #[arg(\n    long = \"log-format\",\n    value_enum\n)]\n#[serde(default)]\nformat: Format,\n\
             /// Beat.\n#[arg(long, value_name = \"TIME\")]\n#[arg(value_parser = a::b)]\npub lease_time: u8,\n#[arg(short)]\nx: u8,\n";
        let told = |text: &str| {
            problems(&Tree::of(&[
                ("server/src/config.rs", config),
                ("docs/configuration.md", text),
            ]))
        };
        let all =
            "| `--redis URL` | x |\n| `--log-format` | x |\nand --lease-time, as curl --fail\n";
        assert!(told(all).is_empty(), "{:?}", told(all));
        assert!(told(&all.replace("--lease-time", ""))[0].contains("--lease-time"));
        assert!(told(&format!("{all}| `--gone` | x |"))[0].contains("--gone"));
    }
}
