//! The servers and workers of a run: started again whenever they end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use crate::clock::{self, MS};
use crate::journal::Journal;
use crate::process::Process;
use crate::proxy::Proxy;

/// How long a member stays down after it ended by itself.
const RESTART: u64 = 300 * MS;
/// How long an orderly end may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// Which half of the fleet a member belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Worker,
}

/// One server or worker, through all its processes.
pub(crate) struct Member {
    pub(crate) role: Role,
    pub(crate) name: String,
    /// Its way to Redis.
    pub(crate) proxy: Proxy,
    program: PathBuf,
    arguments: Vec<String>,
    /// Further arguments of its next process.
    pub(crate) extra: Vec<String>,
    environment: Vec<(String, String)>,
    process: Option<Process>,
    /// It was told to end; whatever its status, nobody is to blame.
    asked: bool,
    /// It stands still.
    pub(crate) stopped: bool,
    /// When to start it again.
    restart: u64,
}

impl Member {
    pub(crate) const fn new(
        role: Role,
        name: String,
        proxy: Proxy,
        program: PathBuf,
        arguments: Vec<String>,
    ) -> Self {
        Self {
            role,
            name,
            proxy,
            program,
            arguments,
            extra: Vec::new(),
            environment: Vec::new(),
            process: None,
            asked: false,
            stopped: false,
            restart: 0,
        }
    }

    pub(crate) fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Running and not stopped: a fault can meet it.
    pub(crate) const fn is_well(&self) -> bool {
        self.process.is_some() && !self.stopped && !self.asked
    }

    fn start(&mut self, folder: &Path, journal: &Journal) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(&self.extra);
        command.envs(self.environment.iter().cloned());
        if self.role == Role::Worker {
            command
                .arg("--log")
                .arg(folder.join(format!("{}.log", self.name)));
        }
        let process = Process::start(&command, &folder.join(format!("{}.err", self.name)))?;
        journal.line(&format!(
            "P {} {} {}",
            clock::now(),
            self.name,
            process.pid()
        ))?;
        (self.process, self.asked, self.stopped) = (Some(process), false, false);
        Ok(())
    }

    /// Kills it with -9; it is started again after `down`.
    pub(crate) fn kill(&mut self, down: Duration) {
        self.asked = true;
        self.restart = clock::now() + nanos(down);
        self.signal(Signal::KILL);
    }

    /// Asks it to end; it is started again as soon as it has.
    pub(crate) fn terminate(&mut self) {
        self.asked = true;
        self.restart = 0;
        self.signal(Signal::TERM);
    }

    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.signal(Signal::STOP);
    }

    pub(crate) fn go_on(&mut self) {
        self.stopped = false;
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Notes its end, and starts it again when it is time.
    fn tick(&mut self, folder: &Path, journal: &Journal, restart: bool) -> Result<()> {
        if let Some(process) = &mut self.process
            && let Some(status) = process.ended()?
        {
            let now = clock::now();
            let how = if self.asked { "asked" } else { "died" };
            journal.line(&format!(
                "X {now} {} {} {how} {status}",
                self.name,
                process.pid()
            ))?;
            if !self.asked {
                self.restart = now + RESTART;
            }
            self.process = None;
        }
        // One that started behind a broken network would be in no fault's scope.
        if self.process.is_none()
            && restart
            && clock::now() >= self.restart
            && self.proxy.is_passing()
        {
            self.start(folder, journal)?;
        }
        Ok(())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// All of them.
pub(crate) struct Fleet {
    folder: PathBuf,
    pub(crate) members: Vec<Member>,
    samples: Journal,
}

impl Fleet {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let samples = Journal::open(&folder.join("samples.log"))?;
        Ok(Self {
            folder: folder.to_owned(),
            members: Vec::new(),
            samples,
        })
    }

    /// Looks after all of them.
    pub(crate) fn tick(&mut self, journal: &Journal) -> Result<()> {
        self.members
            .iter_mut()
            .try_for_each(|member| member.tick(&self.folder, journal, true))
    }

    /// The members of a role that a fault can meet.
    pub(crate) fn well(&self, role: Role) -> Vec<usize> {
        let members = self.members.iter().enumerate();
        members
            .filter(|(_, member)| member.role == role && member.is_well())
            .map(|(at, _)| at)
            .collect()
    }

    /// Ends all of a role in order.
    pub(crate) fn end(&mut self, role: Role, journal: &Journal) -> Result<()> {
        for member in self.members.iter_mut().filter(|member| member.role == role) {
            member.go_on();
            member.terminate();
        }
        for member in self.members.iter_mut().filter(|member| member.role == role) {
            if let Some(mut process) = member.process.take() {
                let status = process.wait(PATIENCE)?;
                journal.line(&format!(
                    "X {} {} {} asked {status}",
                    clock::now(),
                    member.name,
                    process.pid()
                ))?;
            }
        }
        Ok(())
    }

    /// Ends all of a role in order, for good.
    pub(crate) fn retire(&mut self, role: Role, journal: &Journal) -> Result<()> {
        self.end(role, journal)?;
        self.members.retain(|member| member.role != role);
        Ok(())
    }

    /// Notes memory and descriptors of each.
    pub(crate) fn sample(&self) -> Result<()> {
        let now = clock::now();
        for member in &self.members {
            let Some(pid) = member.pid() else {
                continue;
            };
            // It may be gone by now.
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let Some(kib) = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next())
            else {
                continue;
            };
            let descriptors =
                std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
            self.samples.line(&format!(
                "M {now} {} {pid} {kib} {descriptors}",
                member.name
            ))?;
        }
        Ok(())
    }
}
