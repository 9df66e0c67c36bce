//! A child process whose messages go to a file, ended with its owner.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::future::ready;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use jobflow::testing::wait_for;
use rustix::process::{Pid, Signal, kill_process};

/// How many of its last lines are shown when a test fails.
const TAIL: usize = 40;

pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where its part of the file begins, behind that of an earlier one.
    begins: usize,
}

impl Process {
    /// Starts it with its standard error, and its output unless somebody reads
    /// that, in `<folder>/<name>.log`.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let begins = usize::try_from(file.metadata().unwrap().len()).unwrap();
        let is_set =
            |(name, value): (&OsStr, Option<&OsStr>)| name == "RUST_LOG" && value.is_some();
        if !command.get_envs().any(is_set) {
            command.env_remove("RUST_LOG");
        }
        let child = command
            // Nothing of the caller's settings, and logs without colour.
            .env_remove("JOBFLOW_REDIS_URL")
            .env_remove("JOBFLOW_NAMESPACE")
            .env_remove("JOBFLOW_LISTEN")
            .env_remove("JOBFLOW_SERVER")
            .env_remove("JOBFLOW_CONFIG")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            name: name.to_owned(),
            child,
            log,
            begins,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        let whole = fs::read_to_string(&self.log).unwrap_or_default();
        whole.get(self.begins..).unwrap_or_default().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
    }

    /// Ends it with -9 and takes it away.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{self}");
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let name = self.name.clone();
        let ended = || ready(self.child.try_wait().unwrap());
        wait_for(&format!("the end of {name}"), ended).await
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        writeln!(f, "{} ({}) said last:", self.name, self.pid())?;
        let last = &lines[lines.len().saturating_sub(TAIL)..];
        last.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{self}");
        }
        // The test is over; what matters is that nothing is left behind.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}
