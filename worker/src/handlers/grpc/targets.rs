//! The processes that implement one handler: which of them gets the next attempt.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Gauge, gauge};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tonic::transport::{Channel, Endpoint};

use super::health;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A machine that is gone without a word is noticed by the kernel: after so much
/// silence it asks, and after some questions without an answer the calls end.
const SILENCE: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_secs(10);
const ASK_TIMES: u32 = 3;

/// One process.
pub(super) struct Target {
    address: String,
    channel: Channel,
    up: AtomicBool,
    under_way: AtomicUsize,
    /// Told when it comes up; shared with the others of its handler.
    came_up: Arc<Notify>,
    /// Told when an attempt at it was lost.
    doubted: Notify,
    /// What was last said of it in the log.
    said: Mutex<&'static str>,
    gauge: Gauge,
}

impl Target {
    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(super) fn is_up(&self) {
        if self.changes_to("up") {
            tracing::info!(handler = self.address, "handler is up");
        }
        self.gauge.set(1.0);
        if !self.up.swap(true, Ordering::Relaxed) {
            self.came_up.notify_waiters();
        }
    }

    /// Nothing is sent to it until it is up again.
    pub(super) fn is_down(&self, why: &str) {
        if self.changes_to("down") {
            tracing::warn!(
                handler = self.address,
                why,
                "handler is down; nothing is sent to it"
            );
        }
        self.gauge.set(0.0);
        self.up.store(false, Ordering::Relaxed);
    }

    /// An attempt was lost there. Until it has said that it is well, which it is
    /// asked at once, no other job is risked.
    pub(super) fn is_doubted(&self, why: &str) {
        self.is_down(why);
        self.doubted.notify_one();
    }

    /// Ends when somebody doubts that it is well.
    pub(super) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    fn changes_to(&self, what: &'static str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *said, what) != what
    }
}

/// The processes of one handler, and the questions after their health.
pub(super) struct Targets {
    all: Vec<Arc<Target>>,
    came_up: Arc<Notify>,
    turn: AtomicUsize,
    watches: Vec<AbortHandle>,
}

impl Targets {
    pub(super) fn watch(endpoints: &[Endpoint]) -> Arc<Self> {
        let came_up = Arc::<Notify>::default();
        let target = |endpoint: &Endpoint| {
            Arc::new(Target {
                address: endpoint.uri().to_string(),
                channel: channel(endpoint),
                up: AtomicBool::new(false),
                under_way: AtomicUsize::new(0),
                came_up: came_up.clone(),
                doubted: Notify::new(),
                said: Mutex::new(""),
                gauge: gauge!("jobflow_worker_handler_up", "handler" => endpoint.uri().to_string()),
            })
        };
        let all: Vec<_> = endpoints.iter().map(target).collect();
        let watch = |target: &Arc<Target>| tokio::spawn(health::watch(target.clone()));
        Arc::new(Self {
            watches: all
                .iter()
                .map(|target| watch(target).abort_handle())
                .collect(),
            all,
            came_up,
            turn: AtomicUsize::new(0),
        })
    }

    /// The one that is up and has the fewest attempts under way, as soon as there is one.
    pub(super) async fn next(&self) -> Busy {
        loop {
            let mut came_up = pin!(self.came_up.notified());
            // From here on nothing is missed.
            came_up.as_mut().enable();
            if let Some(busy) = self.least_busy() {
                return busy;
            }
            came_up.await;
        }
    }

    fn least_busy(&self) -> Option<Busy> {
        // Equals take turns.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len();
        let (before, from) = self.all.split_at(turn);
        let in_turn = from.iter().chain(before);
        let up = in_turn.filter(|target| target.up.load(Ordering::Relaxed));
        let target = up.min_by_key(|target| target.under_way.load(Ordering::Relaxed))?;
        target.under_way.fetch_add(1, Ordering::Relaxed);
        Some(Busy(target.clone()))
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        self.watches.iter().for_each(AbortHandle::abort);
    }
}

/// An attempt under way at a target.
pub(super) struct Busy(Arc<Target>);

impl Busy {
    pub(super) fn target(&self) -> &Target {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is made when it is needed, and anew when it broke.
fn channel(endpoint: &Endpoint) -> Channel {
    let endpoint = endpoint.clone().connect_timeout(CONNECT_TIMEOUT);
    endpoint
        .tcp_nodelay(true)
        .tcp_keepalive(Some(SILENCE))
        .tcp_keepalive_interval(Some(ASK_EVERY))
        .tcp_keepalive_retries(Some(ASK_TIMES))
        .connect_lazy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(count: usize) -> Arc<Targets> {
        let endpoint = |n| format!("http://127.0.0.1:{}", n + 1);
        let endpoints: Vec<_> = (0..count)
            .map(|n| Endpoint::from_shared(endpoint(n)).unwrap())
            .collect();
        Targets::watch(&endpoints)
    }

    fn address(busy: &Busy) -> &str {
        &busy.target().address
    }

    #[tokio::test]
    async fn the_least_busy_target_is_next_and_none_that_is_down() {
        let targets = targets(3);
        assert!(targets.least_busy().is_none());
        targets.all[0].is_up();
        targets.all[2].is_up();
        let (one, two) = (targets.next().await, targets.next().await);
        assert_ne!(address(&one), address(&two));
        let free = address(&two).to_owned();
        drop(two);
        assert_eq!(address(&targets.next().await), free);
        targets.all[2].is_down("a test says so");
        for _ in 0..3 {
            assert_eq!(address(&targets.next().await), "http://127.0.0.1:1/");
        }
    }

    #[tokio::test]
    async fn equals_take_turns() {
        let targets = targets(2);
        targets.all.iter().for_each(|target| target.is_up());
        let first = address(&targets.next().await).to_owned();
        assert_ne!(address(&targets.next().await), first);
    }

    #[tokio::test]
    async fn who_waits_is_woken_when_a_target_comes_up() {
        let targets = targets(1);
        let comes_up = async { targets.all[0].is_up() };
        let (busy, ()) = tokio::join!(targets.next(), comes_up);
        assert_eq!(address(&busy), "http://127.0.0.1:1/");
    }
}
