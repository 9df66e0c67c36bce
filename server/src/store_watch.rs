//! Whether the store may be used: the one place that knows.

use std::sync::Arc;
use std::time::Duration;

use jobflow::{Error, JobQueue, Pulses, Result, StoreInfo, proto};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::together::Together;

/// A store that needs longer for two small commands is as good as absent.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a good store is looked at again: its settings may change.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How soon a bad one is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// How long no check may work.
const LIMIT: Duration = Duration::from_secs(15);

/// The result of the last check.
#[derive(Debug, Clone)]
pub(crate) enum StoreState {
    Unchecked,
    Usable(StoreInfo),
    Unusable(Error),
}

impl StoreState {
    pub(crate) const fn is_usable(&self) -> bool {
        matches!(self, Self::Usable(_))
    }
}

/// Checks the store in the background and on demand.
#[derive(Clone)]
pub(crate) struct StoreWatch {
    queue: JobQueue,
    state: watch::Sender<StoreState>,
    /// Anybody may ask whether the server is ready.
    checked: Arc<Together<Result<StoreInfo>>>,
}

impl StoreWatch {
    pub(crate) fn new(queue: JobQueue) -> Self {
        let state = watch::Sender::new(StoreState::Unchecked);
        let checked = Arc::new(Together::new());
        Self {
            queue,
            state,
            checked,
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<StoreState> {
        self.state.subscribe()
    }

    /// The Redis version, while the store is usable.
    pub(crate) fn version(&self) -> Option<String> {
        match &*self.state.borrow() {
            StoreState::Usable(info) => Some(info.version.clone()),
            StoreState::Unchecked | StoreState::Unusable(_) => None,
        }
    }

    /// What the store used when it was last checked.
    pub(crate) fn memory(&self) -> Option<proto::StoreMemory> {
        match &*self.state.borrow() {
            StoreState::Usable(info) => Some(proto::StoreMemory {
                used_bytes: info.used_memory.try_into().unwrap_or(i64::MAX),
                max_bytes: info.max_memory.try_into().unwrap_or(i64::MAX),
            }),
            StoreState::Unchecked | StoreState::Unusable(_) => None,
        }
    }

    /// Lets a call through to a store that passed its last check. Any other
    /// store is checked first, so that none is written to before it has shown
    /// that it keeps what it is given.
    pub(crate) async fn admit(&self) -> Result<()> {
        if self.state.borrow().is_usable() {
            return Ok(());
        }
        self.check().await.map(|_| ())
    }

    /// Why no jobs are given to a store that answers.
    pub(crate) fn refusal(&self) -> Option<Error> {
        match &*self.state.borrow() {
            StoreState::Unusable(
                error @ (Error::StoreUnsafe { .. }
                | Error::LayoutMismatch { .. }
                | Error::StoreReadOnly),
            ) => Some(error.clone()),
            StoreState::Unchecked | StoreState::Usable(_) | StoreState::Unusable(_) => None,
        }
    }

    /// Asks the store; no answer is older than this call.
    pub(crate) async fn check(&self) -> Result<StoreInfo> {
        self.checked.ask(self.ask()).await
    }

    async fn ask(&self) -> Result<StoreInfo> {
        let checked = timeout(CHECK_TIMEOUT, self.queue.check_writable_store()).await;
        let checked = checked.unwrap_or(Err(Error::StoreUnavailable));
        self.record(match &checked {
            Ok(info) => StoreState::Usable(info.clone()),
            Err(error) => StoreState::Unusable(error.clone()),
        });
        checked
    }

    /// Checks until `stopping`.
    pub(crate) async fn run(self, pulses: Pulses, stopping: CancellationToken) {
        let pulse = pulses.begin("store watch", LIMIT);
        let mut pause = RETRY_EVERY;
        while stopping.run_until_cancelled(sleep(pause)).await.is_some() {
            pause = match pulse.round(self.check()).await {
                Ok(_) => CHECK_EVERY,
                Err(_) => RETRY_EVERY,
            };
        }
    }

    /// Keeps the state and logs when it changes, not each time it is confirmed.
    fn record(&self, next: StoreState) {
        self.state.send_modify(|state| {
            match (&*state, &next) {
                (StoreState::Usable(_), StoreState::Usable(_)) => {}
                (StoreState::Unusable(before), StoreState::Unusable(now)) if before == now => {}
                (_, StoreState::Usable(info)) => {
                    info!(version = info.version, "the store is usable");
                }
                (_, StoreState::Unusable(error)) => warn!("the store is not usable: {error}"),
                (_, StoreState::Unchecked) => {}
            }
            *state = next;
        });
    }
}
