//! Keys are spelled once.

use super::{Problem, Tree};

const HOME: &str = "src/keys.rs";

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.ending(".rs").chain(tree.ending(".lua")) {
        let is_test = file.path.starts_with("tests/") || file.path.contains("/tests/");
        // The rule itself spells what it looks for.
        if file.path == HOME || is_test || file.path == "xtask/src/tidy/keys.rs" {
            continue;
        }
        for (number, line) in file.lines() {
            if ["\"jf:", "'jf:", "jf:{"]
                .iter()
                .any(|start| line.contains(start))
            {
                problems.push(format!(
                    "{}:{number}: a Redis key is spelled outside {HOME}",
                    file.path
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_spelled_elsewhere_is_found() {
        let line = "let key = format!(\"jf:{ns}\");\n";
        let tree = Tree::of(&[
            (HOME, line),
            ("server/src/rest.rs", line),
            ("tests/it/keys.rs", line),
            ("src/lua/take.lua", "call('DEL', 'jf:x')"),
        ]);
        let found = problems(&tree);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("server/src/rest.rs:1:"));
    }
}
