//! What systemd is told.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::store::Store;

/// Tells systemd, where there is one. What it does not hear is its matter: it
/// ends who does not say that they are ready.
pub(crate) fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(reason = %error, "systemd could not be told");
    }
}

/// Tells systemd's watchdog that all is well as long as the spool answers.
pub(crate) async fn watch(interval: Duration, store: Arc<dyn Store>) {
    let half = interval / 2;
    let mut ticks = tokio::time::interval(half);
    loop {
        ticks.tick().await;
        match tokio::time::timeout(half, store.usage()).await {
            Ok(Ok(_)) => tell(&[NotifyState::Watchdog]),
            Ok(Err(error)) => {
                tracing::error!(reason = crate::refusal::chain(&error), "the spool is not well");
            }
            Err(_) => tracing::error!("the spool does not answer"),
        }
    }
}
