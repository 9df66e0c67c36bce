//! The processes of a sweep.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Worker,
    Duties,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Server, Self::Worker, Self::Duties];

    const fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Worker => "worker",
            Self::Duties => "duties",
        }
    }
}

pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it, and arms it where a point is given.
    pub(crate) fn start(
        role: Role,
        point: Option<&str>,
        redis: &str,
        namespace: &str,
        folder: &Path,
    ) -> Self {
        let variable = point.map(|point| ("JOBFLOW_FAILPOINT", point));
        Self::start_with(role, variable, redis, namespace, folder)
    }

    /// The same with a variable of the environment.
    pub(crate) fn start_with(
        role: Role,
        variable: Option<(&str, &str)>,
        redis: &str,
        namespace: &str,
        folder: &Path,
    ) -> Self {
        let armed = if variable.is_some() { "-armed" } else { "" };
        let log = folder.join(format!("{}{armed}.log", role.word()));
        let file = File::create(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobflow-failpoints"));
        command.args([role.word(), redis, namespace]);
        if role == Role::Worker {
            command.arg(folder.join("diary"));
        }
        command
            .env_clear()
            .env("NO_COLOR", "1")
            .envs(variable)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let child = command.spawn().unwrap();
        Self { child, log }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where a server listens, once it does.
    pub(crate) fn address(&self) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.rsplit_once("ready on http://")?;
        rest.split_once('\n')
            .map(|(address, _)| address.trim().to_owned())
    }

    pub(crate) fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have died meanwhile, which is what it should do.
        let _gone = kill_process(pid.unwrap(), Signal::TERM);
    }

    /// How it ended, once it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Whether it has died at its point; it must not end in another way.
    pub(crate) fn died_at(&mut self, point: &str) -> bool {
        let Some(status) = self.ended() else {
            return false;
        };
        let log = self.log();
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{log}");
        assert!(log.contains(&format!("failpoint {point}\n")), "{log}");
        true
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The sweep is over; what matters is that nothing is left behind.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}
