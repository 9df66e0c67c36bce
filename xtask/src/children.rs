//! Programs that run beside each other until one ends or the user has enough.
//!
//! Each child leads a process group of its own, so that Ctrl-C reaches this
//! program alone and the children end in order.

use std::env;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

use crate::util::say;

/// The hidden command under which this program becomes a child.
pub(crate) const WRAPPER: &str = "become-child";

/// How long a child may take to end by itself.
const GRACE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);

enum Event {
    Signal(i32),
    Exited(&'static str, Option<ExitStatus>),
}

/// Why [`Children::watch`] came back.
pub(crate) enum End {
    /// The user, or whoever started this program, asked for it by this signal.
    Asked(&'static str),
    /// A child ended that should not have.
    Died(String),
}

struct Running {
    name: &'static str,
    group: Pid,
}

/// The running children; those left are stopped when this is dropped.
pub(crate) struct Children {
    events: Receiver<Event>,
    sender: Sender<Event>,
    running: Vec<Running>,
}

impl Children {
    /// From here on Ctrl-C is an event for this value.
    pub(crate) fn new() -> Result<Self> {
        let (sender, events) = mpsc::channel();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let on_signal = sender.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                if on_signal.send(Event::Signal(signal)).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            events,
            sender,
            running: Vec::new(),
        })
    }

    /// Starts a program; its lines appear on the terminal behind its name.
    pub(crate) fn start(&mut self, name: &'static str, program: &Command) -> Result<()> {
        self.start_reading(name, program, Stdio::null())?;
        Ok(())
    }

    /// As [`Self::start`], with something open as the program's standard input.
    /// Returns its process id.
    pub(crate) fn start_reading(
        &mut self,
        name: &'static str,
        program: &Command,
        input: Stdio,
    ) -> Result<u32> {
        let mut command = wrapped(program)?;
        command.stdin(input).stdout(Stdio::piped());
        self.spawn(name, &mut command)
    }

    /// As [`Self::start`], with the program's standard output as this one's.
    pub(crate) fn start_printing(&mut self, name: &'static str, program: &Command) -> Result<()> {
        let mut command = wrapped(program)?;
        command.stdin(Stdio::null()).stdout(Stdio::inherit());
        self.spawn(name, &mut command)?;
        Ok(())
    }

    fn spawn(&mut self, name: &'static str, command: &mut Command) -> Result<u32> {
        let mut child = command
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} did not start"))?;
        let id = child.id();
        let group = i32::try_from(id).ok().and_then(Pid::from_raw);
        let group = group.context("the process id is out of range")?;
        self.running.push(Running { name, group });
        let readers = relay(name, &mut child);
        let sender = self.sender.clone();
        thread::spawn(move || {
            let status = child.wait().ok();
            for reader in readers {
                // Its last words before the news of its end.
                let _ = reader.join();
            }
            let _ = sender.send(Event::Exited(name, status));
        });
        Ok(id)
    }

    /// Asks `ready` again and again; fails when a child ends, the user stops
    /// it, or the time is over.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        within: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + within;
        while !ready() {
            if Instant::now() > deadline {
                bail!("{what} is not ready after {} s", within.as_secs());
            }
            match self.events.recv_timeout(POLL) {
                Ok(Event::Signal(_)) => bail!("stopped before {what} was ready"),
                Ok(Event::Exited(name, status)) => {
                    self.forget(name);
                    bail!("{name} ended before {what} was ready ({})", told(status));
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
        Ok(())
    }

    /// Blocks until a child ends or the user wants an end.
    pub(crate) fn watch(&mut self) -> End {
        match self.events.recv() {
            Ok(Event::Signal(signal)) => End::Asked(signal_name(signal).unwrap_or("a signal")),
            Err(_) => End::Died("the watch over the children ended".to_owned()),
            Ok(Event::Exited(name, status)) => {
                self.forget(name);
                End::Died(format!("{name} ended ({})", told(status)))
            }
        }
    }

    /// Blocks until the child of this name ends; an early end of another or a
    /// signal is an error.
    pub(crate) fn wait_for(&mut self, awaited: &str) -> Result<()> {
        match self.events.recv() {
            Ok(Event::Signal(_)) | Err(_) => bail!("stopped"),
            Ok(Event::Exited(name, status)) => {
                self.forget(name);
                let clean = status.is_some_and(|status| status.success());
                if name != awaited || !clean {
                    bail!("{name} ended ({})", told(status));
                }
                Ok(())
            }
        }
    }

    /// Ends the children, the last started first: each is asked, and killed if
    /// it does not end in time or the user insists.
    pub(crate) fn stop(&mut self) {
        while let Some(last) = self.running.last() {
            let (name, group) = (last.name, last.group);
            signal(group, Signal::TERM);
            let deadline = Instant::now() + GRACE;
            while self.running.iter().any(|child| child.name == name) {
                let left = deadline.saturating_duration_since(Instant::now());
                match self.events.recv_timeout(left) {
                    Ok(Event::Exited(ended, _)) => self.forget(ended),
                    Ok(Event::Signal(_)) => {
                        say(&format!("killing {name}"));
                        signal(group, Signal::KILL);
                    }
                    Err(_) => {
                        say(&format!("{name} does not end; killing it"));
                        signal(group, Signal::KILL);
                        self.forget(name);
                    }
                }
            }
            // What the child itself started and left behind.
            signal(group, Signal::KILL);
        }
    }

    /// Whether any child has not ended.
    pub(crate) fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    fn forget(&mut self, name: &str) {
        self.running.retain(|child| child.name != name);
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.stop();
    }
}

fn signal(group: Pid, signal: Signal) {
    // It may have ended in this moment: then there is nothing to do.
    let _ = kill_process_group(group, signal);
}

fn told(status: Option<ExitStatus>) -> String {
    match status {
        None => "its status is unknown".to_owned(),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => status.to_string(),
        },
    }
}

