//! `jobflow-bench guard FILE [--record]`: figures that hold on any machine,
//! against the recorded ones.
//!
//! Times are told as parts of the time of a calibration script that runs all
//! the while in between: a slow machine slows both.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jobflow::{JobQueue, NewJob};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::bulk;
use crate::drain;
use crate::idle::{Idle, Program};
use crate::setting::{job, median, number, print, queue, rounded, say};
use crate::store::{Store, Usage};

/// Medians over so many rounds.
const ROUNDS: usize = 7;
const BULK_JOBS: usize = 25_000;
const BULK: usize = 250;
const SINGLE_JOBS: usize = 2_500;
const MEMORY_JOBS: usize = 100_000;
const IDLE: Duration = Duration::from_secs(20);

/// Known work: the calls and strings of a script, by commands that no script
/// of the queue uses, so that they can be told apart.
const CALIBRATION: &str = "
local seen = {}
for i = 1, 100 do
  redis.call('ZINCRBY', KEYS[1], 1, string.format('member-%03d', i))
  seen[i] = tostring(i) .. string.rep('x', 40)
end
return #table.concat(seen)";
const CALIBRATION_COMMANDS: [&str; 2] = ["eval", "zincrby"];
const CALIBRATE_EVERY: Duration = Duration::from_millis(4);
/// Commands of this program itself.
const OWN_COMMANDS: [&str; 8] = [
    "info", "config", "flushall", "monitor", "client", "hello", "eval", "zincrby",
];

/// A figure's name, and by which part it may be worse than recorded.
const MARGINS: [(&str, f64); 9] = [
    ("submit_bulk_cost", 0.30),
    ("submit_bulk_commands", 0.03),
    ("submit_single_cost", 0.30),
    ("submit_single_commands", 0.03),
    ("drain_cost", 0.30),
    // How many jobs share a call depends on how fast the worker is.
    ("drain_commands", 0.15),
    ("bytes_per_waiting_job", 0.03),
    ("idle_worker_commands_per_s", 0.50),
    ("idle_server_commands_per_s", 0.50),
];

type Figures = BTreeMap<String, f64>;

pub(crate) async fn command(arguments: &[String]) -> Result<()> {
    let (file, record) = match arguments {
        [file] => (Path::new(file), false),
        [file, flag] if flag == "--record" => (Path::new(file), true),
        _ => bail!("expected FILE [--record]"),
    };
    let figures = measure().await?;
    if record {
        fs::write(file, recorded(&figures)?)?;
        for (name, figure) in &figures {
            print(&json!({"guard": name, "figure": figure}));
        }
        return Ok(());
    }
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let worse = compare(&figures, &serde_json::from_str(&text)?)?;
    ensure!(
        worse.is_empty(),
        "worse than recorded: {}",
        worse.join("; ")
    );
    Ok(())
}

async fn measure() -> Result<Figures> {
    let mut store = Store::connect().await?;
    let mut samples: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    // The first round loads scripts and opens connections.
    for round in 0..=ROUNDS {
        say(&format!("round {round} of {ROUNDS}"));
        for (name, figure) in one_round(&mut store).await? {
            if round > 0 {
                samples.entry(name).or_default().push(figure);
            }
        }
    }
    let mut figures: Figures = samples
        .into_iter()
        .map(|(name, samples)| (name.to_owned(), median(&samples)))
        .collect();
    store.clear().await?;
    let bytes = bytes_per_waiting_job(&mut store).await?;
    figures.insert("bytes_per_waiting_job".to_owned(), bytes);
    for (name, program) in [
        ("idle_worker_commands_per_s", Program::Worker),
        ("idle_server_commands_per_s", Program::Server),
    ] {
        store.clear().await?;
        say(&format!("{name}: {} s", IDLE.as_secs()));
        let idle = Idle::watch(&store, program, IDLE).await?;
        figures.insert(name.to_owned(), idle.commands_per_s());
    }
    for figure in figures.values_mut() {
        *figure = rounded(*figure);
    }
    Ok(figures)
}

