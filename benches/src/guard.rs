//! `jobflow-bench guard FILE [--record]`: figures that hold on any machine,
//! against the recorded ones.
//!
//! Times are told in units of a calibration script that runs in between all the
//! while: a slow machine slows both.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jobflow::{JobQueue, NewJob, Outcome};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::bulk;
use crate::children::{Process, own_cpu_ticks};
use crate::drain;
use crate::grpc;
use crate::idle::{Idle, Program};
use crate::scale::{claim, finish};
use crate::setting::{config, job, median, number, print, queue, say};
use crate::store::{Store, Usage};

const ROUNDS: usize = 9;
const BULK_CALLS: usize = 100;
const BULK: usize = 250;
const SINGLE_CALLS: usize = 2_500;
/// A reading is of so many calls.
const CHUNK: usize = 20;
const MEMORY_JOBS: usize = 100_000;
const IDLE: Duration = Duration::from_secs(20);
const SERVER_CALLS: usize = 60_000;
const IN_FLIGHT: usize = 64;

/// Known work of the same sort as a script of the queue does: some small calls,
/// new fields of a hash and new members of a sorted set. Its commands are used
/// by no script of the queue, so that they can be told apart.
const CALIBRATION: &str = "
for i = 1, 6 do redis.call('INCR', KEYS[1] .. i) end
local jobs, at = tonumber(ARGV[1]), redis.call('INCRBY', KEYS[1], ARGV[1])
local fields, places = {}, {}
for i = 1, jobs do
  local id = string.format('member-%09d', at - i)
  fields[2 * i - 1], fields[2 * i] = id, id .. string.rep('x', 100)
  places[3 * i - 2], places[3 * i - 1], places[3 * i] = '1.5', '2.5', id
end
redis.call('HMSET', KEYS[1] .. 'h', unpack(fields))
redis.call('GEOADD', KEYS[1] .. 'z', unpack(places))";
/// For how many jobs it works: as a call of the queue does, so that what slows
/// Redis down for a moment, or between two calls, meets both alike.
const LIKE_DRAIN: usize = 100;
/// While a worker calls at will.
const CALIBRATE_EVERY: Duration = Duration::from_millis(1);
/// Commands of this program itself.
const OWN_COMMANDS: [&str; 11] = [
    "info", "config", "flushall", "monitor", "client", "hello", "eval", "incr", "incrby", "hmset",
    "geoadd",
];

/// A figure's name, and by which part it may be worse than recorded.
const MARGINS: [(&str, f64); 12] = [
    ("submit_bulk_cost", 0.15),
    ("submit_bulk_commands", 0.03),
    ("submit_single_cost", 0.25),
    ("submit_single_commands", 0.03),
    ("one_by_one_cost", 0.25),
    ("one_by_one_commands", 0.03),
    ("drain_cost", 0.25),
    // How many jobs share a call depends on how fast the worker is.
    ("drain_commands", 0.10),
    ("bytes_per_waiting_job", 0.03),
    ("server_cpu_per_call", 0.20),
    ("idle_worker_commands_per_s", 0.25),
    ("idle_server_commands_per_s", 0.25),
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
    // The first round loads scripts and opens connections.
    one_round(&mut store, &mut [const { Samples::new() }; WORKS.len()]).await?;
    let mut samples = [const { Samples::new() }; WORKS.len()];
    for round in 1..=ROUNDS {
        say(&format!("round {round} of {ROUNDS}"));
        one_round(&mut store, &mut samples).await?;
    }
    let mut figures = Figures::new();
    for (name, samples) in WORKS.into_iter().zip(&samples) {
        figures.insert(format!("{name}_cost"), median(&samples.costs));
        figures.insert(format!("{name}_commands"), median(&samples.commands));
    }
    store.clear().await?;
    let bytes = bytes_per_waiting_job(&mut store).await?;
    figures.insert("bytes_per_waiting_job".to_owned(), bytes);
    store.clear().await?;
    say("server_cpu_per_call");
    figures.insert(
        "server_cpu_per_call".to_owned(),
        server_cpu_per_call().await?,
    );
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
        *figure = digits(*figure);
    }
    Ok(figures)
}

/// Five digits behind the point: many jobs share a command.
fn digits(figure: f64) -> f64 {
    (figure * 1e5).round() / 1e5
}

