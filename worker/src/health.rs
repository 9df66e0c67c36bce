//! Whether a worker hears of jobs, and how others ask: `grpc.health.v1` and `GET /healthz`.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use jobflow::{PulseReport, Pulses};
use serde::Serialize;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// The gRPC health service knows the worker by this name, and by the empty one.
pub const HEALTH_SERVICE: &str = "jobflow.v1.Worker";

/// A worker with free slots that has not heard from the store for so long is
/// deaf. Idle workers ask every two seconds.
const DEAF_AFTER: Duration = Duration::from_secs(10);
/// How often the gRPC service is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

const NEVER: u64 = u64::MAX;

/// What the claim loop notes about itself.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    /// Milliseconds after the start; `NEVER` before the first poll.
    polled: AtomicU64,
    /// Since when there are free slots; `NEVER` while there are none.
    free_since: AtomicU64,
    /// It was told to claim nothing.
    quiet: AtomicBool,
    /// Handlers that can not be dropped.
    stuck: Arc<AtomicUsize>,
    /// The loops beside the claims.
    pulses: Pulses,
}

/// The health of a worker at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// `SERVING` or `NOT_SERVING`.
    pub status: &'static str,
    /// How long ago the last claim poll worked; none before the first.
    pub last_claim_poll_age_ms: Option<u64>,
    /// Whether every slot is taken: such a worker does not poll, and is well.
    pub slots_taken: bool,
    /// Whether it was told to claim nothing: such a worker does not poll either.
    pub quiet: bool,
    /// How many handlers block their thread after they had to end. They take no
    /// slots, but a thread each, and make the worker slower.
    pub stuck_handlers: usize,
    /// The loops that must never end, beside that of the claims.
    pub loops: Vec<LoopReport>,
}

/// One loop that must never end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoopReport {
    /// Which.
    pub name: &'static str,
    /// How long ago a round of it last worked; none while it has nothing to do.
    pub silence_ms: Option<u64>,
    /// After so long without one the worker is not serving.
    pub limit_ms: u64,
    /// Rounds that did not work, since the start.
    pub failures: u64,
}

impl From<PulseReport> for LoopReport {
    fn from(pulse: PulseReport) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            name: pulse.name,
            silence_ms: pulse.silence.map(ms),
            limit_ms: ms(pulse.limit),
            failures: pulse.failures,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            polled: AtomicU64::new(NEVER),
            free_since: AtomicU64::new(0),
            quiet: AtomicBool::new(false),
            stuck: Arc::default(),
            pulses: Pulses::default(),
        }
    }
}

impl Health {
    /// The health now.
    #[must_use]
    pub fn report(&self) -> HealthReport {
        self.report_at(self.now())
    }

    fn report_at(&self, now: u64) -> HealthReport {
        let polled = self.polled.load(Ordering::Relaxed);
        let free_since = self.free_since.load(Ordering::Relaxed);
        let slots_taken = free_since == NEVER;
        let silent = Duration::from_millis(now.saturating_sub(polled.max(free_since)));
        let quiet = self.quiet.load(Ordering::Relaxed);
        let pulses = self.pulses.reports();
        let hears = quiet || (polled != NEVER && (slots_taken || silent <= DEAF_AFTER));
        let serving = hears && !pulses.iter().any(PulseReport::is_late);
        HealthReport {
            status: if serving { "SERVING" } else { "NOT_SERVING" },
            last_claim_poll_age_ms: (polled != NEVER).then(|| now.saturating_sub(polled)),
            slots_taken,
            quiet,
            stuck_handlers: self.stuck.load(Ordering::Relaxed),
            loops: pulses.into_iter().map(Into::into).collect(),
        }
    }

    /// Where the other loops say how they are.
    pub(crate) const fn pulses(&self) -> &Pulses {
        &self.pulses
    }

    /// A claim poll was answered.
    pub(crate) fn polled(&self) {
        self.polled.store(self.now(), Ordering::Relaxed);
    }

    pub(crate) fn slots_taken(&self, taken: bool) {
        let since = if taken { NEVER } else { self.now() };
        self.free_since.store(since, Ordering::Relaxed);
    }

    pub(crate) fn quiet(&self, quiet: bool) {
        if !quiet {
            // It has not polled meanwhile, and now has time to.
            let now = self.now();
            let free = |since| (since != NEVER).then_some(now);
            let order = Ordering::Relaxed;
            // Without a free slot there is nothing to move.
            let _ = self.free_since.fetch_update(order, order, free);
        }
        self.quiet.store(quiet, Ordering::Relaxed);
    }

