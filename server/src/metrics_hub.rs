//! One poll of the store, fanned out to every stream; none when nobody watches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jobflow::proto::{Rates, StreamMetricsResponse};
use jobflow::{Error, Pulse, PulseReport, Pulses, QueueScope, Result};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::auth;
use crate::health::{Seen, judge};
use crate::numbers;
use crate::rates::RateWindow;

/// Reads the numbers from the store.
pub(crate) type Source = Box<dyn Fn() -> BoxFuture<'static, Result<Seen>> + Send + Sync>;

/// Streams open at once.
const MAX_STREAMS: usize = 4096;
/// A poll that takes longer is given up, so that streams learn of the outage.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);
/// How long no poll may work while somebody watches; the slowest ask every 15 s.
const LIMIT: Duration = Duration::from_secs(20);
/// A new stream is not given numbers older than this if there can be newer ones.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct MetricsHub(Arc<Shared>);

struct Shared {
    source: Source,
    server_id: String,
    latest: watch::Sender<Option<Arc<Frame>>>,
    audience: Mutex<Audience>,
    audience_changed: Notify,
    pulses: Pulses,
    pulse: Arc<Pulse>,
    stopping: CancellationToken,
}

/// One poll's outcome, as it goes to every stream.
struct Frame {
    polled: Instant,
    message: StreamMetricsResponse,
    seen: Result<Seen>,
    loops: Vec<PulseReport>,
}

impl Frame {
    /// The message, without what lies in other queues.
    fn shown_to(&self, scope: &QueueScope) -> StreamMetricsResponse {
        if scope.is_all() {
            return self.message.clone();
        }
        let mut message = auth::metrics(self.message.clone(), scope);
        match &self.seen {
            Ok(seen) => {
                let seen = seen.clone().narrowed(scope);
                message.health = Some(judge(Ok(&seen), &self.loops));
                message.workers = Some(numbers::worker_metrics(&seen.snapshot.workers));
            }
            // Why nothing was seen has no queue in it, and the workers are of before.
            Err(_) => message.workers = None,
        }
        message
    }
}

/// Who watches: how many streams ask for which interval.
#[derive(Default)]
struct Audience {
    intervals: BTreeMap<Duration, usize>,
    streams: usize,
    newcomer: bool,
}

impl Audience {
    /// How long after the poll before the next one is due; `None` when nobody watches.
    fn pause(&self) -> Option<Duration> {
        let (&fastest, _) = self.intervals.first_key_value()?;
        Some(if self.newcomer {
            fastest.min(FRESH)
        } else {
            fastest
        })
    }
}

/// What the poller remembers from one poll to the next.
#[derive(Default)]
struct Past {
    polled: Option<Instant>,
    sequence: u64,
    rates: RateWindow,
    last: StreamMetricsResponse,
}

impl MetricsHub {
    pub(crate) fn new(
        server_id: String,
        source: Source,
        pulses: Pulses,
        stopping: CancellationToken,
    ) -> Self {
        Self(Arc::new(Shared {
            source,
            server_id,
            latest: watch::Sender::new(None),
            audience: Mutex::default(),
            audience_changed: Notify::new(),
            pulse: pulses.begin("metrics hub", LIMIT),
            pulses,
            stopping,
        }))
    }

    /// Begins a stream about these queues with a message every `interval` at the most.
    ///
    /// # Errors
    /// `TOO_MANY_STREAMS`.
    pub(crate) fn subscribe(&self, interval: Duration, scope: QueueScope) -> Result<MetricsStream> {
        let mut audience = self.0.audience();
        if audience.streams >= MAX_STREAMS {
            return Err(Error::TooManyStreams { limit: MAX_STREAMS });
        }
        audience.streams += 1;
        audience.newcomer = true;
        *audience.intervals.entry(interval).or_default() += 1;
        drop(audience);
        self.0.audience_changed.notify_one();
        Ok(MetricsStream {
            shared: Arc::clone(&self.0),
            interval,
            scope,
            frames: self.0.latest.subscribe(),
            sent: None,
        })
    }

    /// Polls as often as the audience asks, until the server stops.
    pub(crate) async fn run(self) {
        let stopping = self.0.stopping.clone();
        stopping.run_until_cancelled(self.0.poll_for_ever()).await;
    }
}