/// What is done in a round.
const WORKS: [&str; 4] = ["submit_bulk", "submit_single", "drain", "one_by_one"];

async fn one_round(store: &mut Store, samples: &mut [Samples; WORKS.len()]) -> Result<()> {
    let [bulks, singles, drains, ones] = samples;
    store.clear().await?;
    let queue = queue("guard")?;
    for _ in 0..BULK_CALLS / CHUNK {
        let before = store.usage().await?;
        for _ in 0..CHUNK {
            bulk::submit(&queue, BULK, BULK).await?;
            calibrate(store, BULK).await?;
        }
        let usage = store.usage().await?.since(&before);
        bulks.add(&usage, CHUNK * BULK, BULK);
    }
    for _ in 0..SINGLE_CALLS / CHUNK {
        let before = store.usage().await?;
        for _ in 0..CHUNK {
            queue.submit(job()?).await?;
            calibrate(store, 1).await?;
        }
        let usage = store.usage().await?.since(&before);
        singles.add(&usage, CHUNK, 1);
    }
    let before = store.usage().await?;
    let jobs = BULK_CALLS * BULK + SINGLE_CALLS;
    let calibration = calibrate_on(Store::connect().await?);
    drain::drain(&queue, jobs, 100).await?;
    calibration.abort();
    let usage = store.usage().await?.since(&before);
    drains.add(&usage, jobs, LIKE_DRAIN);
    for _ in 0..SINGLE_CALLS / CHUNK {
        let before = store.usage().await?;
        for _ in 0..CHUNK {
            queue.submit(job()?).await?;
            let jobs = claim(&queue, 1).await?;
            finish(&queue, &jobs, &Outcome::Ack(None)).await?;
            calibrate(store, 1).await?;
        }
        let usage = store.usage().await?.since(&before);
        ones.add(&usage, CHUNK, 1);
    }
    Ok(())
}

/// Readings of the same work.
struct Samples {
    /// The time of scripts per job in units of the calibration script's.
    costs: Vec<f64>,
    /// Commands per job.
    commands: Vec<f64>,
}

impl Samples {
    const fn new() -> Self {
        Self {
            costs: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// `like` is for how many jobs a call of the calibration script works.
    fn add(&mut self, usage: &Usage, jobs: usize, like: usize) {
        let jobs = number(jobs as u64);
        let units = number(usage.calls("eval").max(1)) * number(like as u64);
        let unit = number(usage.micros("eval")) / units;
        self.costs
            .push(number(usage.micros("evalsha")) / jobs / unit);
        let commands = usage.calls_without(&OWN_COMMANDS);
        self.commands.push(number(commands) / jobs);
    }
}

async fn calibrate(store: &mut Store, like: usize) -> Result<()> {
    store.eval(CALIBRATION, "calibration", like).await
}

/// Runs the calibration script until it is aborted.
fn calibrate_on(mut store: Store) -> JoinHandle<Result<()>> {
    tokio::spawn(async move {
        loop {
            calibrate(&mut store, LIKE_DRAIN).await?;
            sleep(CALIBRATE_EVERY).await;
        }
    })
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

/// Of unary calls of `SubmitJob`, in units of what they take on this side: it
/// does the same work of HTTP/2, and stays as it is when the server changes.
async fn server_cpu_per_call() -> Result<f64> {
    let server = Process::server(&config("guard")?).await?;
    let channels = grpc::channels(&server.address, grpc::CHANNELS).await?;
    grpc::unary_calls(&channels, 5_000, IN_FLIGHT).await?;
    let (theirs, ours) = (server.cpu_ticks()?, own_cpu_ticks()?);
    grpc::unary_calls(&channels, SERVER_CALLS, IN_FLIGHT).await?;
    let (theirs, ours) = (server.cpu_ticks()? - theirs, own_cpu_ticks()? - ours);
    ensure!(ours > 0, "no time has passed on this side");
    Ok(number(theirs) / number(ours))
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
        let limit = digits(recorded * (1.0 + margin));
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
        assert!(worse[0].contains("drain_commands is 11.6, recorded 10, limit 11"));
        assert!(compare(&now, &json!({})).is_err());
    }
}
