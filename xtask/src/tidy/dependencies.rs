//! Every dependency has its reason in `docs/dependencies.md`.

use std::collections::BTreeSet;

use super::{Problem, Tree};

const REASONS: &str = "docs/dependencies.md";

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let (mut used, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for manifest in tree.ending("Cargo.toml") {
        // The systems that JobFlow is compared with are no part of it.
        if manifest.path.starts_with("benches/peers/") {
            continue;
        }
        used.extend(names(&manifest.text, |table| {
            !table.starts_with("workspace")
        }));
        shared.extend(names(&manifest.text, |table| {
            table.starts_with("workspace")
        }));
    }
    let explained = explained(tree.get(REASONS).unwrap_or_default());
    let missing = used.difference(&explained);
    let stale = explained.difference(&used);
    let mut problems: Vec<Problem> = missing
        .map(|name| format!("{REASONS}: no reason is given for `{name}`"))
        .collect();
    let unused = shared.difference(&used);
    problems.extend(unused.map(|name| format!("Cargo.toml: no package uses `{name}`")));
    problems.extend(stale.map(|name| format!("{REASONS}: `{name}` is not a dependency")));
    problems
}

/// The names in the wanted dependency tables of a manifest, without our own
/// packages.
fn names(manifest: &str, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside = table.ends_with("dependencies") && is_wanted(table);
            if let Some((_, name)) = table.split_once("dependencies.")
                && is_wanted(table)
            {
                names.insert(name.to_owned());
            }
        } else if inside && line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            names.insert(line[..end].to_owned());
        }
    }
    names.retain(|name| !name.starts_with("jobflow"));
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

    #[test]
    fn a_shared_dependency_that_nobody_uses_is_found() {
        let shared = "[workspace.dependencies]\nbytes = \"1\"\nbb8 = \"0.9\"\n";
        let user = "[dependencies]\nbytes.workspace = true\n";
        let reasons = "| `bytes` | why |\n";
        let found = problems(&Tree::of(&[
            ("Cargo.toml", shared),
            ("server/Cargo.toml", user),
            (REASONS, reasons),
        ]));
        assert_eq!(found, ["Cargo.toml: no package uses `bb8`"]);
    }
}
