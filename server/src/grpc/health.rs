//! `grpc.health.v1`, following the store, without which no call can be answered,
//! and the loops of the server.

use std::time::Duration;

use jobflow::proto::{
    admin_service_server, job_service_server, metrics_service_server, queue_service_server,
    token_service_server, worker_service_server,
};
use jobflow::{PulseReport, Pulses};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthReporter;

use crate::store_watch::StoreState;

pub(crate) type HealthService = HealthServer<tonic_health::server::HealthService>;

/// The whole server, and each service by its name.
const SERVICES: [&str; 7] = [
    "",
    job_service_server::SERVICE_NAME,
    queue_service_server::SERVICE_NAME,
    metrics_service_server::SERVICE_NAME,
    worker_service_server::SERVICE_NAME,
    admin_service_server::SERVICE_NAME,
    token_service_server::SERVICE_NAME,
];

/// The two ends: where the status is set and where it is asked for.
pub(crate) fn health() -> (HealthReporter, HealthService) {
    let reporter = HealthReporter::new();
    let service = tonic_health::server::HealthService::from_health_reporter(reporter.clone());
    (reporter, HealthServer::new(service))
}

/// How often the loops are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keeps the status true until `stopping`: the store is usable, and no loop has
/// been silent for longer than it may. Then says that it is over and ends the
/// streams of those who watch.
pub(crate) async fn follow_store(
    mut store: watch::Receiver<StoreState>,
    pulses: Pulses,
    mut reporter: HealthReporter,
    stopping: CancellationToken,
) {
    let mut reported = store.borrow_and_update().is_usable();
    report(&reporter, reported).await;
    loop {
        let look = timeout(LOOK_EVERY, store.changed());
        // The other end is gone only when the server is.
        let Some(Ok(Ok(())) | Err(_)) = stopping.run_until_cancelled(look).await else {
            break;
        };
        let late = pulses.reports().iter().any(PulseReport::is_late);
        let usable = store.borrow_and_update().is_usable() && !late;
        // Each report is a message to every watcher, so only changes are.
        if usable != reported {
            reported = usable;
            report(&reporter, reported).await;
        }
    }
    report(&reporter, false).await;
    for service in SERVICES {
        reporter.clear_service_status(service).await;
    }
}

async fn report(reporter: &HealthReporter, serving: bool) {
    let status = if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}
