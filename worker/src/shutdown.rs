//! When a worker stops, and in what steps.

use std::future;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Whether this process left SIGTERM and SIGINT to [`shutdown_signal`].
static LISTENS: AtomicBool = AtomicBool::new(false);

/// Resolves at SIGTERM or SIGINT.
///
/// From the first poll on these signals no longer end the process by
/// themselves; a second one makes a stopping worker give up its grace.
pub async fn shutdown_signal() {
    LISTENS.store(true, Ordering::Relaxed);
    next_signal().await;
}

/// The signal after the first one. Never, in a process that handles its
/// signals in its own way.
pub(crate) async fn second_signal() {
    if LISTENS.load(Ordering::Relaxed) {
        next_signal().await;
    } else {
        future::pending::<()>().await;
    }
}

async fn next_signal() {
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "can not listen to signals");
            future::pending::<()>().await;
        }
    }
}

/// The steps of a stop, each of which includes the ones before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps {
    /// No more claims.
    pub(crate) stop: CancellationToken,
    /// Grace is over: handlers are told to end, and dropped if they do not.
    pub(crate) cancel: CancellationToken,
    /// Handlers are dropped now.
    pub(crate) hurry: CancellationToken,
}

impl Steps {
    pub(crate) fn hurry(&self) {
        self.stop.cancel();
        self.cancel.cancel();
        self.hurry.cancel();
    }
}