/// The program behind this one, which sees to it that no child outlives a
/// killed `xtask`.
pub(crate) fn wrapped(program: &Command) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args([WRAPPER, &process::id().to_string()])
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if !std::io::stderr().is_terminal() {
        command.env("NO_COLOR", "1");
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    Ok(command)
}

/// Turns this process into the given program, to be ended with its parent:
/// the arguments are the parent's process id, the program and its arguments.
pub(crate) fn become_child(arguments: &[String]) -> Result<()> {
    let [parent, program, rest @ ..] = arguments else {
        bail!("this command is for xtask itself");
    };
    die_with(parent)?;
    let error = Command::new(program).args(rest).exec();
    Err(error).with_context(|| format!("{program} did not start"))
}

#[cfg(target_os = "linux")]
fn die_with(parent: &str) -> Result<()> {
    use rustix::process::{getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // The parent may have ended before this took effect.
    let present = getppid().map(Pid::as_raw_nonzero);
    if present.is_none_or(|id| id.to_string() != parent) {
        bail!("the process that started this one is gone");
    }
    Ok(())
}

/// Elsewhere a killed `xtask` leaves its children behind.
#[cfg(not(target_os = "linux"))]
fn die_with(_parent: &str) -> Result<()> {
    Ok(())
}

fn relay(name: &'static str, child: &mut Child) -> Vec<thread::JoinHandle<()>> {
    let mut readers = Vec::new();
    if let Some(output) = child.stdout.take() {
        readers.push(thread::spawn(move || prefix_lines(name, output)));
    }
    if let Some(errors) = child.stderr.take() {
        readers.push(thread::spawn(move || prefix_lines(name, errors)));
    }
    readers
}

fn prefix_lines(name: &str, output: impl Read) {
    let shade = if std::io::stderr().is_terminal() {
        ("\x1b[2m", "\x1b[0m")
    } else {
        ("", "")
    };
    for line in BufReader::new(output).split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line);
        // A closed terminal must not end the child.
        let _ = writeln!(
            std::io::stderr(),
            "{}{name:>6} |{} {line}",
            shade.0,
            shade.1
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn an_end_is_told_with_its_cause() {
        let ended = |raw| told(Some(ExitStatus::from_raw(raw)));
        assert_eq!(ended(3 << 8), "exit code 3");
        assert_eq!(ended(9), "signal 9");
        assert!(shell("exit 0").status().unwrap().success());
    }
}
