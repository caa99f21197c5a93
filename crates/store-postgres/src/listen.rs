//! Hearing at once that configuration changed: LISTEN on a connection of its own, NOTIFY in the commit that changes it.
//!
//! A hint and no more. Whoever waits for it also looks by a timer, so an engine without LISTEN, a pooler between, or a
//! connection that is gone costs time and nothing else.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Settings;
use crate::connections::{Held, Pool, in_time};
use crate::error::Failure;

/// Said by a commit that changes configuration. PostgreSQL delivers it when the commit is there to be seen, and says a
/// name once however often a transaction does. Never said for anything else: transactions that notify commit one by one.
pub(crate) const NOTIFY: &str = "NOTIFY authd_configuration";
const LISTEN: &str = "LISTEN authd_configuration";
/// Said once at the start, to nobody, to learn whether the engine takes it.
const TRY: &str = "NOTIFY authd_nobody";

/// How long after the first and the last loss of the connection in a row another one is made.
const SOON: Duration = Duration::from_millis(250);
const LATE: Duration = Duration::from_secs(10);

/// Whether the engine knows NOTIFY. One that does not refuses it, and with it every commit that would say it.
pub(crate) async fn can_notify(pool: &Pool) -> Result<bool, Failure> {
    let held = Held::from(pool).await?;
    let tried = in_time(async { Ok(held.client()?.batch_execute(TRY).await?) }).await;
    match tried {
        Ok(()) => {
            held.give_back();
            Ok(true)
        }
        Err(Failure::Refused { .. }) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// The one task that listens, once somebody wants to hear.
pub(crate) struct Listening {
    settings: Settings,
    heard: Arc<Notify>,
    task: OnceLock<AbortHandle>,
}

impl Listening {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone(), heard: Arc::default(), task: OnceLock::new() }
    }

    /// Waits until configuration was changed, perhaps: also once whenever a connection was made, for what was said before
    /// was not heard. What is said while nobody waits is kept for whoever waits next.
    pub(crate) async fn heard(&self) {
        if self.settings.is_pooled {
            // A session that is somebody else's a moment later hears nothing, and would go on listening for them.
            return std::future::pending().await;
        }
        self.task.get_or_init(|| {
            tokio::spawn(listen_on(self.settings.clone(), Arc::clone(&self.heard))).abort_handle()
        });
        self.heard.notified().await;
    }

    /// Listens no more.
    pub(crate) fn stop(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Listens on one connection after the other, until the engine says that it knows no such thing.
async fn listen_on(settings: Settings, heard: Arc<Notify>) {
    let mut pause = SOON;
    loop {
        let ended = match settings.tls.clone().filter(|_| settings.wants_tls()) {
            Some(tls) => listen_once(&settings, MakeRustlsConnect::new(tls), &heard).await,
            None => listen_once(&settings, NoTls, &heard).await,
        };
        match ended {
            Ended::NeverBegan(failure) if failure.is_of_the_statement() || failure.is_unsupported() => return,
            Ended::NeverBegan(_) => {}
            Ended::Lost => pause = SOON,
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LATE);
    }
}

enum Ended {
    NeverBegan(Failure),
    Lost,
}

async fn listen_once<T>(settings: &Settings, tls: T, heard: &Notify) -> Ended
where
    T: MakeTlsConnect<Socket> + Send,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let connected = in_time(async { Ok(settings.config.connect(tls).await?) }).await;
    let (client, mut connection) = match connected {
        Ok(connected) => connected,
        Err(failure) => return Ended::NeverBegan(failure),
    };
    let mut begin = pin!(in_time(async { Ok(client.batch_execute(LISTEN).await?) }));
    let mut is_listening = false;
    loop {
        tokio::select! {
            begun = &mut begin, if !is_listening => match begun {
                Ok(()) => {
                    is_listening = true;
                    heard.notify_one();
                }
                Err(failure) => return Ended::NeverBegan(failure),
            },
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(_))) => heard.notify_one(),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ended::Lost,
            },
        }
    }
}
