//! Every dependency has its reason in `docs/dependencies.md`.

use std::collections::BTreeSet;

use super::{Problem, Tree};

const REASONS: &str = "docs/dependencies.md";

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let mut used = BTreeSet::new();
    for manifest in tree.ending("Cargo.toml") {
        for name in names(&manifest.text) {
            if !name.starts_with("jobflow") {
                used.insert(name);
            }
        }
    }
    let explained = explained(tree.get(REASONS).unwrap_or_default());
    let missing = used.difference(&explained);
    let stale = explained.difference(&used);
    let mut problems: Vec<Problem> = missing
        .map(|name| format!("{REASONS}: no reason is given for `{name}`"))
        .collect();
    problems.extend(stale.map(|name| format!("{REASONS}: `{name}` is not a dependency")));
    problems
}

/// The names in the dependency tables of a manifest.
fn names(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside = table.ends_with("dependencies");
            if let Some((_, name)) = table.split_once("dependencies.") {
                names.insert(name.to_owned());
            }
        } else if inside && line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            names.insert(line[..end].to_owned());
        }
    }
    names
}

/// The names in the first column of the tables: a row may name several.
fn explained(text: &str) -> BTreeSet<String> {
    let cells = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let names = cells.flat_map(|cell| cell.split(','));
    names
        .map(|name| name.trim_matches([' ', '`']).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"x\"\n\n[dependencies]\nbytes.workspace = true\n\
         jobflow = { path = \".\" }\nserde = \"1\"\n[target.'cfg(unix)'.dependencies]\nrustix = \"1\"\n\
         [features]\ndefault = []\n[dev-dependencies.tempfile]\nversion = \"3\"\n";

    #[test]
    fn a_dependency_without_a_reason_is_found_and_so_is_a_stale_reason() {
        let reasons = "| `bytes`, `serde` | why |\n| `rustix` | why |\n| `rand` | why |\n";
        let found = problems(&Tree::of(&[
            ("server/Cargo.toml", MANIFEST),
            (REASONS, reasons),
        ]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`tempfile`") && found[1].contains("`rand`"));
    }
}
