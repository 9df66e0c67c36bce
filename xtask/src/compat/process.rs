//! The programs of a crew, and what the command line says.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::children::{Children, wrapped};
use crate::redis;

use super::{Build, Crew};

/// For whatever should happen soon.
const PATIENCE: Duration = Duration::from_secs(60);
/// In the log of a program that does not want the layout of the namespace.
const OTHER_LAYOUT: &str = "layout";

/// What became of the start of a program.
pub(super) enum Started {
    Running(Process),
    /// It does not want the records of another layout, and says so.
    Refused(String),
}

/// A program whose log is a file; it ends with this value.
pub(super) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program and waits for these words in its log, or for its end.
    fn start(
        children: &mut Children,
        name: &str,
        command: &Command,
        folder: &Path,
        ready: &str,
    ) -> Result<Started> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let child = wrapped(command)?
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{name} did not start"))?;
        let name = name.to_owned();
        let mut process = Self { name, child, log };
        let (mut is_up, mut has_ended) = (false, false);
        let what = process.name.clone();
        children.wait_until(&what, PATIENCE, || {
            is_up = process.said().contains(ready);
            has_ended = !matches!(process.child.try_wait(), Ok(None));
            is_up || has_ended
        })?;
        if is_up && !has_ended {
            return Ok(Started::Running(process));
        }
        let said = process.said();
        match said.lines().rev().find(|line| line.contains(OTHER_LAYOUT)) {
            Some(line) => Ok(Started::Refused(format!("{what}: {}", reason(line)))),
            None => bail!(
                "{what} ended: {}",
                said.lines().last().unwrap_or("silently")
            ),
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(super) fn stop(mut self, children: &mut Children) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process has an id")?, Signal::TERM)?;
        let what = format!("the end of {}", self.name);
        children.wait_until(&what, PATIENCE, || {
            !matches!(self.child.try_wait(), Ok(None))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended: then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a line of a log says, without when and where.
fn reason(line: &str) -> &str {
    line.split_once("error: ")
        .map_or(line, |(_, reason)| reason)
        .trim()
}

/// Where a crew works: its store, and its server.
pub(super) struct Place<'a> {
    pub(super) url: &'a str,
    pub(super) namespace: String,
    pub(super) folder: &'a Path,
    pub(super) port: u16,
}

impl<'a> Place<'a> {
    pub(super) fn new(url: &'a str, folder: &'a Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let namespace = folder.file_name().context("the folder has a name")?;
        Ok(Self {
            url,
            namespace: namespace.to_string_lossy().into_owned(),
            folder,
            port: redis::free_port()?,
        })
    }

    fn program(&self, build: Build<'_>, program: &str) -> Command {
        let mut command = Command::new(build.folder.join(program));
        command.args(["--redis", self.url, "--namespace", &self.namespace]);
        command
    }

    pub(super) fn server(&self, children: &mut Children, crew: Crew<'_>) -> Result<Started> {
        let mut command = self.program(crew.server, "jobflow-server");
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        let name = format!("{}-server", crew.server.name);
        Process::start(children, &name, &command, self.folder, "ready on http")
    }

    /// A worker whose jobs of the kind `ok` succeed, of `bad` fail, and of `slow`
    /// do not end by themselves.
    pub(super) fn worker(
        &self,
        children: &mut Children,
        crew: Crew<'_>,
        queue: &str,
    ) -> Result<Started> {
        let mut command = self.program(crew.worker, "jobflow-worker");
        command
            .args(["--listen", "127.0.0.1:0", "--grace", "1s", "--lease", "5s"])
            .args(["--queue", queue])
            .args(["--handler", "ok=exec:cat"])
            .args(["--handler", "bad=exec:false"])
            .args(["--handler", "slow=exec:sleep 600"]);
        let name = format!("{}-worker-{queue}", crew.worker.name);
        Process::start(children, &name, &command, self.folder, "worker is at work")
    }

    /// What the command line prints; an error where it fails.
    pub(super) fn cli(&self, build: Build<'_>, words: &[&str]) -> Result<String> {
        let output = Command::new(build.folder.join("jobflow-cli"))
            .env("NO_COLOR", "1")
            .args(["--server", &format!("http://127.0.0.1:{}", self.port)])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .context("jobflow-cli did not start")?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            let line = words.join(" ");
            bail!(
                "`jobflow-cli {line}` of the {} build: {said} {}",
                build.name,
                why.trim()
            );
        }
        Ok(said)
    }

    /// The state of a job.
    pub(super) fn state(&self, build: Build<'_>, id: &str) -> Result<String> {
        let job = self.cli(build, &["job", "get", id, "-o", "json"])?;
        let state = state_of(&job).with_context(|| format!("{id} has no state: {job}"))?;
        Ok(state.to_lowercase())
    }

    pub(super) fn reaches(
        &self,
        children: &mut Children,
        build: Build<'_>,
        id: &str,
        expected: &str,
    ) -> Result<()> {
        let mut last = String::new();
        let reached = children.wait_until(&format!("{id} to be {expected}"), PATIENCE, || {
            last = self
                .state(build, id)
                .unwrap_or_else(|error| error.to_string());
            last == expected
        });
        reached.with_context(|| format!("it is {last}"))
    }
}

/// The first field `state` of a JSON text.
fn state_of(job: &str) -> Option<&str> {
    let (_, behind) = job.split_once("\"state\"")?;
    let mut words = behind.split('"').skip(1);
    words.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_and_a_reason_are_found_where_they_stand() {
        let job = "{\n  \"id\": \"1\",\n  \"state\": \"ACTIVE\",\n \"a\": \"b\"}";
        assert_eq!(state_of(job), Some("ACTIVE"));
        assert_eq!(state_of("{}"), None);
        assert_eq!(reason("error: redis has layout 2"), "redis has layout 2");
    }
}
