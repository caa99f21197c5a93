//! A running server: listeners, housekeeping, and a graceful stop on SIGTERM, SIGHUP or Ctrl-C.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::app::App;
use crate::backchannel::Look;
use crate::http::listener::{self, Listener};

/// How soon another process's changes of configuration are seen here, where the storage does not say by itself that there
/// are some. Where it does, the timer goes on: a connection that is dead and does not know it says nothing.
const REFRESH: Duration = Duration::from_millis(250);
/// How often what has expired is removed, and how much of it at a time.
const SWEEP: Duration = Duration::from_secs(10);
const SWEEP_AT_MOST: usize = 1000;
/// How often logouts are looked for that are due by what this process knows, and that others may have left.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_EVERYWHERE: Duration = Duration::from_secs(30);

/// The signals that stop a server. From the moment that this exists they stop it in good order: make it before anybody is
/// told that the server is there.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals. Inside a runtime.
    pub fn taken() -> Result<Self, String> {
        let take = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hangup: take(SignalKind::hangup())?,
        })
    }
}

/// Serves until a signal says stop; a second signal ends the process at once.
pub async fn until_stopped(app: Arc<App>, listeners: Vec<Listener>, signals: Signals) -> Result<(), String> {
    set_limits();
    let Signals { mut terminate, mut interrupt, mut hangup } = signals;
    let (stop, stopped) = watch::channel(false);
    let mut housekeeping = tokio::spawn(housekeeping(Arc::clone(&app)));
    let mut telling = tokio::spawn(telling(Arc::clone(&app)));
    let limits = app.limits();
    let mut serving = tokio::spawn(listener::serve(Arc::clone(&app), listeners, limits, stopped));

    // Serving or housekeeping ends by itself only by a bug. A process that looks alive and is not would be worse than
    // one that ends: revocations would go unseen.
    let broken = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        _ = hangup.recv() => None,
        _ = &mut serving => Some("serving"),
        _ = &mut housekeeping => Some("housekeeping"),
        _ = &mut telling => Some("telling applications of logouts"),
    };
    tracing::info!("stopping: no new connections, requests in flight are finished");
    app.stop();
    let _ = stop.send(true);
    let finished = tokio::select! {
        finished = async { if broken == Some("serving") { Ok(false) } else { (&mut serving).await } } => {
            finished.unwrap_or(false)
        }
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
    };
    housekeeping.abort();
    // What was under way is tried again by whoever serves next.
    telling.abort();
    app.close();
    match (broken, finished) {
        (Some(what), _) => Err(format!("{what} ended unexpectedly; the log may say why")),
        (None, false) => Err("stopped before every request in flight was answered".to_owned()),
        (None, true) => {
            tracing::info!("stopped");
            Ok(())
        }
    }
}

/// Allows as many open files as the system lets us, each connection is one; and no core file, which would hold the keys.
fn set_limits() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let _ = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0);
}

async fn housekeeping(app: Arc<App>) {
    let mut refresh = tokio::time::interval(REFRESH);
    let mut sweep = tokio::time::interval(SWEEP);
    refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            _ = refresh.tick() => app.refresh().await,
            () = app.refresh_hint() => app.refresh().await,
            _ = sweep.tick() => app.sweep(SWEEP_AT_MOST).await,
        };
        if let Err(failure) = done {
            tracing::warn!(%failure, "housekeeping failed; it is tried again");
        }
    }
}

/// Tells applications that a session ended, by a task of its own: theirs may be slow.
async fn telling(app: Arc<App>) {
    let mut everywhere = tokio::time::interval(LOOK_EVERYWHERE);
    let mut known = tokio::time::interval(LOOK);
    everywhere.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    known.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let look = tokio::select! {
            _ = everywhere.tick() => Look::Everywhere,
            _ = known.tick() => Look::Known,
            () = app.backchannel().scheduled() => Look::Known,
        };
        if let Err(failure) = app.deliver_logouts(look).await {
            tracing::warn!(%failure, "telling applications of logouts failed; it is tried again");
        }
    }
}
