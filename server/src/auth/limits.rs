//! How much one principal may ask of this server at once.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jobflow::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::table::Time;

/// What each principal may do; servers without tokens know no principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls a second, with bursts of as many; 0 for any number.
    pub rate: u32,
    /// Calls under way.
    pub in_flight: usize,
    /// Streams and waits that are open.
    pub streams: usize,
}

/// The counts of one principal.
#[derive(Debug)]
pub(super) struct Limits {
    limits: CallLimits,
    rate: Option<DefaultDirectRateLimiter>,
    in_flight: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// Calls that look through queues at a time, so that others have turns, too.
    pub(super) looks: Semaphore,
}

/// Half of what the server does of them.
const LOOKS: usize = super::guard::LOOKS / 2;

impl Limits {
    pub(super) fn new(limits: CallLimits) -> Self {
        let rate = NonZeroU32::new(limits.rate);
        Self {
            limits,
            rate: rate.map(|rate| RateLimiter::direct(Quota::per_second(rate))),
            in_flight: Arc::new(Semaphore::new(limits.in_flight)),
            streams: Arc::new(Semaphore::new(limits.streams)),
            looks: Semaphore::new(LOOKS),
        }
    }

    /// Counts one more call until the permit is dropped.
    pub(super) fn admit(&self, time: Time) -> Result<OwnedSemaphorePermit> {
        let too_many = |limit: String| Error::RateLimited { limit };
        if self.rate.as_ref().is_some_and(|rate| rate.check().is_err()) {
            return Err(too_many(format!("{} a second", self.limits.rate)));
        }
        if time == Time::Open {
            let permit = Arc::clone(&self.streams).try_acquire_owned();
            let limit = self.limits.streams;
            return permit.map_err(|_| Error::TooManyStreams { limit });
        }
        let permit = Arc::clone(&self.in_flight).try_acquire_owned();
        permit.map_err(|_| too_many(format!("{} under way", self.limits.in_flight)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_calls_under_way_and_streams_have_limits_of_their_own() {
        let limits = Limits::new(CallLimits {
            rate: 0,
            in_flight: 2,
            streams: 1,
        });
        let held = [limits.admit(Time::Short), limits.admit(Time::Long)];
        assert!(held.iter().all(Result::is_ok));
        let refused = limits.admit(Time::Short).unwrap_err();
        assert_eq!(refused.code(), jobflow::Code::RateLimited);
        let stream = limits.admit(Time::Open);
        assert!(stream.is_ok());
        let refused = limits.admit(Time::Open).unwrap_err();
        assert_eq!(refused.code(), jobflow::Code::TooManyStreams);
        drop(held);
        assert!(limits.admit(Time::Short).is_ok());

        let limits = Limits::new(CallLimits {
            rate: 3,
            in_flight: 100,
            streams: 1,
        });
        let passed = (0..100).filter(|_| limits.admit(Time::Short).is_ok());
        assert!((3..=4).contains(&passed.count()));
    }
}
