//! The redis-server of a run, and the commands that the run itself sends it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jobflow_torture_checker::Durability;
use redis::{Connection, FromRedisValue, Value};
use rustix::process::Signal;

use crate::clock;
use crate::journal::Journal;
use crate::process::{Process, rest};

/// A large append-only file takes its time to read back.
const LOADING: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(5);

/// One server on one port and folder, started again and again.
pub(crate) struct RedisServer {
    port: u16,
    folder: PathBuf,
    durability: Durability,
    output: PathBuf,
    environment: Vec<(String, String)>,
    process: Option<Process>,
}

impl RedisServer {
    pub(crate) fn new(port: u16, folder: PathBuf, durability: Durability, output: PathBuf) -> Self {
        Self {
            port,
            folder,
            durability,
            output,
            environment: Vec::new(),
            process: None,
        }
    }

    pub(crate) fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it runs; it may end by itself, for want of disk space.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        let Some(process) = &mut self.process else {
            return Ok(false);
        };
        if process.ended()?.is_some() {
            self.process = None;
        }
        Ok(self.process.is_some())
    }

    /// Starts it without waiting for it.
    pub(crate) fn launch(&mut self, journal: &Journal) -> Result<()> {
        let mut command = Command::new("redis-server");
        command
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args([
                "--enable-debug-command",
                "local",
                "--maxmemory-policy",
                "noeviction",
            ])
            .arg("--dir")
            .arg(&self.folder);
        match self.durability {
            Durability::Always => command.args(["--appendonly", "yes", "--appendfsync", "always"]),
            Durability::Everysec => {
                command.args(["--appendonly", "yes", "--appendfsync", "everysec"])
            }
            Durability::No => command.args(["--appendonly", "no"]),
        };
        command.envs(self.environment.iter().cloned());
        let process = Process::start(&command, &self.output)?;
        journal.line(&format!("P {} redis {}", clock::now(), process.pid()))?;
        self.process = Some(process);
        Ok(())
    }

    /// Whether it answers and has read its data.
    pub(crate) fn is_ready(&self) -> bool {
        self.ask::<String>(&redis::cmd("PING"), Duration::from_millis(500))
            .is_ok_and(|pong| pong == "PONG")
    }

    /// Starts it and waits until it has read its data.
    pub(crate) fn start(&mut self, journal: &Journal) -> Result<()> {
        self.launch(journal)?;
        let deadline = Instant::now() + LOADING;
        while !self.is_ready() {
            if !self.is_running()? {
                bail!("redis-server ended: see {}", self.output.display());
            }
            if Instant::now() > deadline {
                bail!(
                    "redis-server does not come up: see {}",
                    self.output.display()
                );
            }
            rest(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Kills it with -9.
    pub(crate) fn kill(&mut self, journal: &Journal) -> Result<()> {
        self.end(journal, |process| {
            process.kill().map(|()| "signal-9".to_owned())
        })
    }

    /// Ends it in an orderly way.
    pub(crate) fn stop(&mut self, journal: &Journal) -> Result<()> {
        self.end(journal, |process| {
            process.signal(Signal::TERM);
            process.wait(PATIENCE)
        })
    }

    fn end(
        &mut self,
        journal: &Journal,
        how: impl FnOnce(&mut Process) -> Result<String>,
    ) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            let status = how(&mut process)?;
            journal.line(&format!(
                "X {} redis {} asked {status}",
                clock::now(),
                process.pid()
            ))?;
        }
        Ok(())
    }

    /// A connection of the run's own, past every proxy.
    pub(crate) fn connect(&self, patience: Duration) -> Result<Connection> {
        connect(self.port, patience)
    }

    /// Sends one command.
    pub(crate) fn ask<T: FromRedisValue>(
        &self,
        command: &redis::Cmd,
        patience: Duration,
    ) -> Result<T> {
        Ok(command.query(&mut self.connect(patience)?)?)
    }

    /// Sends a command whose answer does not matter, or comes too late.
    pub(crate) fn tell(&self, words: &[&str]) -> Result<()> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let told = command.query::<Value>(&mut self.connect(PATIENCE)?);
        told.map(drop).with_context(|| words.join(" "))
    }

    /// The newest part of the append-only file.
    pub(crate) fn newest_part(&self) -> Result<PathBuf> {
        let folder = self.folder.join("appendonlydir");
        let mut parts = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(".incr.aof") {
                parts.push((path.metadata()?.modified()?, path));
            }
        }
        parts.sort();
        let (_, path) = parts.pop().context("there is no append-only file")?;
        Ok(path)
    }
}

/// A connection to the server on this port, past every proxy.
pub(crate) fn connect(port: u16, patience: Duration) -> Result<Connection> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/"))?;
    let connection = client.get_connection_with_timeout(patience)?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(patience))?;
    Ok(connection)
}