async fn one_round(store: &mut Store) -> Result<Vec<(&'static str, f64)>> {
    store.clear().await?;
    let queue = queue("guard")?;
    let calibration = calibrate(Store::connect().await?);
    let first = store.usage().await?;
    bulk::submit(&queue, BULK_JOBS, BULK).await?;
    let bulk = store.usage().await?;
    for _ in 0..SINGLE_JOBS {
        queue.submit(job()?).await?;
    }
    let singles = store.usage().await?;
    drain::drain(&queue, BULK_JOBS + SINGLE_JOBS, 100).await?;
    let drained = store.usage().await?;
    calibration.abort();
    let submit = costs(&bulk.since(&first), BULK_JOBS);
    let single = costs(&singles.since(&bulk), SINGLE_JOBS);
    let drain = costs(&drained.since(&singles), BULK_JOBS + SINGLE_JOBS);
    Ok(vec![
        ("submit_bulk_cost", submit.0),
        ("submit_bulk_commands", submit.1),
        ("submit_single_cost", single.0),
        ("submit_single_commands", single.1),
        ("drain_cost", drain.0),
        ("drain_commands", drain.1),
    ])
}

/// Runs the calibration script until it is aborted.
fn calibrate(mut store: Store) -> JoinHandle<Result<()>> {
    tokio::spawn(async move {
        loop {
            store.eval(CALIBRATION, "calibration").await?;
            sleep(CALIBRATE_EVERY).await;
        }
    })
}

/// The time of scripts per job, as a part of a thousandth of the calibration
/// script's, and the commands per job.
fn costs(usage: &Usage, jobs: usize) -> (f64, f64) {
    let [eval, _] = CALIBRATION_COMMANDS;
    let unit = number(usage.micros(eval)) / number(usage.calls(eval).max(1)) / 1e3;
    let jobs = number(jobs as u64);
    let cost = number(usage.micros("evalsha")) / jobs / unit;
    (cost, number(usage.calls_without(&OWN_COMMANDS)) / jobs)
}

/// With payloads of 100 bytes.
async fn bytes_per_waiting_job(store: &mut Store) -> Result<f64> {
    let queue = queue("guard")?;
    let used = async |store: &mut Store| -> Result<f64> {
        Ok(store.info("memory", "used_memory_dataset").await?.parse()?)
    };
    fill(&queue, 1_000).await?;
    let before = used(store).await?;
    fill(&queue, MEMORY_JOBS).await?;
    let more = used(store).await? - before;
    Ok(more / number(MEMORY_JOBS as u64))
}

async fn fill(queue: &JobQueue, n: usize) -> Result<()> {
    let payload = "p".repeat(100);
    for _ in 0..n / 500 {
        let batch = (0..500).map(|_| NewJob::new("noop", payload.clone()));
        let batch = batch.collect::<jobflow::Result<Vec<_>>>()?;
        for submitted in queue.submit_batch(batch).await {
            submitted?;
        }
    }
    Ok(())
}

fn recorded(figures: &Figures) -> Result<String> {
    let mut file = serde_json::Map::new();
    for (name, margin) in MARGINS {
        let figure = figures.get(name).context("a figure is missing")?;
        file.insert(name.to_owned(), json!({"figure": figure, "margin": margin}));
    }
    Ok(serde_json::to_string_pretty(&file)? + "\n")
}

/// What is worse than the file allows.
fn compare(figures: &Figures, file: &Value) -> Result<Vec<String>> {
    let mut worse = Vec::new();
    for (name, figure) in figures {
        let number = |field: &str| file[name][field].as_f64();
        let (Some(recorded), Some(margin)) = (number("figure"), number("margin")) else {
            bail!("no figure is recorded for {name}");
        };
        let limit = rounded(recorded * (1.0 + margin));
        print(
            &json!({"guard": name, "figure": figure, "recorded": recorded, "limit": limit,
            "ok": *figure <= limit}),
        );
        if *figure > limit {
            worse.push(format!(
                "{name} is {figure}, recorded {recorded}, limit {limit}"
            ));
        }
    }
    Ok(worse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(figure: f64) -> Figures {
        let all = MARGINS.iter().map(|(name, _)| ((*name).to_owned(), figure));
        all.collect()
    }

    #[test]
    fn a_figure_over_its_margin_is_named() {
        let file = serde_json::from_str(&recorded(&figures(10.0)).unwrap()).unwrap();
        assert!(compare(&figures(10.3), &file).unwrap().is_empty());
        let mut now = figures(10.0);
        now.insert("drain_commands".to_owned(), 11.6);
        let worse = compare(&now, &file).unwrap();
        assert_eq!(worse.len(), 1);
        assert!(worse[0].contains("drain_commands is 11.6, recorded 10, limit 11.5"));
        assert!(compare(&now, &json!({})).is_err());
    }
}
