//! One server from start to stop.

use std::future::Future;
use std::time::Duration;

use jobflow::maintenance::{self, Duties};
use jobflow::{Code, Result, supervisor};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

use crate::app::App;
use crate::config::Config;
use crate::gate::Gate;
use crate::serve::{self, Door};
use crate::tls::Tls;
use crate::{grpc, reload, routes};

/// How long calls may go on after the stop signal.
const GRACE: Duration = Duration::from_secs(10);

/// How long a step of a bulk operation may go on after that.
const LAST_STEP: Duration = Duration::from_secs(3);

/// Workers promote and reap whenever they claim. The server does it so that
/// jobs of a queue without a worker still become visible as waiting.
const DUTIES: Duties = Duties {
    promote_every: Some(Duration::from_secs(10)),
    reap_every: Some(Duration::from_secs(10)),
    prune_every: Some(Duration::from_secs(60)),
};

/// Serves on `listeners` until `stop` resolves, then lets calls end for up to 10 s.
///
/// A store that does not answer is no reason not to start: calls are answered
/// with `STORE_UNAVAILABLE` until it does.
///
/// # Errors
/// `STORE_UNSAFE` when the store could evict jobs and that is not allowed, and
/// `INVALID_FIELD` when the Redis URL can not be read.
pub async fn run(
    config: Config,
    listeners: Vec<TcpListener>,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let stopping = CancellationToken::new();
    let app = App::open(&config, &stopping)?;
    check_store(&app).await?;
    let tls = config.tls.clone().map(Tls::open).transpose()?;
    let (health, health_service) = grpc::health();
    let router = routes::router(&app, &config, health_service)?;
    let mut background = background(&app, health, &stopping);
    if let Some(tokens) = app.tokens.clone() {
        if let Err(error) = tokens.read_store().await {
            warn!("starting without the tokens of the store: {error}");
        }
        background.spawn(tokens.run(app.pulses.clone(), stopping.clone()));
    }
    background.spawn(reload::run(
        tls.clone(),
        app.tokens.clone(),
        app.certificates.clone(),
        stopping.clone(),
    ));
    let stop_bulks = stopping.clone().cancelled_owned();
    let bulks = maintenance::run_bulks(app.queue.clone(), app.pulses.clone(), stop_bulks);
    let bulks = tokio::spawn(bulks);

    let gate = Gate::new(config.connections);
    let mut serving = JoinSet::new();
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            let scheme = if tls.is_some() { "https" } else { "http" };
            info!("ready on {scheme}://{address}");
        }
        let door = Door {
            router: router.clone(),
            tls: tls.clone(),
            gate: gate.clone(),
            stopping: stopping.clone(),
        };
        serving.spawn(serve::serve(listener, door, GRACE));
    }
    // Its timer runs on the threads that answer calls: no beat, no answers.
    background.spawn(supervisor::stay_alive(|| true));
    supervisor::ready();
    stop.await;
    supervisor::stopping();
    info!("stopping: calls have {} s to end", GRACE.as_secs());
    stopping.cancel();
    serving.join_all().await;
    background.shutdown().await;
    // A step under way is finished, so that another server can go on at once.
    match timeout(LAST_STEP, bulks).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!("bulk operations broke off: {error}"),
        Err(_) => warn!("a step of a bulk operation was left under way"),
    }
    info!("stopped");
    Ok(())
}

/// The loops that never end.
fn background(app: &App, health: HealthReporter, stopping: &CancellationToken) -> JoinSet<()> {
    let mut background = JoinSet::new();
    background.spawn(app.store.clone().run(app.pulses.clone(), stopping.clone()));
    background.spawn(app.metrics.clone().run());
    background.spawn(app.events.clone().run());
    background.spawn(app.calls.clone().upkeep());
    background.spawn(grpc::follow_store(
        app.store.subscribe(),
        app.pulses.clone(),
        health,
        stopping.clone(),
    ));
    background.spawn(maintenance::run(
        app.queue.clone(),
        DUTIES,
        app.pulses.clone(),
        stopping.clone().cancelled_owned(),
    ));
    background
}

async fn check_store(app: &App) -> Result<()> {
    match app.store.check().await {
        Err(error) if error.code() == Code::StoreUnsafe => Err(error),
        Err(error) => {
            warn!("starting without the store: {error}");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}
