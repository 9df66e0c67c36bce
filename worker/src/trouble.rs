//! What a loop that must never end does about errors.

use std::time::Duration;

use jobflow::{Code, Error};
use rand::Rng;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Pauses that double, with jitter so that workers do not come back together.
pub(crate) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// Pauses while errors last, and one log line per change.
pub(crate) struct Trouble {
    doing: &'static str,
    code: Option<Code>,
    pauses: Pauses,
}

impl Trouble {
    pub(crate) fn new(doing: &'static str) -> Self {
        Self {
            doing,
            code: None,
            pauses: Pauses::default(),
        }
    }

    /// Takes an error in and says how long to pause.
    pub(crate) fn met(&mut self, error: &Error) -> Duration {
        if self.code != Some(error.code()) {
            tracing::warn!(code = error.code().as_str(), %error, "can not {}; trying again until it works", self.doing);
            self.code = Some(error.code());
        }
        self.pauses.next()
    }

    /// Takes a success in.
    pub(crate) fn over(&mut self) {
        if self.code.take().is_some() {
            tracing::info!("can {} again", self.doing);
            self.pauses = Pauses::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_start_over_after_a_success() {
        let mut trouble = Trouble::new("test");
        let pauses: Vec<_> = (0..10)
            .map(|_| trouble.met(&Error::StoreUnavailable))
            .collect();
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        assert!(pauses[9] >= LONGEST_PAUSE / 2);
        trouble.over();
        assert!(trouble.met(&Error::StoreUnavailable) <= FIRST_PAUSE);
    }
}
