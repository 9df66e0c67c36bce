//! A document that names a test, in a column `Test` of a table, names one that
//! there is.

use std::collections::BTreeSet;

use super::{File, Problem, Tree};

const COLUMN: &str = "Test";

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let functions: BTreeSet<&str> = tree
        .ending(".rs")
        .flat_map(|file| file.text.split("fn ").skip(1))
        .filter_map(|rest| rest.split_once('(').map(|(name, _)| name))
        .collect();
    let documents = tree.ending(".md");
    documents
        .flat_map(|file| unknown_tests(file, &functions))
        .collect()
}

fn unknown_tests(file: &File, functions: &BTreeSet<&str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut column = None;
    for (number, line) in file.lines() {
        let Some(row) = line.strip_prefix('|') else {
            column = None;
            continue;
        };
        let mut cells = row.split('|').map(str::trim);
        let Some(column) = column else {
            column = Some(cells.position(|cell| cell == COLUMN));
            continue;
        };
        let cell = column.and_then(|at| cells.nth(at)).unwrap_or_default();
        let names = cell.split('`').skip(1).step_by(2);
        let unknown = names.filter(|name| !functions.contains(name));
        problems
            .extend(unknown.map(|name| format!("{}:{number}: there is no test {name}", file.path)));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_not_there_is_found() {
        let table = "| What | Test |\n|---|---|\n| a | `it_holds`, `it_is_gone` |\n| `b` | none |\n\n\
                     | Other |\n|---|\n| `no_test` |\n";
        let tree = Tree::of(&[
            ("docs/testing.md", table),
            ("tests/it/a.rs", "async fn it_holds() {}\n"),
        ]);
        assert_eq!(
            problems(&tree),
            ["docs/testing.md:3: there is no test it_is_gone"]
        );
    }
}
