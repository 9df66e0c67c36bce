//! Claims jobs for free slots: the only place that does.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use jobflow::{Claim, Claimed, Error, JobQueue, Partition, QueueName, Result, Waiter, Woken};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::execute::{self, Crew};
use crate::lanes::{LONGEST_WAIT, Lanes};
use crate::trouble::Trouble;

/// The most jobs one claim call gives.
const MAX_CLAIM: usize = 125;

/// Claims of fewer jobs cost the store more than a worker wins by taking turns.
const MIN_HALF: usize = 32;

/// How many jobs a worker with so many slots claims at once: half, so that the
/// store serves one half while the other runs.
pub(crate) fn claim_size(concurrency: usize) -> usize {
    (concurrency / 2).clamp(MIN_HALF, MAX_CLAIM)
}

/// Claims under way at once: while one is on its way back the next is served,
/// and where every write waits for the disk they wait together.
const AT_ONCE: usize = 2;

/// How often other tasks go first until jobs that just began have ended, if they are
/// short, and until a call is written to the store.
const TO_END: usize = 8;
const TO_BE_WRITTEN: usize = 3;

/// A claim that is sent along with a wait may be as old as the wait when it is
/// answered; a lease has to be long beside that.
const LEASE_TO_WAIT_WITH: Duration = Duration::from_secs(6);

/// How often a worker that does not claim looks after its queues, and after how
/// many partitions at a time.
const TEND_EVERY: Duration = Duration::from_secs(1);
const TENDED: usize = 4;

/// How long a worker of several partitions that can not wait for work rests
/// before it looks for some.
const DEAF: Duration = Duration::from_millis(250);

/// The claiming half of a worker.
pub(crate) struct Claimer {
    pub(crate) queue: JobQueue,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) worker: String,
    pub(crate) lease: Duration,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) claim_size: usize,
    pub(crate) crew: Arc<Crew>,
    pub(crate) attempts: TaskTracker,
    pub(crate) lanes: Lanes,
}

/// A round of claims under way.
type Asked<'a> = Pin<Box<dyn Future<Output = Result<Round>> + Send + 'a>>;

/// What a round of claims left.
enum Round {
    /// Every slot is taken, or a queue may hold more.
    More,
    /// The queues are empty; the next delayed job is due then.
    Drained(Option<Instant>),
}

