//! A running server: listeners, housekeeping, and a graceful stop on SIGTERM or Ctrl-C.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::App;
use crate::http::listener::{self, Listener};

/// How soon another process's changes of configuration are seen here.
const REFRESH: Duration = Duration::from_millis(250);
/// How often what has expired is removed, and how much of it at a time.
const SWEEP: Duration = Duration::from_secs(10);
const SWEEP_AT_MOST: usize = 1000;

/// Serves until a signal says stop; a second signal ends the process at once.
pub async fn until_stopped(app: Arc<App>, listeners: Vec<Listener>) -> Result<(), String> {
    let say = |error: std::io::Error| format!("cannot listen for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(say)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(say)?;
    let (stop, stopped) = watch::channel(false);
    let housekeeping = tokio::spawn(housekeeping(Arc::clone(&app)));
    let limits = app.limits();
    let serving = tokio::spawn(listener::serve(Arc::clone(&app), listeners, limits, stopped));

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: no new connections, requests in flight are finished");
    app.stop();
    let _ = stop.send(true);
    let finished = tokio::select! {
        finished = serving => finished.unwrap_or(false),
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
    };
    housekeeping.abort();
    app.close();
    if finished {
        tracing::info!("stopped");
        Ok(())
    } else {
        Err("stopped before every request in flight was answered".to_owned())
    }
}

async fn housekeeping(app: Arc<App>) {
    let mut refresh = tokio::time::interval(REFRESH);
    let mut sweep = tokio::time::interval(SWEEP);
    refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            _ = refresh.tick() => app.refresh().await,
            _ = sweep.tick() => app.sweep(SWEEP_AT_MOST).await,
        };
        if let Err(failure) = done {
            tracing::warn!(%failure, "housekeeping failed; it is tried again");
        }
    }
}
