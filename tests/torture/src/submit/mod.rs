//! The submitters: over gRPC, REST and the library, each with a log of what it
//! was told.

mod door;
mod request;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) use door::{Answer, Door, Doors};
pub(crate) use request::{Mix, Request, Requests};

use crate::clock;
use crate::journal::Journal;

/// How long a submitter waits for an answer.
const PATIENCE: Duration = Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(50);
/// One batch in so many is sent again after its acknowledgement.
const ECHO: u64 = 40;

/// What all submitters are told, and tell.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub(crate) stop: AtomicBool,
    pub(crate) pause: AtomicBool,
    /// Jobs that have not come to their end.
    pub(crate) backlog: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) submitted: AtomicU64,
    /// What faults want to have submitted besides.
    wanted: Mutex<Vec<&'static str>>,
}

impl Orders {
    /// Has a job of this kind submitted soon.
    pub(crate) fn want(&self, kind: &'static str) {
        self.wanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(kind);
    }

    fn take_wanted(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How fast, and how far ahead of the workers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Jobs a second, of all submitters together. Who is behind hurries.
    pub(crate) rate: f64,
    pub(crate) most_ahead: u64,
    /// Afterwards it stops by itself.
    pub(crate) at_most: Option<u64>,
}

/// One of them.
struct Submitter {
    door: Door,
    requests: Requests,
    pace: Pace,
    orders: Arc<Orders>,
    journal: Journal,
    /// Takes what faults want.
    obliging: bool,
}

/// Starts them all.
pub(crate) fn start(
    runtime: &Handle,
    folder: &Path,
    doors: Doors,
    requests: &Requests,
    pace: Pace,
    orders: &Arc<Orders>,
) -> Result<Vec<JoinHandle<Result<()>>>> {
    let doors = doors.open()?;
    let count = u64::try_from(doors.len())?;
    let share = f64::from(u32::try_from(doors.len())?);
    let mut running = Vec::new();
    for (number, (name, door)) in doors.into_iter().enumerate() {
        let submitter = Submitter {
            door,
            requests: requests.of(&name),
            pace: Pace {
                rate: pace.rate / share,
                at_most: pace.at_most.map(|most| most.div_ceil(count)),
                ..pace
            },
            orders: orders.clone(),
            journal: Journal::open(&folder.join(format!("submit-{name}.log")))?,
            obliging: number == 0,
        };
        running.push(runtime.spawn(submitter.run()));
    }
    Ok(running)
}

impl Submitter {
    async fn run(mut self) -> Result<()> {
        let begun = Instant::now();
        let mut done = 0_u64;
        while !self.orders.stop.load(Relaxed) && self.pace.at_most.is_none_or(|most| done < most) {
            let mut batch = Vec::new();
            if self.obliging {
                batch.extend(
                    self.orders
                        .take_wanted()
                        .into_iter()
                        .map(|kind| self.requests.of_kind(kind)),
                );
            }
            let due = quota(begun.elapsed(), self.pace.rate).saturating_sub(done);
            let free = self.orders.backlog.load(Relaxed) < self.pace.most_ahead
                && !self.orders.pause.load(Relaxed);
            if free {
                let size = due
                    .min(self.door.batch())
                    .min(self.pace.at_most.map_or(u64::MAX, |most| most - done));
                batch.extend((0..size).map(|_| self.requests.next()));
                done += size;
            }
            if batch.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            self.orders.submitted.fetch_add(batch.len() as u64, Relaxed);
            self.submit(batch).await?;
        }
        Ok(())
    }

    /// Submits until each is acknowledged or refused. Also after the stop: what
    /// is unknown has to become known.
    async fn submit(&mut self, batch: Vec<Request>) -> Result<()> {
        let tried: String = batch.iter().map(Request::tried).collect();
        self.journal.append(&tried)?;
        let echo = self.requests.dice.u64(..ECHO) == 0;
        let sent_again = echo.then(|| batch.clone());
        self.until_known(batch).await?;
        if let Some(batch) = sent_again {
            // The same again: each has to be answered with its first job.
            self.until_known(batch).await?;
        }
        Ok(())
    }

    async fn until_known(&mut self, mut batch: Vec<Request>) -> Result<()> {
        loop {
            let answers = match timeout(PATIENCE, self.door.send(&batch)).await {
                Ok(answers) => answers,
                Err(_) => batch
                    .iter()
                    .map(|_| Answer::Unknown("TIMEOUT".to_owned()))
                    .collect(),
            };
            let now = clock::now();
            let mut lines = String::new();
            let mut again = Vec::new();
            for (request, answer) in batch.into_iter().zip(answers) {
                lines.push_str(&answer.line(now, &request));
                match answer {
                    Answer::Acked { .. } => {
                        self.orders.acknowledged.fetch_add(1, Relaxed);
                    }
                    Answer::Unknown(_) => again.push(Request {
                        unknown: true,
                        ..request
                    }),
                    // An earlier try may have stored it all the same.
                    Answer::Refused(_) if request.unknown => again.push(request),
                    Answer::Refused(_) => {}
                }
            }
            self.journal.append(&lines)?;
            if again.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
            batch = again;
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of jobs"
)]
fn quota(elapsed: Duration, rate: f64) -> u64 {
    (elapsed.as_secs_f64() * rate) as u64
}
