//! `cargo xtask tidy`: the tree against its own rules.
//!
//! Each rule is a function from the tree to what breaks it, so that its tests
//! can show it a tree with a planted fault.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::util;

mod dependencies;
mod docs;
mod keys;
mod links;
mod lua;
mod named_tests;
mod prelude;
mod rights;
mod scripts;
mod sources;
mod words;

pub(crate) const HELP: &str = "\
Usage: cargo xtask tidy

Script headers against the scripts, keys spelled in src/keys.rs alone, names
from the vocabulary, docs against the code, a reason for each dependency,
rights in Redis against the commands that are sent, file lengths.";

const RULES: [fn(&Tree) -> Vec<Problem>; 9] = [
    scripts::problems,
    keys::problems,
    words::problems,
    docs::problems,
    links::problems,
    named_tests::problems,
    dependencies::problems,
    rights::problems,
    sources::problems,
];

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    ensure!(
        arguments.is_empty(),
        "`cargo xtask tidy` takes no arguments"
    );
    let tree = Tree::read()?;
    for warning in sources::warnings(&tree) {
        eprintln!("warning: {warning}");
    }
    let problems: Vec<Problem> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => bail!("tidy found {count} faults"),
    }
}

/// What breaks a rule, with the place in front: `src/job.rs:12: …`.
type Problem = String;

/// A text file of the repository.
struct File {
    /// From the top, with `/`.
    path: String,
    text: String,
}

/// The text files of the repository that a person writes.
struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// What git knows or would add.
    fn read() -> Result<Self> {
        let output = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(util::root())
            .output()
            .context("git did not start")?;
        ensure!(output.status.success(), "git ls-files failed");
        let mut files = Vec::new();
        for path in String::from_utf8_lossy(&output.stdout).lines() {
            // Deleted and not yet committed, or a picture.
            if let Ok(text) = fs::read_to_string(util::root().join(path)) {
                let path = path.to_owned();
                files.push(File { path, text });
            }
        }
        Ok(Self { files })
    }

    fn get(&self, path: &str) -> Option<&str> {
        let file = self.files.iter().find(|file| file.path == path);
        file.map(|file| file.text.as_str())
    }

    fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a File> {
        self.files
            .iter()
            .filter(move |file| file.path.ends_with(end))
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Self {
            files: files.iter().map(file).collect(),
        }
    }
}

impl File {
    /// The lines with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    }

    /// The lines before the unit tests at the end of a Rust file.
    fn lines_before_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().take_while(|(_, line)| *line != "#[cfg(test)]")
    }
}
