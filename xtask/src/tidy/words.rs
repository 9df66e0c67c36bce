//! One word per concept: the names that the vocabulary leaves to others.

use super::{Problem, Tree};

/// The word not to use, and ours for it.
const BANNED: [(&str, &str); 22] = [
    ("enqueue", "submit"),
    ("enqueued", "submitted"),
    ("dequeue", "claim"),
    ("fetch", "claim"),
    ("reserve", "claim"),
    ("reservation", "lease"),
    ("nack", "error"),
    ("requeue", "release"),
    ("task", "job"),
    ("topic", "queue"),
    ("consumer", "worker"),
    ("processor", "handler"),
    ("pending", "waiting"),
    ("dlq", "dead letters"),
    ("morgue", "dead letters"),
    ("dedupe", "idempotency key"),
    ("dedup", "idempotency key"),
    ("forwarder", "promoter"),
    ("rescuer", "reaper"),
    ("janitor", "pruner"),
    ("repeatable", "schedule"),
    ("heartbeat", "extend; beat, for the liveness of a worker"),
];

const DEFINERS: [&str; 8] = [
    "fn", "struct", "enum", "mod", "const", "static", "trait", "type",
];

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.ending(".rs") {
        // Other systems have their own words in the comparison with them.
        if file.path.starts_with("benches/") {
            continue;
        }
        for (number, line) in file.lines() {
            for name in defined_names(line) {
                if let Some((banned, ours)) = banned_word(name) {
                    problems.push(format!(
                        "{}:{number}: `{name}` says {banned}; the word here is {ours}",
                        file.path
                    ));
                }
            }
        }
    }
    problems
}

/// The names that a line of Rust defines.
fn defined_names(line: &str) -> impl Iterator<Item = &str> {
    // Neither in a comment nor in a string.
    let code = line.split("//").next().unwrap_or_default();
    let code = code.split('"').next().unwrap_or_default();
    let mut words = code.split_whitespace();
    let mut names = Vec::new();
    while let Some(word) = words.next() {
        if DEFINERS.contains(&word) {
            let next = words.clone().next().unwrap_or_default();
            let end = next.find(|c: char| !c.is_alphanumeric() && c != '_');
            names.push(&next[..end.unwrap_or(next.len())]);
        }
    }
    names.into_iter()
}

fn banned_word(name: &str) -> Option<(&'static str, &'static str)> {
    let words = split_name(name);
    let mut banned = BANNED.into_iter();
    banned.find(|(word, _)| words.iter().any(|part| part == word))
}

/// `claim_jobs`, `ClaimJobs` and `CLAIM_JOBS` are all `claim`, `jobs`.
fn split_name(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let is_constant = !name.contains(|c: char| c.is_lowercase());
    for c in name.chars() {
        let begins = c == '_' || (c.is_uppercase() && !is_constant);
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && c != '_'
        {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<Problem> {
        problems(&Tree::of(&[("src/queue/submit.rs", line)]))
    }

    #[test]
    fn a_name_with_a_banned_word_is_found() {
        for line in [
            "pub async fn enqueue(&self) {",
            "    struct TaskRecord {",
            "const HEARTBEAT_EVERY: Duration = X;",
            "pub(crate) fn fetch_many<T>(x: T) {",
        ] {
            assert_eq!(found(line).len(), 1, "{line}");
        }
        assert!(found("pub enum JobConsumer {")[0].contains("the word here is worker"));
    }

    #[test]
    fn other_names_and_words_in_text_are_accepted() {
        for line in [
            "fn multitasking() {}",
            "// struct Task",
            "let task = tokio::spawn(run());",
            "\"fn enqueue\"",
            "fn submit() {}",
        ] {
            assert!(found(line).is_empty(), "{line}");
        }
    }
}
