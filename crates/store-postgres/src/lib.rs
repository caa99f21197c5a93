//! The storage contract on PostgreSQL: many servers on one database, durable group commit.
#![doc = include_str!("../README.md")]

mod commit;
mod committer;
mod connections;
mod error;
mod group;
mod listen;
pub mod migrate;
mod read;
mod ring;
mod rows;
mod settings;
mod sweep;
mod warning;

pub use error::OpenError;
pub use migrate::IfEmpty;
pub use settings::{CONNECTIONS, Settings};
pub use warning::Warning;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use records::UnixTime;
use store::{Backend, CommitError, IndexEntry, Key, Kind, Operation, RawRow, Row, Space, Unavailable};
use tokio::sync::{mpsc, oneshot};

use crate::commit::Known;
use crate::connections::Connections;
use crate::error::{Failure, closed};
use crate::group::Commit;
use crate::listen::Listening;

/// A database on a PostgreSQL server. Clones share it; when the last one is dropped its connections end.
///
/// Several servers may have the same database open: commits exclude each other, and each sees the others'.
#[derive(Clone)]
pub struct Postgres(Arc<Shared>);

struct Shared {
    connections: Connections,
    /// `None` once the database is closed.
    committer: Mutex<Option<mpsc::Sender<Commit>>>,
    counters: Arc<Counters>,
    listening: Listening,
    warnings: Vec<Warning>,
}

/// What was counted since the database was opened.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) transactions: AtomicU64,
}

/// How much was written since the database was opened, by this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Commits that were acknowledged.
    pub commits: u64,
    /// Durable transactions that they took.
    pub transactions: u64,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres")
    }
}

/// How long a caller waits for its commit, behind others and a server that stands still, before it is told that the outcome
/// is unknown.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

impl Postgres {
    /// Opens the database, and makes its tables in an empty one. Call it inside the tokio runtime that is to do the work.
    ///
    /// # Errors
    ///
    /// Each with what to do about it: an address that is of no use, a server that cannot be reached, an older version's
    /// database before [`migrate::run`], a newer version's.
    pub async fn open(settings: &Settings, if_empty: IfEmpty) -> Result<Self, OpenError> {
        let connections = Connections::new(settings)?;
        migrate::open(&connections.writing, &settings.address(), if_empty).await?;
        let unreachable = |failure: Failure| OpenError::Unreachable {
            address: settings.address(),
            why: failure.to_string(),
        };
        let can_notify = listen::can_notify(&connections.writing).await.map_err(unreachable)?;
        let warnings = warning::of(&connections.writing, can_notify).await.map_err(unreachable)?;
        let (committer, waiting) = mpsc::channel(committer::WAITING);
        let counters = Arc::<Counters>::default();
        // Ends by itself: when the last sender is gone and everything that waited is done.
        let writing = connections.writing.clone();
        tokio::spawn(committer::run(waiting, writing, Known::new(can_notify), Arc::clone(&counters)));
        let (committer, listening) = (Mutex::new(Some(committer)), Listening::new(settings));
        Ok(Self(Arc::new(Shared { connections, committer, counters, listening, warnings })))
    }

    /// Takes no more. Commits that were sent before are finished, in so far as the runtime lasts.
    pub fn close(&self) {
        self.0.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.0.connections.reading.close();
        self.0.listening.stop();
    }

    /// What an operator should know about the database: it works, and promises less than it could.
    pub fn warnings(&self) -> &[Warning] {
        &self.0.warnings
    }

    /// Rows as they stand, for whoever looks for damage: those after `after`, at most `at_most`. None: there are no more.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked, or cannot read them.
    pub async fn raw_rows(&self, after: Option<&RawRow>, at_most: usize) -> Result<Vec<RawRow>, Unavailable> {
        Ok(rows::list(&self.0.connections.reading, after, at_most).await?)
    }

    /// What does not hold over all rows, as sentences. Reads the whole database.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked, or cannot read a table.
    pub async fn disagreements(&self) -> Result<Vec<String>, Unavailable> {
        Ok(rows::disagreements(&self.0.connections.reading).await?)
    }

    /// The version of the PostgreSQL server.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn server_version(&self) -> Result<String, Unavailable> {
        Ok(rows::server_version(&self.0.connections.reading).await?)
    }

    /// Does to a database that was restored what must be done beside ending logins: no code of it is good any more, no
    /// version that was handed out since is handed out again, and its history says so. `detail` is JSON.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written; then nothing of it happened.
    pub async fn mark_restored(&self, now: UnixTime, detail: &str) -> Result<(), Unavailable> {
        Ok(rows::mark_restored(&self.0.connections.writing, now, detail).await?)
    }

    /// The database's own history, the newest first, at most `at_most`: when, what, and JSON.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn lineage(&self, at_most: usize) -> Result<Vec<(UnixTime, String, String)>, Unavailable> {
        Ok(rows::lineage(&self.0.connections.reading, at_most).await?)
    }

    /// What was counted since the database was opened.
    pub fn statistics(&self) -> Statistics {
        let Counters { commits, transactions } = &*self.0.counters;
        Statistics {
            commits: commits.load(Ordering::Relaxed),
            transactions: transactions.load(Ordering::Relaxed),
        }
    }

    /// The address of the committer, as long as the database is open.
    fn committer(&self) -> Result<mpsc::Sender<Commit>, Unavailable> {
        self.0.committer.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }
}

impl Backend for Postgres {
    async fn get(&self, space: &Space, kind: Kind, key: &Key) -> Result<Option<Row>, Unavailable> {
        read::row(&self.0.connections.reading, space, kind, key).await
    }

    async fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Row>, Unavailable> {
        read::page(&self.0.connections.reading, space, kind, filter, after, at_most).await
    }

    async fn commit(&self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        Operation::validate(&operations)?;
        if operations.is_empty() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        let commit = Commit { space: space.clone(), operations, answer };
        self.committer()?.try_send(commit).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Unavailable::Backend("too many commits wait".to_owned()),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        let unknown = |why: &str| CommitError::from(Unavailable::Backend(why.to_owned()));
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(unknown("the task that commits ended before it answered")),
            Err(_late) => Err(unknown("the database did not answer in time")),
        }
    }

    async fn sweep(&self, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
        // A closed database sweeps no more.
        self.committer()?;
        sweep::sweep(&self.0.connections.writing, now, at_most).await
    }

    async fn configuration_version(&self) -> Result<u64, Unavailable> {
        read::configuration_version(&self.0.connections.reading).await
    }

    async fn configuration_hint(&self) {
        self.0.listening.heard().await;
    }
}
