//! One run from start to end: load, faults, healing, draining, dump.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Result, bail};
use jobflow::{JobQueue, Namespace, NewJob, QueueConfig, QueueName, SettingsChange};
use jobflow_torture_checker::{Durability, Terms};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::clock::{self, SECOND};
use crate::dump;
use crate::fleet::Role;
use crate::nemesis::Nemesis;
use crate::options::Options;
use crate::peer::Peer;
use crate::process;
use crate::schedule;
use crate::setup;
use crate::submit::{self, Doors, Pace, Requests};
use crate::world::{self, World};

const TICK: Duration = Duration::from_millis(20);
const SAMPLE_EVERY: u64 = SECOND;
const COUNT_EVERY: Duration = Duration::from_millis(250);
const TELL_EVERY: u64 = 15 * SECOND;
/// For a run of this length scenarios say how often something has to happen.
const FULL_MINUTES: f64 = 5.0;
/// How long submitters may take to know everything.
const KNOWN: u64 = 60 * SECOND;
/// How long the queue may take to drain.
const DRAIN: u64 = 240 * SECOND;
/// More than any run submits.
const KEEP_ALL: u32 = 100_000_000;
const KEEP_LONG: Duration = Duration::from_secs(30 * 24 * 3600);

struct Run {
    world: World,
    nemesis: Nemesis,
    started: u64,
    sampled: u64,
    told: u64,
    signals: Receiver<i32>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = Runtime::new()?;
    let (world, disk) = setup::world(options, runtime.handle())?;
    let seconds = options.minutes * 60.0;
    let plan = schedule::plan(
        options.seed,
        &options.faults,
        seconds * options.scenario.faults_from,
        seconds,
    );
    eprintln!(
        "{}, seed {}, {} minutes: {} faults, {} workers, files in {}",
        options.scenario.name,
        options.seed,
        options.minutes,
        plan.len(),
        options.scenario.workers,
        options.folder.display()
    );
    let mut run = Run {
        world,
        nemesis: Nemesis::new(plan),
        started: 0,
        sampled: 0,
        told: 0,
        signals: signals()?,
    };
    run.world.tick()?;
    let terms = match &options.peer {
        None => run.of_jobflow(options, &runtime, nanos(seconds))?,
        Some(peer) => run.of_peer(peer, options, nanos(seconds))?,
    };
    fs::write(
        run.world.setting.folder.join("run.json"),
        serde_json::to_string_pretty(&terms)?,
    )?;
    run.world.redis.stop(&run.world.journal)?;
    drop((run, disk));
    runtime.shutdown_background();
    Ok(())
}

/// What the checker has to know of the run.
fn terms(options: &Options, submits: (u64, u64), drained: Option<u64>) -> Terms {
    Terms {
        scenario: options.scenario.name.to_owned(),
        seed: options.seed,
        minutes: options.minutes,
        lease_ms: options.scenario.lease_ms,
        durability: options.durability,
        crash_cap: jobflow::DEFAULT_CRASH_CAP,
        trimmed: options.scenario.keep.is_some(),
        peer: false,
        progress_ms: options.scenario.progress_ms,
        submits,
        drained,
        musts: options
            .scenario
            .musts
            .clone()
            .for_part(options.minutes / FULL_MINUTES),
    }
}

