//! Connections: bounded pools, sessions that do not wait for ever, and answers that are not waited for for ever.

use std::future::Future;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use tokio_postgres::NoTls;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::Failure;
use crate::{OpenError, Settings};

/// How long making a connection may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// How long is waited for an answer, all of a transaction's together. Longer than the server's own limits below, so
/// that the server says what it was.
pub(crate) const ANSWER: Duration = Duration::from_secs(8);

/// What each session begins with. A server that stands still in a transaction does not stop the others for long.
const SESSION: &str = "
    SET statement_timeout = '5s';
    SET lock_timeout = '3s';
    SET idle_in_transaction_session_timeout = '5s';
    SET client_min_messages = 'warning'";
/// An acknowledged commit is durable; what is stricter than `on` is left.
const DURABLE: &str = "
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";
/// Every statement of ours goes by a key, whatever the statistics of a table that was empty a minute ago say.
const BY_KEY: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// Connections that read, and connections that write, so that neither keeps the others waiting.
pub(crate) struct Connections {
    pub(crate) reading: Pool,
    pub(crate) writing: Pool,
}

/// The committer's and the sweep's.
const WRITING: usize = 2;
/// The one that listens, which is no pool's.
const LISTENING: usize = 1;

impl Connections {
    pub(crate) fn new(settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self {
            reading: pool(settings, settings.connections.saturating_sub(WRITING + LISTENING).max(1))?,
            writing: pool(settings, WRITING)?,
        })
    }
}

fn pool(settings: &Settings, size: usize) -> Result<Pool, OpenError> {
    let configuration = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match (&settings.tls, settings.wants_tls()) {
        (_, false) => Manager::from_config(settings.config.clone(), NoTls, configuration),
        (Some(tls), true) => {
            let tls = MakeRustlsConnect::new(tls.clone());
            Manager::from_config(settings.config.clone(), tls, configuration)
        }
        (None, true) => {
            return Err(OpenError::Settings(
                "it asks for TLS, and nothing was given to verify with".to_owned(),
            ));
        }
    };
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT))
        .create_timeout(Some(CONNECT))
        .post_create(Hook::async_fn(|client, _| Box::pin(begin_session(client))))
        .build()
        .map_err(|error| OpenError::Settings(error.to_string()))
}

async fn begin_session(client: &mut ClientWrapper) -> Result<(), HookError> {
    client.batch_execute(SESSION).await.map_err(HookError::Backend)?;
    client.batch_execute(DURABLE).await.map_err(HookError::Backend)?;
    // Others that speak PostgreSQL's language may not know these, and need them not.
    let _ = client.batch_execute(BY_KEY).await;
    Ok(())
}

/// Waits for an answer, but not for ever.
pub(crate) async fn in_time<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(ANSWER, answer).await.unwrap_or(Err(Failure::Late))
}

/// A connection on which a transaction may be open. Dropped before it is said to be clean, it is closed, and with it
/// whatever was open: the pool never hands out somebody's half of a transaction.
pub(crate) struct Held(Option<Object>);

impl Held {
    pub(crate) async fn from(pool: &Pool) -> Result<Self, Failure> {
        Ok(Self(Some(pool.get().await?)))
    }

    /// The connection.
    pub(crate) fn client(&self) -> Result<&ClientWrapper, Failure> {
        match &self.0 {
            Some(object) => Ok(object),
            None => Err(Failure::Connection("the connection was given back".to_owned())),
        }
    }

    /// No transaction is open: back to the pool.
    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }

    /// Ends whatever is open; a connection on which that fails is closed.
    pub(crate) async fn roll_back(self) {
        let rolled_back = match self.client() {
            Ok(client) => in_time(async { Ok(client.batch_execute("ROLLBACK").await?) }).await.is_ok(),
            Err(_) => return,
        };
        if rolled_back {
            self.give_back();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}
