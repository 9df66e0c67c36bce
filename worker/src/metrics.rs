//! `GET /metrics` of the binary, as Prometheus reads it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use jobflow_worker::health::{Health, LoopReport};
use jobflow_worker::{Load, Worker, WorkerStats};
use metrics::{
    counter, describe_counter, describe_gauge, describe_histogram, gauge, with_local_recorder,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From what a fast handler takes to what a slow one does.
const BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0,
    1800.0,
];

/// What was measured is put into its buckets at least so often, so that it does
/// not pile up where nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// What attempts record on their way.
pub(crate) struct Exporter(PrometheusHandle);

impl Exporter {
    pub(crate) fn install() -> anyhow::Result<Self> {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS)?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).context("metrics are recorded already")?;
        describe_histogram!(
            "jobflow_worker_job_wait_seconds",
            "From when a job was ready until it was claimed, by the clock of the store."
        );
        describe_histogram!(
            "jobflow_worker_attempt_seconds",
            "From the start of an attempt to the end of its handler."
        );
        describe_counter!(
            "jobflow_worker_attempts_total",
            "Attempts that have ended, by their outcome."
        );
        describe_gauge!(
            "jobflow_worker_handler_up",
            "Whether a process that implements a handler takes jobs."
        );
        Ok(Self(handle))
    }

    pub(crate) fn routes(&self, worker: &Worker) -> Router {
        let recorded = self.0.clone();
        let observed = Observed {
            stats: worker.stats(),
            health: worker.health(),
            load: worker.load(),
        };
        let page = async move || {
            let text = recorded.render() + &observed.render();
            ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
        };
        Router::new().route("/metrics", get(page))
    }

    /// Never ends.
    pub(crate) async fn upkeep(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.0.run_upkeep();
        }
    }
}

/// What is looked at when somebody asks.
#[derive(Clone)]
struct Observed {
    stats: Arc<WorkerStats>,
    health: Arc<Health>,
    load: Load,
}

impl Observed {
    fn render(&self) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || {
            self.tell_counters();
            self.tell_health();
        });
        recorder.handle().render()
    }

    fn tell_counters(&self) {
        let stats = &self.stats;
        for (name, help, value) in [
            (
                "jobflow_worker_claims_total",
                "Claim calls that were answered.",
                &stats.claims,
            ),
            (
                "jobflow_worker_claimed_jobs_total",
                "Jobs that came with them.",
                &stats.claimed,
            ),
            (
                "jobflow_worker_failed_jobs_total",
                "Jobs that failed for good.",
                &stats.failed,
            ),
            (
                "jobflow_worker_lost_leases_total",
                "Attempts whose outcome was refused, or could not be stored before the lease ran out.",
                &stats.lease_lost,
            ),
            (
                "jobflow_worker_lost_handlers_total",
                "Attempts whose handler's process was lost.",
                &stats.lost,
            ),
            (
                "jobflow_worker_panics_total",
                "Attempts that ended in a panic.",
                &stats.panics,
            ),
            (
                "jobflow_worker_timeouts_total",
                "Attempts that ran into their deadline.",
                &stats.timeouts,
            ),
        ] {
            describe_counter!(name, help);
            counter!(name).absolute(value.get());
        }
    }

    fn tell_health(&self) {
        let report = self.health.report();
        for (name, help, value) in [
            (
                "jobflow_worker_slots",
                "How many attempts may run at once.",
                count(self.load.slots()),
            ),
            (
                "jobflow_worker_busy_slots",
                "How many attempts run.",
                count(self.load.busy()),
            ),
            (
                "jobflow_worker_stuck_handlers",
                "Handlers that block their thread after they had to end.",
                count(report.stuck_handlers),
            ),
            (
                "jobflow_worker_quiet",
                "Whether it was told to claim nothing.",
                f64::from(u8::from(report.quiet)),
            ),
            (
                "jobflow_worker_serving",
                "Whether it hears of jobs, as its health says.",
                f64::from(u8::from(report.status == "SERVING")),
            ),
        ] {
            describe_gauge!(name, help);
            gauge!(name).set(value);
        }
        if let Some(age) = report.last_claim_poll_age_ms {
            let name = "jobflow_worker_last_claim_poll_age_seconds";
            describe_gauge!(name, "How long ago the last claim was answered.");
            gauge!(name).set(seconds(age));
        }
        report.loops.iter().for_each(tell_loop);
        let name = "jobflow_worker_build_info";
        describe_gauge!(name, "Always 1; its label is the version.");
        gauge!(name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    }
}

fn tell_loop(report: &LoopReport) {
    let (silence, limit, failures) = (
        "jobflow_worker_loop_silence_seconds",
        "jobflow_worker_loop_limit_seconds",
        "jobflow_worker_loop_failures_total",
    );
    describe_gauge!(
        silence,
        "How long ago a round of a loop last worked; 0 while it rests."
    );
    describe_gauge!(limit, "After so long a silence the worker is not serving.");
    describe_counter!(failures, "Rounds of a loop that did not work.");
    gauge!(silence, "loop" => report.name).set(seconds(report.silence_ms.unwrap_or_default()));
    gauge!(limit, "loop" => report.name).set(seconds(report.limit_ms));
    counter!(failures, "loop" => report.name).absolute(report.failures);
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}