fn signals() -> Result<Receiver<i32>> {
    let (sender, receiver) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Lets submitters know how far ahead they are. From a thread of its own: a
/// Redis that stands still must not hold the faults up.
fn count_backlog(world: &World) {
    let (port, setting, orders) = (
        world.redis.port(),
        world.setting.clone(),
        world.orders.clone(),
    );
    std::thread::spawn(move || {
        while Arc::strong_count(&orders) > 1 {
            if let Some(backlog) = world::backlog(port, &setting) {
                orders.backlog.store(backlog, Relaxed);
            }
            process::rest(COUNT_EVERY);
        }
    });
}

/// Makes the queues known, and has them keep what the checker wants to see.
async fn prepare(world: &World, options: &Options) -> Result<()> {
    let queue = JobQueue::open(QueueConfig {
        redis_url: format!("redis://127.0.0.1:{}/", world.redis.port()),
        namespace: Namespace::new(&world.setting.namespace)?,
        ..QueueConfig::default()
    })?;
    for name in &world.setting.queues {
        let request = format!("setup-{name}");
        let now = clock::now();
        let job = NewJob::new("quick", format!(r#"{{"r":"{request}"}}"#))?.queue(name)?;
        let id = queue.submit(job).await?.id;
        world.journal.line(&format!(
            "T {now} {request} quick {name} 3 0\nA {} {request} {id} 0",
            clock::now()
        ))?;
        let keep = Some(options.scenario.keep.unwrap_or(KEEP_ALL));
        let age = Some(KEEP_LONG);
        let changes = [
            SettingsChange::KeepCompleted(keep),
            SettingsChange::AgeCompleted(age),
            SettingsChange::KeepFailed(keep),
            SettingsChange::AgeFailed(age),
            SettingsChange::KeepCancelled(keep),
            SettingsChange::AgeCancelled(age),
        ];
        queue
            .update_settings(&QueueName::new(name)?, &changes, None)
            .await?;
    }
    Ok(())
}

fn start_submitters(
    world: &World,
    options: &Options,
    runtime: &Runtime,
) -> Result<Vec<JoinHandle<Result<()>>>> {
    let scenario = &options.scenario;
    let doors = Doors {
        fronts: world.fronts.iter().map(crate::proxy::Proxy::port).collect(),
        redis: world.fleet.members[0].proxy.port(),
        namespace: world.setting.namespace.clone(),
        grpc: 2,
        rest: 2,
        library: 2,
        batch: 25,
    };
    let requests = Requests::new(
        options.seed,
        scenario.mix,
        world.setting.queues.clone(),
        scenario.quick_ms,
        scenario.delay_ms,
    );
    let pace = Pace {
        rate: scenario.rate,
        most_ahead: scenario.most_ahead,
        at_most: scenario.at_most,
    };
    let _inside = runtime.enter();
    submit::start(
        runtime.handle(),
        &world.setting.folder,
        doors,
        &requests,
        pace,
        &world.orders,
    )
}

impl Run {
    fn of_jobflow(&mut self, options: &Options, runtime: &Runtime, length: u64) -> Result<Terms> {
        runtime.block_on(prepare(&self.world, options))?;
        let submitters = start_submitters(&self.world, options, runtime)?;
        count_backlog(&self.world);
        self.started = clock::now();
        self.until(self.started + length, true)?;
        let submits = (self.started, clock::now());
        let drained = self.come_to_rest(submitters, runtime)?;
        self.world.fleet.end(Role::Worker, &self.world.journal)?;
        self.world.fleet.end(Role::Server, &self.world.journal)?;
        eprintln!("writing down what Redis holds");
        let dump = self.world.setting.folder.join("dump.txt");
        dump::write(&self.world.redis, &dump)?;
        Ok(terms(options, submits, drained))
    }

    /// The same for another job system, as far as its own programs can tell.
    fn of_peer(&mut self, peer: &Peer, options: &Options, length: u64) -> Result<Terms> {
        self.started = clock::now();
        self.until(self.started + length, true)?;
        let submits = (self.started, clock::now());
        eprintln!("the faults are over; waiting for submitters and workers");
        let healed = clock::now() + KNOWN;
        while self.nemesis.under_way() > 0 && clock::now() < healed {
            self.tick(false)?;
        }
        self.world.fleet.retire(Role::Server, &self.world.journal)?;
        let (deadline, mut drained) = (clock::now() + DRAIN, None);
        while drained.is_none() && clock::now() < deadline {
            self.until(clock::now() + SECOND, false)?;
            drained = (peer.left(&self.world)? == 0).then(clock::now);
        }
        self.world.fleet.end(Role::Worker, &self.world.journal)?;
        peer.dump(&self.world)?;
        Ok(Terms {
            peer: true,
            ..terms(options, submits, drained)
        })
    }

    /// Looks after everything until an instant.
    fn until(&mut self, end: u64, with_faults: bool) -> Result<()> {
        while clock::now() < end {
            self.tick(with_faults)?;
        }
        Ok(())
    }

    fn tick(&mut self, with_faults: bool) -> Result<()> {
        match self.signals.recv_timeout(TICK) {
            Ok(signal) => bail!("ended by signal {signal}"),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        self.world.tick()?;
        self.nemesis.heal_due(&mut self.world)?;
        if with_faults {
            let elapsed = clock::now() - self.started;
            self.nemesis.begin_due(&mut self.world, elapsed)?;
        }
        let now = clock::now();
        if now > self.sampled + SAMPLE_EVERY {
            self.sampled = now;
            self.world.fleet.sample()?;
        }
        if now > self.told + TELL_EVERY {
            self.told = now;
            self.tell();
        }
        Ok(())
    }

    fn tell(&self) {
        let orders = &self.world.orders;
        eprintln!(
            "{:5} s: {} submitted, {} acknowledged, {} to do, {} faults so far, {} under way",
            clock::now().saturating_sub(self.started) / SECOND,
            orders.submitted.load(Relaxed),
            orders.acknowledged.load(Relaxed),
            orders.backlog.load(Relaxed),
            self.nemesis.begun(),
            self.nemesis.under_way()
        );
    }

    /// Heals everything, lets submitters know everything, and waits for the
    /// last job. Returns when that was, if it was.
    fn come_to_rest(
        &mut self,
        submitters: Vec<JoinHandle<Result<()>>>,
        runtime: &Runtime,
    ) -> Result<Option<u64>> {
        eprintln!("the faults are over; waiting for submitters and workers");
        self.world.orders.stop.store(true, Relaxed);
        let deadline = clock::now() + KNOWN;
        while !((self.nemesis.under_way() == 0) && submitters.iter().all(JoinHandle::is_finished)) {
            if clock::now() > deadline {
                eprintln!("a fault was not healed, or a submitter does not know everything");
                return Ok(None);
            }
            self.tick(false)?;
        }
        for submitter in submitters {
            runtime.block_on(submitter)??;
        }
        let deadline = clock::now() + DRAIN;
        // Redis may have been busy dying: without AOF there is nothing to wait for.
        while self.world.backlog() != Some(0) {
            if clock::now() > deadline {
                return Ok(None);
            }
            self.tick(false)?;
        }
        if self.world.setting.durability == Durability::No {
            eprintln!("nothing was kept on disk: losses by a restart of Redis are as allowed");
        }
        Ok(Some(clock::now()))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the length of a run"
)]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e3) as u64 * (SECOND / 1_000)
}
