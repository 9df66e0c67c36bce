//! Short files, nothing half done.

use super::{File, Problem, Tree};

const MOST_LINES: usize = 600;
const MANY_LINES: usize = 400;

/// What does not stay in the sources, and why.
const UNWANTED: [(&str, &str); 8] = [
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("#[ignore", "a test runs, or is not there"),
    ("TODO", "an open point belongs into an issue"),
    ("FIXME", "an open point belongs into an issue"),
    ("thread::sleep", "wait for the condition, with a deadline"),
    (
        "time::sleep(",
        "in a test, wait for the condition, with a deadline",
    ),
    ("allow(", "use #[expect(lint, reason = \"…\")]"),
];

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.ending(".rs") {
        let lines = file.lines().count();
        if lines > MOST_LINES {
            problems.push(format!(
                "{}: {lines} lines; a file has at most {MOST_LINES}",
                file.path
            ));
        }
        // The rules themselves name what they look for.
        if !file.path.starts_with("xtask/src/tidy/") {
            problems.extend(unwanted(file));
        }
    }
    problems
}

/// Files that ask to be split.
pub(super) fn warnings(tree: &Tree) -> Vec<Problem> {
    let counted = tree.ending(".rs").map(|file| (file, file.lines().count()));
    let long = counted.filter(|(_, lines)| (MANY_LINES + 1..=MOST_LINES).contains(lines));
    long.map(|(file, lines)| {
        format!(
            "{}: {lines} lines; more than {MANY_LINES} ask to be split",
            file.path
        )
    })
    .collect()
}

fn unwanted(file: &File) -> Vec<Problem> {
    // A torture run is a program: it has a load to pace.
    let is_program = file.path.starts_with("tests/torture/");
    let is_test = !is_program && (file.path.starts_with("tests/") || file.path.contains("/tests/"));
    let mut problems = Vec::new();
    for (number, line) in file.lines() {
        for (phrase, advice) in UNWANTED {
            // Working code may wait for an interval; a test has no business to.
            if phrase == "time::sleep(" && !is_test {
                continue;
            }
            if stands_alone(line, phrase) {
                problems.push(format!("{}:{number}: `{phrase}`: {advice}", file.path));
            }
        }
    }
    problems
}

/// Whether the phrase occurs and is not the end of a longer word.
fn stands_alone(line: &str, phrase: &str) -> bool {
    line.match_indices(phrase).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<Problem> {
        problems(&Tree::of(&[(path, text)]))
    }

    #[test]
    fn unwanted_phrases_are_found_with_their_line() {
        for phrase in [
            "    todo!()",
            "#[allow(dead_code)]",
            "// TODO later",
            "std::thread::sleep(d)",
        ] {
            let found = found("src/job.rs", &format!("\n{phrase}\n"));
            assert_eq!(found.len(), 1, "{phrase}");
            assert!(found[0].starts_with("src/job.rs:2:"), "{found:?}");
        }
        assert!(found("src/job.rs", "fn disallow(x: u8) {}").is_empty());
    }

    #[test]
    fn tests_do_not_sleep_but_working_code_may() {
        let line = "tokio::time::sleep(interval).await;";
        assert_eq!(found("tests/it/claim.rs", line).len(), 1);
        assert!(found("worker/src/lease.rs", line).is_empty());
    }

    #[test]
    fn long_files_are_told_first_and_refused_later() {
        let tree = |lines: usize| Tree::of(&[("src/job.rs", &*"\n".repeat(lines))]);
        assert!(warnings(&tree(400)).is_empty() && problems(&tree(400)).is_empty());
        assert_eq!(warnings(&tree(401)).len(), 1);
        assert_eq!(problems(&tree(601)).len(), 1);
    }
}
