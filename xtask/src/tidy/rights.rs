//! The user of a server in Redis may send what the code sends.

use std::collections::BTreeSet;

use super::{File, Problem, Tree};

const USERS: &str = "packaging/redis/users.acl";
const SERVER: &str = "user jobflow-server ";
/// What submits that wait for a disk need, and what would let a server read every
/// setting of Redis: `docs/operations.md` says when to give it.
const LEFT_TO_OPERATORS: [&str; 2] = ["config", "waitaof"];

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let users = tree.get(USERS).unwrap_or_default();
    let server = users.lines().find_map(|line| line.strip_prefix(SERVER));
    let words = server.unwrap_or_default().split_whitespace();
    let allowed: BTreeSet<&str> = words
        .filter_map(|word| word.strip_prefix('+')?.split('|').next())
        .chain(LEFT_TO_OPERATORS)
        .collect();
    let mut problems: Vec<Problem> = Vec::new();
    for file in tree.ending(".lua").chain(tree.ending(".rs")) {
        let is_ours = file.path.starts_with("src/") && !file.path.starts_with("src/testing");
        if !is_ours {
            continue;
        }
        for (number, command) in commands(file) {
            if !allowed.contains(command.as_str()) {
                let path = &file.path;
                problems.push(format!("{path}:{number}: {USERS} does not allow {command}"));
            }
        }
    }
    problems
}

/// The commands that a file names, with their lines.
fn commands(file: &File) -> Vec<(usize, String)> {
    let mut commands = Vec::new();
    for (number, line) in file.lines_before_tests() {
        for (start, quote) in [("call('", '\''), ("cmd(\"", '"')] {
            for behind in line.split(start).skip(1) {
                let command = behind.split(quote).next().unwrap_or_default();
                commands.push((number, command.to_ascii_lowercase()));
            }
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_the_user_may_not_send_is_found() {
        let tree = Tree::of(&[
            (
                USERS,
                "user default off\nuser jobflow-server on >x -@all +get +client|id\n",
            ),
            ("src/lua/a.lua", "call('GET', a) call('UNLINK', b)\n"),
            (
                "src/a.rs",
                "cmd(\"CLIENT\")\ncmd(\"CONFIG\")\ncmd(\"KEYS\")\n#[cfg(test)]\ncmd(\"FLUSHALL\")\n",
            ),
            ("src/testing/redis.rs", "cmd(\"DEBUG\")\n"),
        ]);
        let found = problems(&tree);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("src/lua/a.lua:1:") && found[0].ends_with("unlink"));
        assert!(found[1].starts_with("src/a.rs:3:") && found[1].ends_with("keys"));
    }
}
