//! Whether the loops that must never end do their work.
//!
//! A loop survives every error and every panic of a round: it says so to its
//! [`Pulse`], which tells it how long to pause, and tells those who ask about
//! the health of the process how long ago a round last worked.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rand::Rng;

use crate::error::{Code, Error, Result};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// So that a loop is soon at work again, however long an outage lasted.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One loop that must never end.
#[derive(Debug)]
pub struct Pulse {
    name: &'static str,
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Of the last round that worked, or the start; none while the loop has
    /// nothing to do.
    worked: Option<Instant>,
    /// Of the trouble it is in.
    code: Option<Code>,
    pause: Duration,
    failures: u64,
}

/// A loop at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PulseReport {
    /// Which loop.
    pub name: &'static str,
    /// How long ago a round last worked; none while it has nothing to do.
    pub silence: Option<Duration>,
    /// After so long without one the process is not well.
    pub limit: Duration,
    /// Rounds that did not work, since the start of the process.
    pub failures: u64,
}

impl Pulse {
    fn new(name: &'static str, limit: Duration) -> Self {
        let state = State {
            worked: Some(Instant::now()),
            code: None,
            pause: FIRST_PAUSE,
            failures: 0,
        };
        Self {
            name,
            limit,
            state: Mutex::new(state),
        }
    }

    /// Runs one round; a panic in it is one more error.
    ///
    /// # Errors
    /// Those of the round, and `INTERNAL` for a panic.
    pub async fn round<T>(&self, round: impl Future<Output = Result<T>>) -> Result<T> {
        let ended = AssertUnwindSafe(round).catch_unwind().await;
        let ended = ended.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
        match &ended {
            Ok(_) => self.worked(),
            Err(error) => self.failed(error),
        }
        ended
    }

    /// A round has worked.
    pub fn worked(&self) {
        let mut state = self.state();
        state.worked = Some(Instant::now());
        state.pause = FIRST_PAUSE;
        if state.code.take().is_some() {
            tracing::info!(r#loop = self.name, "at work again");
        }
    }

    /// A round has not. Said once, until it works again or fails of something else.
    pub fn failed(&self, error: &Error) {
        let mut state = self.state();
        state.failures += 1;
        // It has something to do, whatever it thought before.
        state.worked.get_or_insert_with(Instant::now);
        if state.code.replace(error.code()) != Some(error.code()) {
            tracing::warn!(r#loop = self.name, %error, "can not do its work; trying again until it can");
        }
    }

    /// There is nothing to do until somebody comes.
    pub fn rests(&self) {
        self.state().worked = None;
    }

    /// Somebody has come.
    pub fn wakes(&self) {
        self.state().worked.get_or_insert_with(Instant::now);
    }

    /// How long to pause after a round that did not work: longer each time,
    /// with jitter so that many processes do not come back together.
    #[must_use]
    pub fn pause(&self) -> Duration {
        let mut state = self.state();
        let pause = state.pause.mul_f64(rand::rng().random_range(0.5..=1.0));
        state.pause = (state.pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// The loop now.
    #[must_use]
    pub fn report(&self) -> PulseReport {
        let state = self.state();
        PulseReport {
            name: self.name,
            silence: state.worked.map(|worked| worked.elapsed()),
            limit: self.limit,
            failures: state.failures,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PulseReport {
    /// Whether it has not worked for longer than it may.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.silence.is_some_and(|silence| silence > self.limit)
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::Internal {
        message: format!("a loop panicked: {}", text.unwrap_or("without a message")),
    }
}

/// The loops of a process. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Pulses(Arc<Mutex<Vec<Arc<Pulse>>>>);

impl Pulses {
    /// A loop begins, which may be silent for so long.
    #[must_use]
    pub fn begin(&self, name: &'static str, limit: Duration) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::new(name, limit));
        self.all().push(Arc::clone(&pulse));
        pulse
    }

    /// All loops now, in the order of their begin.
    #[must_use]
    pub fn reports(&self) -> Vec<PulseReport> {
        self.all().iter().map(|pulse| pulse.report()).collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Pulse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_and_a_panic_are_counted_and_the_loop_goes_on() {
        let pulses = Pulses::default();
        let pulse = pulses.begin("test", Duration::ZERO);
        let refused = pulse.round(async { Err::<(), _>(Error::StoreUnavailable) });
        assert_eq!(refused.await, Err(Error::StoreUnavailable));
        let error = pulse.round(async { panic!("of a bug") }).await as Result<()>;
        assert_eq!(error.unwrap_err().code(), Code::Internal);
        assert_eq!(pulse.round(async { Ok(7) }).await, Ok(7));
        assert_eq!(pulses.reports()[0].failures, 2);
    }

    #[test]
    fn a_loop_is_late_after_its_limit_and_never_while_it_rests() {
        let late = Pulse::new("test", Duration::ZERO);
        let well = Pulse::new("test", Duration::from_secs(60));
        while !late.report().is_late() {
            std::thread::yield_now();
        }
        assert!(!well.report().is_late());
        late.rests();
        assert!(!late.report().is_late());
        late.failed(&Error::StoreUnavailable);
        assert!(late.report().silence.is_some(), "what fails does not rest");
    }

    #[test]
    fn pauses_grow_to_a_bound_and_start_over_after_a_success() {
        let pulse = Pulse::new("test", Duration::ZERO);
        let pauses: Vec<_> = (0..12).map(|_| pulse.pause()).collect();
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        assert!(pauses[11] >= LONGEST_PAUSE / 2);
        pulse.worked();
        assert!(pulse.pause() <= FIRST_PAUSE);
    }
}
