//! Links between the documents lead somewhere.

use super::{File, Problem, Tree};
use crate::util;

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let exists = |path: &str| tree.get(path).is_some() || util::root().join(path).exists();
    let documents = tree.ending(".md");
    documents
        .flat_map(|file| dead_links(file, exists))
        .collect()
}

fn dead_links(file: &File, exists: impl Fn(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in file.lines() {
        for piece in line.split("](").skip(1) {
            let target = piece.split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains(':') {
                continue;
            }
            if !exists(&resolve(&file.path, target)) {
                problems.push(format!("{}:{number}: {target} does not exist", file.path));
            }
        }
    }
    problems
}

/// The path from the top that a link in `document` leads to.
fn resolve(document: &str, target: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nowhere_is_found() {
        let file = File {
            path: "docs/api.md".to_owned(),
            text: "[a](errors.md#x), [b](../README.md)\n[c](gone.md) [d](https://x.y) [e](#f)"
                .to_owned(),
        };
        let there = ["docs/errors.md", "README.md"];
        let found = dead_links(&file, |path| there.contains(&path));
        assert_eq!(found, ["docs/api.md:2: gone.md does not exist"]);
    }
}