impl Shared {
    fn audience(&self) -> MutexGuard<'_, Audience> {
        // Counting can not leave it half changed.
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn poll_for_ever(&self) {
        let mut past = Past::default();
        loop {
            let Some(pause) = self.audience().pause() else {
                self.latest.send_replace(None);
                past.rates.clear();
                self.pulse.rests();
                self.audience_changed.notified().await;
                self.pulse.wakes();
                continue;
            };
            let due = past
                .polled
                .map_or_else(Instant::now, |polled| polled + pause);
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.audience_changed.notified() => continue,
            }
            self.audience().newcomer = false;
            past.polled = Some(Instant::now());
            let poll = async {
                let polled = timeout(POLL_TIMEOUT, (self.source)()).await;
                polled.unwrap_or(Err(Error::StoreUnavailable))
            };
            // The pace is the audience's: one poll an interval, whatever comes of it.
            let polled = self.pulse.round(poll).await;
            self.publish(&mut past, polled);
        }
    }

    /// Without a snapshot, streams get the last known numbers with their time,
    /// which shows their age, and are told why there are no newer ones.
    fn publish(&self, past: &mut Past, polled: Result<Seen>) {
        let loops = self.pulses.reports();
        let health = judge(polled.as_ref(), &loops);
        match &polled {
            Ok(Seen {
                snapshot, memory, ..
            }) => {
                let rates = past.rates.observe(snapshot);
                past.last = numbers::message(snapshot, &rates, health, *memory);
            }
            Err(_) => {
                past.last.health = Some(health);
                past.last.rates = None;
                for queue in &mut past.last.queues {
                    queue.rates = Some(Rates::default());
                }
            }
        }
        past.sequence += 1;
        past.last.sequence = past.sequence;
        past.last.server_id.clone_from(&self.server_id);
        self.latest.send_replace(Some(Arc::new(Frame {
            polled: Instant::now(),
            message: past.last.clone(),
            seen: polled,
            loops,
        })));
    }
}

/// One watcher. It holds nothing back: whoever reads slowly gets the latest.
pub(crate) struct MetricsStream {
    shared: Arc<Shared>,
    interval: Duration,
    scope: QueueScope,
    frames: watch::Receiver<Option<Arc<Frame>>>,
    sent: Option<Instant>,
}

impl MetricsStream {
    /// The next message: at once the first time, then once per interval.
    ///
    /// # Errors
    /// `SHUTTING_DOWN` when the server stops.
    pub(crate) async fn next(&mut self) -> Result<StreamMetricsResponse> {
        let stopping = self.shared.stopping.clone();
        let message = stopping.run_until_cancelled(self.wait()).await;
        message.ok_or(Error::ShuttingDown)
    }

    async fn wait(&mut self) -> StreamMetricsResponse {
        let frame = match self.sent {
            None => self.fresh().await,
            Some(sent) => {
                sleep_until(sent + self.interval).await;
                self.unseen().await
            }
        };
        let mut message = frame.shown_to(&self.scope);
        message.snapshot = self.sent.is_none();
        self.sent = Some(Instant::now());
        message
    }

    async fn fresh(&mut self) -> Arc<Frame> {
        loop {
            let frame = self.frames.borrow_and_update().clone();
            if let Some(frame) = frame.filter(|frame| frame.polled.elapsed() < FRESH) {
                return frame;
            }
            self.changed().await;
        }
    }

    async fn unseen(&mut self) -> Arc<Frame> {
        loop {
            self.changed().await;
            if let Some(frame) = self.frames.borrow_and_update().clone() {
                return frame;
            }
        }
    }

    async fn changed(&mut self) {
        let changed = self.frames.changed().await;
        changed.expect("the sender lives as long as `shared`, which this stream holds");
    }
}

impl Drop for MetricsStream {
    fn drop(&mut self) {
        let mut audience = self.shared.audience();
        audience.streams -= 1;
        if let Some(count) = audience.intervals.get_mut(&self.interval) {
            *count -= 1;
            if *count == 0 {
                audience.intervals.remove(&self.interval);
            }
        }
        drop(audience);
        self.shared.audience_changed.notify_one();
    }
}

#[cfg(test)]
#[path = "metrics_hub_tests.rs"]
mod tests;
