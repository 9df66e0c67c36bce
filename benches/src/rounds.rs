//! `jobflow-bench rounds`: measurements in several rounds, and those of peers
//! in turns with ours, each on an empty store.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lexopt::prelude::*;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::setting::{print, say};
use crate::store::Store;
use crate::{machine, table};

/// What peers can be measured with.
const WITH_PEERS: [&str; 4] = ["enqueue", "bulk", "drain", "latency"];
/// A peer that takes longer has got stuck.
const PATIENCE: Duration = Duration::from_secs(180);
/// apalis-redis never ends a drain of more than this.
const APALIS_DRAIN: usize = 6_000;

/// What to run, and where the lines go.
#[derive(Default)]
struct Options {
    rounds: usize,
    out: PathBuf,
    /// The folder with the peers' programs.
    peers: Option<PathBuf>,
    works: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            rounds: 5,
            ..Self::default()
        };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("rounds") => options.rounds = parser.value()?.parse()?,
                Long("out") => options.out = parser.value()?.into(),
                Long("peers") => options.peers = Some(parser.value()?.into()),
                Value(work) => options.works.push(work.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        ensure!(!options.out.as_os_str().is_empty(), "--out FILE is missing");
        if options.works.is_empty() {
            let usual = ["enqueue:200000:64", "bulk:400000:500", "drain:100000:100"];
            options.works = usual.map(str::to_owned).to_vec();
            options.works.push("latency:200:10".to_owned());
            if options.peers.is_some() {
                options.works.push("drain-aof:100000:100".to_owned());
            }
        }
        Ok(options)
    }
}

pub(crate) async fn command(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let mut store = Store::connect().await?;
    store.watch_slow().await?;
    let mut lines = vec![machine::described().await?];
    let mut out = File::create(&options.out)
        .with_context(|| format!("creating {}", options.out.display()))?;
    writeln!(out, "{}", lines[0])?;
    for round in 1..=options.rounds {
        for work in &options.works {
            let mut programs = programs(work, options.peers.as_deref())?;
            // Nobody always comes after the same one, whatever that left of the machine.
            let first = (round - 1) % programs.len();
            programs.rotate_left(first);
            for program in programs {
                store.clear().await?;
                store.watch_slow().await?;
                say(&format!("round {round}: {} {}", program.name, program.work));
                for mut line in program.run().await? {
                    line["round"] = json!(round);
                    if program.name == OURS {
                        line["scripts_over_5_ms"] = json!(store.slow_scripts().await?.len());
                    }
                    print(&line);
                    writeln!(out, "{line}")?;
                    lines.push(line);
                }
            }
        }
    }
    store.clear().await?;
    say(&table::described(&lines));
    Ok(())
}

const OURS: &str = "jobflow";

/// One measurement of one peer, or of ours.
struct Program {
    name: &'static str,
    path: PathBuf,
    arguments: Vec<String>,
    work: String,
}

/// Ours and, where they can do the work, the peers'.
fn programs(work: &str, peers: Option<&Path>) -> Result<Vec<Program>> {
    let mut programs = vec![Program {
        name: OURS,
        path: std::env::current_exe()?,
        arguments: Vec::new(),
        work: work.to_owned(),
    }];
    let mode = work.split(':').next().unwrap_or_default();
    let Some(folder) = peers.filter(|_| WITH_PEERS.contains(&mode)) else {
        return Ok(programs);
    };
    if work.split(':').count() != 3 {
        bail!("give the sizes of {mode} for peers, for example drain:100000:100");
    }
    for name in ["bullmq-rs", "apalis-redis", "rusty-sidekiq"] {
        let work = match (name, mode) {
            ("rusty-sidekiq", "bulk") => continue,
            ("apalis-redis", "drain") => smaller(work, APALIS_DRAIN)?,
            _ => work.to_owned(),
        };
        programs.push(Program {
            name,
            path: folder.join("rust/release/jobflow-peers"),
            arguments: vec![name.to_owned()],
            work,
        });
    }
    for name in ["bullmq", "bee-queue"] {
        let script = folder.join("node").join(format!("{name}.mjs"));
        programs.push(Program {
            name,
            path: "node".into(),
            arguments: vec![script.display().to_string()],
            work: work.to_owned(),
        });
    }
    Ok(programs)
}

/// The same with at most so many jobs.
fn smaller(work: &str, most: usize) -> Result<String> {
    let mut parts: Vec<String> = work.split(':').map(str::to_owned).collect();
    parts[1] = parts[1].parse::<usize>()?.min(most).to_string();
    Ok(parts.join(":"))
}

impl Program {
    /// Its lines; none when a peer fails, which is told.
    async fn run(&self) -> Result<Vec<Value>> {
        let outcome = self.lines().await;
        match outcome {
            Err(error) if self.name != OURS => {
                say(&format!("{} failed at {}: {error:#}", self.name, self.work));
                Ok(Vec::new())
            }
            other => other,
        }
    }

    async fn lines(&self) -> Result<Vec<Value>> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).arg(&self.work);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        let running = command.kill_on_drop(true).output();
        let patience = if self.name == OURS {
            PATIENCE * 10
        } else {
            PATIENCE
        };
        let output = timeout(patience, running).await.context("got stuck")?;
        let output = output.with_context(|| format!("{} did not start", self.path.display()))?;
        ensure!(output.status.success(), "ended with {}", output.status);
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().context("not JSON lines")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_do_what_they_can() {
        let of = |work: &str| {
            let programs = programs(work, Some(Path::new("/peers"))).unwrap();
            let told = programs
                .into_iter()
                .map(|p| format!("{} {}", p.name, p.work));
            told.collect::<Vec<_>>()
        };
        assert!(of("drain:100000:100").contains(&"apalis-redis drain:6000:100".to_owned()));
        assert_eq!(of("bulk:1000:500").len(), 5);
        assert_eq!(of("grpc"), ["jobflow grpc"]);
        assert!(programs("drain", Some(Path::new("/peers"))).is_err());
    }
}
