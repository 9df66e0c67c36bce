//! What an operator told this worker: to be quiet, to go on, or to stop.

use std::sync::Arc;

use jobflow::{WorkerSignal, WorkerState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::health::Health;

/// Whether a worker claims.
#[derive(Debug)]
pub(crate) struct Posture {
    quiet: watch::Sender<bool>,
    /// No more claims, for good.
    stop: CancellationToken,
    health: Arc<Health>,
}

impl Posture {
    pub(crate) fn new(stop: CancellationToken, health: Arc<Health>) -> Self {
        Self {
            quiet: watch::Sender::new(false),
            stop,
            health,
        }
    }

    /// Does as it is told; being told twice is being told once.
    pub(crate) fn obey(&self, signal: WorkerSignal) {
        match signal {
            WorkerSignal::Quiet => self.be_quiet(true),
            WorkerSignal::Resume => self.be_quiet(false),
            WorkerSignal::Stop => {
                if !self.stop.is_cancelled() {
                    tracing::info!("told to stop");
                    self.stop.cancel();
                }
            }
        }
    }

    fn be_quiet(&self, quiet: bool) {
        let changed = self
            .quiet
            .send_if_modified(|present| std::mem::replace(present, quiet) != quiet);
        if changed {
            self.health.quiet(quiet);
            let told = if quiet { "be quiet" } else { "go on" };
            tracing::info!("told to {told}");
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        *self.quiet.borrow()
    }

    pub(crate) fn state(&self) -> WorkerState {
        if self.stop.is_cancelled() {
            WorkerState::Stopping
        } else if self.is_quiet() {
            WorkerState::Quiet
        } else {
            WorkerState::Running
        }
    }

    /// Resolves while the worker is quiet, or as soon as it is.
    pub(crate) async fn is_told_to_be_quiet(&self) {
        // Fails only without a sender, and that is here.
        let _ = self.quiet.subscribe().wait_for(|quiet| *quiet).await;
    }

    /// Resolves while the worker may claim, or as soon as it may.
    pub(crate) async fn may_claim(&self) {
        let _ = self.quiet.subscribe().wait_for(|quiet| !*quiet).await;
    }

    /// To follow it.
    pub(crate) fn changes(&self) -> Changes {
        Changes {
            quiet: self.quiet.subscribe(),
            stop: Some(self.stop.clone()),
        }
    }
}

/// Follows a posture.
pub(crate) struct Changes {
    quiet: watch::Receiver<bool>,
    /// Until the stop was told.
    stop: Option<CancellationToken>,
}

impl Changes {
    /// Resolves at the next change.
    pub(crate) async fn next(&mut self) {
        let Some(stop) = &self.stop else {
            return std::future::pending().await;
        };
        let stopped = tokio::select! {
            changed = self.quiet.changed() => changed.is_err(),
            () = stop.cancelled() => true,
        };
        if stopped {
            self.stop = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_worker_is_what_it_was_told_last_and_a_stop_is_final() {
        let stop = CancellationToken::new();
        let posture = Posture::new(stop.clone(), Arc::default());
        let mut changes = posture.changes();
        assert_eq!(posture.state(), WorkerState::Running);
        assert!(changes.next().now_or_never().is_none());
        for (signal, state) in [
            (WorkerSignal::Quiet, WorkerState::Quiet),
            (WorkerSignal::Resume, WorkerState::Running),
            (WorkerSignal::Quiet, WorkerState::Quiet),
            (WorkerSignal::Stop, WorkerState::Stopping),
        ] {
            posture.obey(signal);
            posture.obey(signal);
            assert_eq!(posture.state(), state);
            assert!(changes.next().now_or_never().is_some(), "{signal:?}");
            assert!(changes.next().now_or_never().is_none(), "{signal:?}");
        }
        posture.obey(WorkerSignal::Resume);
        assert_eq!(posture.state(), WorkerState::Stopping);
        assert!(stop.is_cancelled());
    }

    #[test]
    fn a_quiet_worker_may_not_claim() {
        let posture = Posture::new(CancellationToken::new(), Arc::default());
        assert!(posture.may_claim().now_or_never().is_some());
        assert!(posture.is_told_to_be_quiet().now_or_never().is_none());
        posture.obey(WorkerSignal::Quiet);
        assert!(posture.may_claim().now_or_never().is_none());
        assert!(posture.is_told_to_be_quiet().now_or_never().is_some());
    }
}
