//! What a worker and a server cost that have nothing to do, and how soon they are ready.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use jobflow::{JobQueue, QueueConfig};
use serde_json::json;

use crate::bulk;
use crate::children::Process;
use crate::setting::{config, median, millis, number, print, rounded};
use crate::store::Store;

/// Starts of each program.
const STARTS: usize = 5;

/// The programs of an installation.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    Server,
    Worker,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Worker => "worker",
        }
    }

    async fn start(self, config: &QueueConfig) -> Result<Process> {
        match self {
            Self::Server => Process::server(config).await,
            Self::Worker => Process::worker(config).await,
        }
    }
}

/// What an idle program did within some time.
pub(crate) struct Idle {
    pub(crate) process: Process,
    /// How often it sent each command.
    commands: BTreeMap<String, u64>,
    time: Duration,
}

impl Idle {
    /// Starts a program in an installation with one empty queue, and listens.
    pub(crate) async fn watch(store: &Store, program: Program, time: Duration) -> Result<Self> {
        let config = config("idle")?;
        let queue = JobQueue::open(config.clone())?;
        bulk::submit(&queue, 10, 10).await?;
        crate::drain::drain(&queue, 10, 10).await?;
        drop(queue);
        let process = program.start(&config).await?;
        // Without what belongs to the start.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let commands = store.listen(time).await?;
        Ok(Self {
            process,
            commands,
            time,
        })
    }

    pub(crate) fn commands_per_s(&self) -> f64 {
        let sent: u64 = self.commands.values().sum();
        rounded(number(sent) / self.time.as_secs_f64())
    }
}

pub(crate) async fn run(seconds: usize) -> Result<()> {
    let store = Store::connect().await?;
    for program in [Program::Worker, Program::Server] {
        let mut ready = Vec::new();
        for _ in 0..STARTS {
            let process = program.start(&config("start")?).await?;
            ready.push(millis(process.ready));
        }
        let time = Duration::from_secs(seconds as u64);
        let idle = Idle::watch(&store, program, time).await?;
        print(
            &json!({"peer": "jobflow", "mode": "idle", "program": program.name(), "secs": seconds,
            "commands_per_s": idle.commands_per_s(), "resident_mb": idle.process.resident_mb(),
            "ready_ms": median(&ready), "commands": idle.commands}),
        );
    }
    Ok(())
}
