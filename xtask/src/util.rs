//! What several commands share: paths, running programs, talking to the user.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The top of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies one folder below the top")
        .to_owned()
}

/// Where cargo builds to: this very program lies in `<target>/debug/xtask`.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let program = env::current_exe().context("where this program lies is unknown")?;
    let target = program.ancestors().nth(2);
    target
        .map(Path::to_owned)
        .context("this program does not lie in a target folder")
}

/// The cargo that runs this program, in the top folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Whether a machine, not a person, reads the result.
pub(crate) fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// The program `name` in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    // Debian keeps some daemons in sbin, which is not in everybody's PATH.
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// Tells what is about to happen.
pub(crate) fn say(what: &str) {
    eprintln!("xtask: {what}");
}

/// The command as one could type it.
pub(crate) fn spelled(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut line = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(&argument.to_string_lossy()));
    }
    line
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// Says the command, runs it to its end and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = spelled(command);
    say(&line);
    let status = command
        .status()
        .with_context(|| format!("`{line}` did not start"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Whether the command runs and succeeds; says nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs one named step of a longer command and notes how long it took.
pub(crate) struct Steps {
    taken: Vec<(&'static str, Duration, bool)>,
}

impl Steps {
    pub(crate) const fn new() -> Self {
        Self { taken: Vec::new() }
    }

    /// Runs `step`; its failure ends the command.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let started = Instant::now();
        let outcome = step();
        self.taken.push((name, started.elapsed(), outcome.is_ok()));
        outcome
    }

    /// Runs `step`; its failure is told and remembered, and the command goes on.
    pub(crate) fn attempt(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        if let Err(error) = self.run(name, step) {
            eprintln!("error: {name}: {error:#}");
        }
    }

    /// Prints what each step took.
    pub(crate) fn summary(&self) {
        for (name, took, passed) in &self.taken {
            let mark = if *passed { "ok" } else { "FAILED" };
            eprintln!("  {name:20} {:7.1} s  {mark}", took.as_secs_f64());
        }
    }

    /// The names of the steps that failed.
    pub(crate) fn failed(&self) -> Vec<&'static str> {
        let failed = self.taken.iter().filter(|(_, _, passed)| !passed);
        failed.map(|(name, _, _)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelled_command_can_be_pasted() {
        let mut command = Command::new("/usr/bin/echo");
        command.args(["--save", "", "it's", "plain"]);
        assert_eq!(spelled(&command), r"echo --save '' 'it'\''s' plain");
    }
}
