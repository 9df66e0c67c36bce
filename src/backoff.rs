//! How long an errored job waits for its next attempt. Pure: no clock, no Redis.

use std::time::Duration;

use crate::error::{Error, Result};

/// The longest delay between two attempts.
pub const MAX_BACKOFF: Duration = Duration::from_secs(30 * 24 * 3600);

/// Exponential backoff with full jitter: attempt *n* waits a random time
/// between zero and `min(max, initial * multiplier^(n-1))`, so that jobs which
/// errored together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    initial: Duration,
    multiplier: f64,
    max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            multiplier: 2.0,
            max: Duration::from_secs(3600),
        }
    }
}

impl Backoff {
    /// A policy of one's own.
    ///
    /// # Errors
    /// `INVALID_FIELD` when `multiplier` is not in 1 to 100, or a delay is over 30 days.
    pub fn new(initial: Duration, multiplier: f64, max: Duration) -> Result<Self> {
        if initial > MAX_BACKOFF {
            return Err(Error::invalid("backoff.initial", "must be at most 30 days"));
        }
        if max > MAX_BACKOFF {
            return Err(Error::invalid("backoff.max", "must be at most 30 days"));
        }
        // Written so that NaN is refused too.
        if !(1.0..=100.0).contains(&multiplier) {
            return Err(Error::invalid("backoff.multiplier", "must be 1 to 100"));
        }
        Ok(Self {
            initial,
            multiplier,
            max,
        })
    }

    /// The delay before the first retry, without jitter.
    #[must_use]
    pub const fn initial(&self) -> Duration {
        self.initial
    }

    /// By how much each delay grows.
    #[must_use]
    pub const fn multiplier(&self) -> f64 {
        self.multiplier
    }

    /// The longest delay, without jitter.
    #[must_use]
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// The longest this policy waits after `attempt` (from 1) has errored.
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let exponent = f64::from(attempt.saturating_sub(1));
        let seconds = self.initial.as_secs_f64() * self.multiplier.powf(exponent);
        // At high attempts the power is infinite; `min` brings it back.
        Duration::from_secs_f64(seconds.min(self.max.as_secs_f64()))
    }

    /// The delay after `attempt` (from 1) has errored, for a `random` in 0 to 1.
    #[must_use]
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        self.ceiling(attempt).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_maximum() {
        let backoff = Backoff::default();
        let seconds: Vec<_> = (1..=14).map(|n| backoff.ceiling(n).as_secs()).collect();
        assert_eq!(
            seconds,
            [
                1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600
            ]
        );
        assert_eq!(backoff.ceiling(1_000), Duration::from_secs(3600));
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_secs(3600));
    }

    #[test]
    fn jitter_covers_the_whole_range_and_never_leaves_it() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(3, 0.0), Duration::ZERO);
        assert_eq!(backoff.delay(3, 1.0), Duration::from_secs(4));
        assert_eq!(backoff.delay(3, 7.0), Duration::from_secs(4));
        assert_eq!(backoff.delay(3, 0.5), Duration::from_secs(2));
    }

    #[test]
    fn odd_policies_do_not_construct() {
        let (second, year) = (Duration::from_secs(1), Duration::from_secs(365 * 24 * 3600));
        for multiplier in [0.9, f64::NAN, f64::INFINITY, -1.0, 101.0] {
            assert!(
                Backoff::new(second, multiplier, second).is_err(),
                "{multiplier}"
            );
        }
        assert!(Backoff::new(year, 2.0, second).is_err());
        assert!(Backoff::new(second, 2.0, year).is_err());
    }
}