impl Claimer {
    /// Claims until `stop`, whatever the store does.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut waiter = self.queue.waiter(&self.queues);
        let mut trouble = Trouble::new("claim jobs");
        let mut claims = FuturesUnordered::new();
        let mut turn = 0_usize;
        let mut left = Round::More;
        let mut turns = 0;
        loop {
            let next = if claims.is_empty() {
                let Some(slots) = self.free_slots(&stop).await else {
                    return self.pass_on().await;
                };
                match left {
                    Round::Drained(due) => {
                        Some(self.wait_round(&mut waiter, slots, due, &stop).await)
                    }
                    Round::More => {
                        claims.push(self.ask(turn, slots));
                        None
                    }
                }
            } else {
                let goes_on = claims.len() < AT_ONCE && matches!(left, Round::More);
                tokio::select! {
                    biased;
                    slots = self.slots_for_another(&stop), if goes_on => {
                        claims.push(self.ask(turn, slots));
                        turns = TO_BE_WRITTEN;
                        None
                    }
                    next = let_others_go_first(turns).then(|()| claims.next()) => {
                        turns = TO_END;
                        next
                    }
                }
            };
            let Some(next) = next else {
                turn = turn.wrapping_add(1);
                continue;
            };
            left = match next {
                Ok(next) => {
                    trouble.over();
                    next
                }
                Err(error) => {
                    let mut pause = trouble.met(&error);
                    while let Some(other) = claims.next().await {
                        if let Err(error) = other {
                            pause = pause.max(trouble.met(&error));
                        }
                    }
                    let _ = tokio::time::timeout(pause, stop.cancelled()).await;
                    Round::More
                }
            };
        }
    }

    /// A round of claims whose first one is on its way when this returns.
    fn ask(&self, turn: usize, slots: OwnedSemaphorePermit) -> Asked<'_> {
        let mut round = Box::pin(self.claim_round(turn, slots));
        match round.as_mut().now_or_never() {
            Some(left) => Box::pin(ready(left)),
            None => round,
        }
    }

    /// Slots for a claim beside the one that is under way, once there are enough
    /// for one of full size; never for a worker that has to stop or be quiet.
    async fn slots_for_another(&self, stop: &CancellationToken) -> OwnedSemaphorePermit {
        let size = u32::try_from(self.claim_size).unwrap_or(u32::MAX);
        let enough = self.slots.clone().acquire_many_owned(size).await;
        match enough {
            Ok(slots) if !stop.is_cancelled() && !self.crew.posture.is_quiet() => slots,
            _ => std::future::pending().await,
        }
    }

    /// The slots that are free, for one claim, as soon as there is one and the worker
    /// may claim; none after the stop.
    async fn free_slots(&self, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        loop {
            if self.crew.posture.is_quiet() {
                self.pass_on().await;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = self.crew.posture.may_claim() => {}
                never = self.tend_queues() => match never {},
            }
            let slots = self.next_slots(stop).await?;
            if !self.crew.posture.is_quiet() {
                return Some(slots);
            }
        }
    }

    async fn next_slots(&self, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        let full = self.slots.available_permits() == 0;
        if full {
            self.pass_on().await;
            self.crew.health.slots_taken(true);
        }
        let mut slots = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            slot = self.slots.clone().acquire_owned() => slot.ok()?,
            never = self.tend_queues() => match never {},
        };
        if full {
            self.crew.health.slots_taken(false);
            // Finishes are answered in batches: let the others of this one free
            // their slots, too, and claim for them all.
            tokio::task::yield_now().await;
        }
        let more = self.slots.available_permits().min(self.claim_size - 1);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        if let Ok(more) = self.slots.clone().try_acquire_many_owned(more) {
            slots.merge(more);
        }
        Some(slots)
    }

    /// Keeps the queues in order while nothing is claimed: what claims do on their
    /// way is not left undone because every handler takes long or the worker is quiet.
    async fn tend_queues(&self) -> Infallible {
        let mut turn: usize = rand::random_range(0..TENDED);
        loop {
            tokio::time::sleep(TEND_EVERY.mul_f64(rand::random_range(0.75..1.0))).await;
            // Of many partitions some at a time: other workers tend them, too.
            let lanes = self.lanes.all(turn);
            turn = turn.wrapping_add(TENDED);
            for part in lanes.iter().take(self.queues.len().max(TENDED)) {
                let tended = async {
                    self.queue.promote_in(part).await?;
                    self.queue.reap_in(part).await
                };
                if let Err(error) = tended.await {
                    tracing::debug!(queue = %part, %error, "a worker that does not claim can not tend its queue");
                }
            }
        }
    }

    /// Asks each lane that may have jobs until the slots are taken. Each turn
    /// begins with another one, so that a full one does not starve the rest. Fails
    /// when none could be asked.
    async fn claim_round(&self, turn: usize, mut slots: OwnedSemaphorePermit) -> Result<Round> {
        let mut failed = None;
        let mut answered = false;
        self.lanes.look(&self.queue).await;
        let only = self.lanes.only();
        let ripe = only.map_or_else(|| self.lanes.ripe(turn), |only| vec![only]);
        for part in &ripe {
            let claim = self.claim(part, &slots);
            if claim.limit == 0 {
                self.pass_on().await;
                return Ok(Round::More);
            }
            jobflow::failpoint!("claims.ask");
            let asked = Instant::now();
            let claimed = self
                .queue
                .claim_from(part, claim.limit, claim.lease, claim.worker)
                .await;
            let claimed = match claimed {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::debug!(queue = %part, %error, "a queue can not be asked for jobs");
                    self.lanes.rest(part);
                    failed = Some(error);
                    continue;
                }
            };
            answered = true;
            self.settle(part, &claimed, claim.limit);
            self.start(claimed, asked, &mut slots);
        }
        match failed {
            // Those that were not asked may be well.
            Some(error) if !answered && ripe.len() >= self.lanes.count() => Err(error),
            _ => Ok(self.left()),
        }
    }

    /// Takes in what a claim of so many jobs says of its lane.
    fn settle(&self, part: &Partition, claimed: &Claimed, limit: usize) {
        if claimed.jobs.len() < limit {
            self.lanes.is_empty_until(part, due_at(claimed));
        } else {
            self.lanes.has_more(part);
        }
    }

    fn left(&self) -> Round {
        if self.lanes.ripe(0).is_empty() {
            Round::Drained(self.lanes.next_due())
        } else {
            Round::More
        }
    }

    /// Sleeps until there may be work, and claims it where the sleep can bring it along.
    async fn wait_round(
        &self,
        waiter: &mut Waiter,
        mut slots: OwnedSemaphorePermit,
        next_due: Option<Instant>,
        stop: &CancellationToken,
    ) -> Result<Round> {
        let asked = Instant::now();
        let at_most = next_due.map_or(LONGEST_WAIT, |due| {
            due.saturating_duration_since(asked).min(LONGEST_WAIT)
        });
        let interrupt = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.crew.posture.is_told_to_be_quiet() => {}
            }
        };
        let Some(only) = self.lanes.only() else {
            match waiter.wait(at_most, interrupt).await {
                Ok(woken) => self.lanes.heard(&woken),
                Err(error) => self.deaf(&error, stop).await,
            }
            return Ok(Round::More);
        };
        if self.lease < LEASE_TO_WAIT_WITH {
            let woken = waiter.wait(at_most, interrupt).await?;
            self.lanes.heard(&woken);
            return Ok(Round::More);
        }
        let claim = self.claim(&only, &slots);
        let (woken, claimed) = waiter.wait_and_claim(claim, at_most, interrupt).await?;
        self.settle(&only, &claimed, claim.limit);
        self.start(claimed, asked, &mut slots);
        self.lanes.heard_beside(&only, woken);
        self.lanes.look(&self.queue).await;
        Ok(self.left())
    }

    /// A wake-up goes to one worker. What this one was told of and does not come to,
    /// because it is full, quiet or about to end, another one has to be told of.
    async fn pass_on(&self) {
        let told = self.lanes.pass_on();
        if !told.is_empty() {
            self.queue.pass_on(&told).await;
        }
    }

    /// Where workers wait there is nobody now; the jobs of other lanes go on.
    async fn deaf(&self, error: &Error, stop: &CancellationToken) {
        tracing::debug!(%error, "can not wait for work; looking for it");
        let _ = tokio::time::timeout(DEAF, stop.cancelled()).await;
        self.lanes.heard(&Woken::Anywhere);
    }

    fn claim<'a>(&'a self, part: &'a Partition, slots: &OwnedSemaphorePermit) -> Claim<'a> {
        Claim {
            queue: part.queue(),
            limit: slots.num_permits().min(self.claim_size),
            lease: self.lease,
            worker: &self.worker,
        }
    }

    /// Starts an attempt per job. All leases are held before the first handler
    /// runs: one that blocks this thread would keep the rest from being extended.
    fn start(&self, claimed: Claimed, asked: Instant, slots: &mut OwnedSemaphorePermit) {
        self.crew.health.polled();
        self.crew.stats.claims.add(1);
        self.crew.stats.claimed.add(claimed.jobs.len());
        let held: Vec<_> = claimed
            .jobs
            .into_iter()
            .map(|job| self.crew.hold(job, asked + self.lease))
            .collect();
        if !held.is_empty() {
            jobflow::failpoint!("claims.held");
        }
        for lease in held {
            let slot = slots.split(1);
            let crew = self.crew.clone();
            self.attempts
                .spawn(async move { execute::execute(&crew, lease, slot).await });
        }
    }
}

/// Keeps two claims that were answered together apart: the outcomes of the first
/// one's jobs and the claim for their slots are on their way before the second
/// one's jobs begin. Otherwise all would come and go together, the store idle
/// while the worker works and the other way round.
async fn let_others_go_first(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

fn due_at(claimed: &Claimed) -> Option<Instant> {
    claimed.next_due.map(|due| Instant::now() + due)
}
