//! Child processes that end with the run, whatever becomes of it.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

/// The hidden command under which this program becomes a child.
pub(crate) const WRAPPER: &str = "become-child";

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program; what it says goes to a file. Only the main thread may
    /// call this: the system ends the child with the thread that started it.
    pub(crate) fn start(program: &Command, output: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(output)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args([WRAPPER, &process::id().to_string()])
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let child = command
            .spawn()
            .with_context(|| format!("{program:?} did not start"))?;
        Ok(Self { child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // It may have ended in this moment: then there is nothing to do.
            let _ = kill_process(pid, signal);
        }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<String>> {
        Ok(self
            .child
            .try_wait()?
            .map(|status| match (status.code(), status.signal()) {
                (Some(code), _) => format!("code-{code}"),
                (None, Some(signal)) => format!("signal-{signal}"),
                (None, None) => "unknown".to_owned(),
            }))
    }

    /// Waits for its end; kills it after a while.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                self.signal(Signal::KILL);
                self.child.wait()?;
                return Ok("did-not-end".to_owned());
            }
            rest(Duration::from_millis(2));
        }
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is none to worry about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives the machine to others between two looks.
pub(crate) fn rest(time: Duration) {
    std::thread::park_timeout(time);
}

/// Turns this process into the given program, to be ended with its parent: the
/// arguments are the parent's process id, the program and its arguments.
pub(crate) fn become_child(arguments: &[String]) -> Result<()> {
    let [parent, program, rest @ ..] = arguments else {
        bail!("this command is for the run itself");
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before this took effect.
    let present = getppid().map(Pid::as_raw_nonzero);
    if present.is_none_or(|id| id.to_string() != *parent) {
        bail!("the process that started this one is gone");
    }
    let error = Command::new(program).args(rest).exec();
    Err(error).with_context(|| format!("{program} did not start"))
}
