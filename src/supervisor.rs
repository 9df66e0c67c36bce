//! What the supervisor of this process hears, where it is systemd: that it is
//! ready, that it lives, that it stops.

use std::future::pending;

use sd_notify::NotifyState;

/// This process is ready.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// This process stops, and may take its time.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Says in time that this process lives, as long as it `lives`. Never ends.
pub async fn stay_alive(lives: impl Fn() -> bool) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return pending().await;
    };
    loop {
        if lives() {
            tell(NotifyState::Watchdog);
        }
        tokio::time::sleep(limit / 3).await;
    }
}

/// Nothing where nobody listens.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the supervisor was not told");
    }
}
