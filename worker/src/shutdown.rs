//! When a worker stops, and in what steps.

use std::convert::Infallible;
use std::future;
use std::process;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Fires when this process leaves SIGTERM and SIGINT to [`shutdown_signal`].
static LISTENS: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// What a stop may take beside its grace: handlers are told to end, dropped, their
/// jobs handed back, the worker taken out of the list.
const ENDING: Duration = Duration::from_secs(10);
/// A runtime that has not come to a task after so long has no thread for it.
const ANSWER: Duration = Duration::from_secs(2);

/// Resolves at SIGTERM or SIGINT.
///
/// From the first poll on these signals no longer end the process by
/// themselves; a second one makes a stopping worker give up its grace. A worker
/// that has not ended ten seconds after its grace, and none of whose threads
/// answers, takes the process with it: exit code 1, its jobs run elsewhere when
/// their leases end.
pub async fn shutdown_signal() {
    LISTENS.cancel();
    next_signal().await;
}

/// Ends the process in place of a runtime that nothing can run on any more; to be
/// awaited on another one. Does nothing in a process that handles its signals in
/// its own way.
pub(crate) async fn end_by_force(runtime: Handle, grace: Duration) -> Infallible {
    LISTENS.cancelled().await;
    next_signal().await;
    tokio::select! {
        () = sleep(grace + ENDING) => {}
        () = async {
            next_signal().await;
            sleep(ENDING).await;
        } => {}
    }
    // One that answers has its reasons to go on, or ends its worker later.
    while timeout(ANSWER, runtime.spawn(async {})).await.is_ok() {
        sleep(ANSWER).await;
    }
    tracing::error!(
        "handlers block every thread of this process; it ends without them, and their jobs run again when their leases end"
    );
    process::exit(1)
}

/// The signal after the first one. Never, in a process that handles its
/// signals in its own way.
pub(crate) async fn second_signal() {
    if LISTENS.is_cancelled() {
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