    /// A handler that can not be dropped, until the answer is.
    pub(crate) fn stuck(&self) -> StuckHandler {
        self.stuck.fetch_add(1, Ordering::Relaxed);
        StuckHandler(self.stuck.clone())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }
}

/// Counts as stuck until it is dropped.
pub(crate) struct StuckHandler(Arc<AtomicUsize>);

impl Drop for StuckHandler {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HealthReport {
    fn serving(&self) -> bool {
        self.status == "SERVING"
    }
}

/// Answers health questions on `listener` until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_beside(listener, health, Router::new(), stop).await
}

/// The same, with other routes on the same port.
///
/// # Errors
/// When the listener fails.
pub async fn serve_beside(
    listener: TcpListener,
    health: Arc<Health>,
    routes: Router,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (reporter, service) = tonic_health::server::health_reporter();
    tell(&reporter, &health.report()).await;
    let asked = health.clone();
    let router: Router = Routes::new(service)
        .into_axum_router()
        .route("/healthz", get(async move || answer(asked.report())))
        .merge(routes);
    // Otherwise small answers wait for the other side's delayed acknowledgement.
    let listener = listener.tap_io(|io| {
        let _ = io.set_nodelay(true);
    });
    // No graceful end: a health watch is open for ever.
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served,
        () = keep_telling(&reporter, &health) => Ok(()),
        () = stop => Ok(()),
    }
}

fn answer(report: HealthReport) -> (StatusCode, Json<HealthReport>) {
    let status = if report.serving() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report))
}

async fn keep_telling(reporter: &HealthReporter, health: &Health) {
    let mut was_serving = true;
    loop {
        let report = health.report();
        tell(reporter, &report).await;
        let serving = report.serving();
        if was_serving && !serving && report.last_claim_poll_age_ms.is_some() {
            tracing::warn!(
                ?report,
                "worker is deaf: a loop of it has had no answer from the store for too long"
            );
        }
        was_serving = serving;
        tokio::time::sleep(TELL_EVERY).await;
    }
}

async fn tell(reporter: &HealthReporter, report: &HealthReport) {
    let status = if report.serving() {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    for service in ["", HEALTH_SERVICE] {
        reporter.set_service_status(service, status).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(polled: u64, free_since: u64) -> Health {
        Health {
            polled: AtomicU64::new(polled),
            free_since: AtomicU64::new(free_since),
            ..Health::default()
        }
    }

    #[test]
    fn a_worker_that_never_polled_is_not_serving() {
        let report = health(NEVER, 0).report_at(50);
        assert!(!report.serving());
        assert_eq!(report.last_claim_poll_age_ms, None);
    }

    #[test]
    fn a_deaf_worker_is_not_serving_and_says_since_when() {
        assert!(health(1_000, 0).report_at(11_000).serving());
        let deaf = health(1_000, 0).report_at(11_001);
        assert!(!deaf.serving());
        assert_eq!(deaf.last_claim_poll_age_ms, Some(10_001));
    }

    #[test]
    fn a_full_worker_is_well_and_has_time_to_poll_once_a_slot_is_free() {
        assert!(health(1_000, NEVER).report_at(3_600_000).serving());
        assert!(health(1_000, 3_600_000).report_at(3_609_000).serving());
        assert!(!health(1_000, 3_600_000).report_at(3_611_000).serving());
    }

    #[test]
    fn a_worker_of_which_one_loop_is_silent_is_not_serving_and_says_which() {
        let health = health(1_000, NEVER);
        let pulse = health.pulses().begin("beat", Duration::ZERO);
        while !pulse.report().is_late() {
            std::thread::yield_now();
        }
        let report = health.report_at(1_000);
        assert!(!report.serving());
        let [beat] = &report.loops[..] else {
            panic!("{report:?}");
        };
        assert_eq!((beat.name, beat.limit_ms), ("beat", 0));
        pulse.rests();
        assert!(health.report_at(1_000).serving());
    }

    #[test]
    fn a_quiet_worker_is_well_and_has_time_to_poll_when_it_goes_on() {
        let health = health(0, 0);
        health.quiet(true);
        let report = health.report_at(3_600_000);
        assert!(report.serving() && report.quiet);
        health.quiet(false);
        let report = health.report();
        assert!(report.serving() && !report.quiet);
        // A full one stays full.
        health.slots_taken(true);
        health.quiet(false);
        assert!(health.report().slots_taken);
    }

    #[test]
    fn stuck_handlers_are_counted_while_they_are_stuck() {
        let health = Health::default();
        let (one, two) = (health.stuck(), health.stuck());
        assert_eq!(health.report().stuck_handlers, 2);
        drop(one);
        drop(two);
        assert_eq!(health.report().stuck_handlers, 0);
    }
}
