//! Connections: bounded pools, sessions that do not wait for ever, and answers that are not waited for for ever.

use std::future::Future;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, RecyclingMethod, Runtime,
};
use futures_util::future::join3;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::Failure;
use crate::{OpenError, Settings};

/// How long making a connection may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// How long is waited for an answer, all of a transaction's together. Longer than the server's own limits below, so
/// that the server says what it was.
pub(crate) const ANSWER: Duration = Duration::from_secs(8);

/// What each session of ours begins with. Names of functions and operators are PostgreSQL's own, whatever stands in other
/// schemas. A server that stands still in a transaction does not stop the others for long.
const SESSION: &str = "
    SET search_path = pg_catalog, pg_temp;
    SET statement_timeout = '5s';
    SET lock_timeout = '3s';
    SET idle_in_transaction_session_timeout = '5s';
    SET client_min_messages = 'warning'";
/// An acknowledged commit is durable; what is stricter than `on` is left.
const DURABLE: &str = "
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";
/// Every statement of ours goes by a key, whatever the statistics of a table that was empty a minute ago say.
const BY_KEY: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// The isolation that locks make enough, whatever the database's default is.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// The same where the session is somebody else's after the transaction: it takes nothing over and leaves nothing behind.
const BEGIN_POOLED: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL search_path = pg_catalog, pg_temp;
    SET LOCAL statement_timeout = '5s';
    SET LOCAL lock_timeout = '3s';
    SET LOCAL idle_in_transaction_session_timeout = '5s';
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')";

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
        let reading = pool(settings, settings.connections.saturating_sub(WRITING + LISTENING).max(1))?;
        let writing = pool(settings, WRITING)?;
        let [of_reading, of_writing] =
            [(&reading, &writing), (&writing, &reading)].map(|(connections, other)| Pool {
                connections: connections.clone(),
                other: other.clone(),
                is_pooled: settings.is_pooled,
            });
        Ok(Self { reading: of_reading, writing: of_writing })
    }
}

/// So many connections and no more.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: deadpool_postgres::Pool,
    /// Those that write, beside those that read, and the other way round: of the same server.
    other: deadpool_postgres::Pool,
    is_pooled: bool,
}

impl Pool {
    pub(crate) fn close(&self) {
        self.connections.close();
    }

    /// One connection was lost, or was not answered in time: those that wait beside it from before are most likely of no
    /// use either, and each would cost somebody the same failure or the same wait. What comes next makes its own.
    pub(crate) fn suspect(&self, failure: &Failure) {
        if matches!(failure, Failure::Late | Failure::Connection(_)) {
            self.connections.retain(|_, _| false);
            self.other.retain(|_, _| false);
        }
    }
}

fn pool(settings: &Settings, size: usize) -> Result<deadpool_postgres::Pool, OpenError> {
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
    let mut builder = deadpool_postgres::Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT))
        .create_timeout(Some(CONNECT));
    if !settings.is_pooled {
        builder = builder.post_create(Hook::async_fn(|client, _| Box::pin(begin_session(client))));
    }
    builder.build().map_err(|error| OpenError::Settings(error.to_string()))
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
pub(crate) struct Held {
    object: Option<Object>,
    is_pooled: bool,
}

impl Held {
    pub(crate) async fn from(pool: &Pool) -> Result<Self, Failure> {
        Ok(Self { object: Some(pool.connections.get().await?), is_pooled: pool.is_pooled })
    }

    /// The connection.
    pub(crate) fn client(&self) -> Result<&ClientWrapper, Failure> {
        match &self.object {
            Some(object) => Ok(object),
            None => Err(Failure::Connection("the connection was given back".to_owned())),
        }
    }

    /// The connection, and how statements go over it.
    pub(crate) fn session(&self) -> Result<Session<'_>, Failure> {
        Ok(Session { client: self.client()?, is_pooled: self.is_pooled })
    }

    /// No transaction is open: back to the pool.
    pub(crate) fn give_back(mut self) {
        drop(self.object.take());
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
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

/// A value of a statement, and its type, which is said because a statement without a name is not asked about.
pub(crate) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// A connection, and how statements go over it: prepared once, or, where a pooler gives each transaction another session,
/// without a name each time.
#[derive(Clone, Copy)]
pub(crate) struct Session<'a> {
    pub(crate) client: &'a ClientWrapper,
    is_pooled: bool,
}

/// A statement that can be sent without waiting for anything.
pub(crate) enum Ready {
    Prepared(Statement),
    Unnamed(&'static str),
}

impl Session<'_> {
    /// What begins a transaction.
    pub(crate) fn begin(self) -> &'static str {
        if self.is_pooled { BEGIN_POOLED } else { BEGIN }
    }

    pub(crate) async fn ready(self, sql: &'static str) -> Result<Ready, Failure> {
        Ok(match self.is_pooled {
            true => Ready::Unnamed(sql),
            false => Ready::Prepared(self.client.prepare_cached(sql).await?),
        })
    }

    /// Is sent when it is first polled.
    pub(crate) async fn run(
        self,
        ready: &Ready,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        match ready {
            Ready::Prepared(statement) => {
                let values: Vec<_> = values.iter().map(|(value, _)| *value).collect();
                self.client.query(statement, &values).await
            }
            Ready::Unnamed(sql) => self.client.query_typed(sql, values).await,
        }
    }

    /// Inside of a transaction.
    pub(crate) async fn query(self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Failure> {
        let ready = self.ready(sql).await?;
        Ok(self.run(&ready, values).await?)
    }

    /// By itself, in one round trip.
    pub(crate) async fn alone(self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Failure> {
        if !self.is_pooled {
            return self.query(sql, values).await;
        }
        let ready = self.ready(sql).await?;
        let (begun, rows, ended) = join3(
            self.client.batch_execute(BEGIN_POOLED),
            self.run(&ready, values),
            self.client.batch_execute("COMMIT"),
        )
        .await;
        begun?;
        let rows = rows?;
        ended?;
        Ok(rows)
    }
}
