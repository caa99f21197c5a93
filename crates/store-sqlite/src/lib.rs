//! The storage contract on SQLite: one file, one writer, durable group commit.
#![doc = include_str!("../README.md")]

mod checkpoint;
mod commit;
pub mod copy;
mod error;
mod file;
pub mod migrate;
mod queue;
mod read;
mod ring;
mod rows;
mod writer;

pub use error::OpenError;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures_channel::oneshot;
use records::UnixTime;
use store::migration::{self, Contracts};
use store::{Backend, CommitError, IndexEntry, Key, Kind, Operation, RawRow, Row, Space, Unavailable};

use crate::checkpoint::Log;
use crate::error::closed;
use crate::file::Use;
use crate::migrate::MIGRATIONS;
use crate::queue::{Commit, Queue, Sweep};
use crate::read::Readers;
use crate::writer::Writer;

/// A database in one file. Clones share it; when the last one is dropped it is closed.
///
/// Several processes may have the same file open: commits exclude each other, and each sees the others'.
#[derive(Clone)]
pub struct Sqlite(Arc<Shared>);

struct Shared {
    path: PathBuf,
    readers: Readers,
    queue: Arc<Queue>,
    log: Arc<Log>,
    counters: Arc<Counters>,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    checkpointing: Option<JoinHandle<()>>,
    writing: Option<JoinHandle<()>>,
}

/// What was counted since the database was opened.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) transactions: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
}

/// How much was written since the database was opened, by this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Commits that were acknowledged.
    pub commits: u64,
    /// Durable transactions that they took: each is one sync of the disk.
    pub transactions: u64,
    /// How often the log was written back into the file.
    pub checkpoints: u64,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sqlite")
    }
}

/// One at a time: see [`file::secure`].
pub(crate) static OPENING: Mutex<()> = Mutex::new(());

impl Sqlite {
    /// Opens the database, and makes it if it is missing. The file is its owner's alone (mode 0600).
    ///
    /// # Errors
    ///
    /// Each with what to do about it: a file that others can read, another program's, an older version's before
    /// [`migrate::run`], a newer version's, a damaged one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let explain = |error| file::explain(path, &error);
        let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        file::secure(path)?;
        let mut connection = file::connect(path, Use::Write).map_err(explain)?;
        let is_empty = file::claim(&connection, path)?;
        let begun = migrate::begun_or_made(&mut connection, path, is_empty, MIGRATIONS)?;
        let plan = migration::plan(MIGRATIONS, &begun, Contracts::Wait);
        let plan = plan.map_err(|misfit| migrate::explain(path, misfit))?;
        if let Some(first) = plan.runs.first() {
            return Err(OpenError::Older { path: path.to_owned(), number: first.number });
        }
        let readers = Readers::open(path).map_err(explain)?;
        let checkpoints = file::connect(path, Use::Checkpoint).map_err(explain)?;

        let (queue, log, counters) =
            (Arc::<Queue>::default(), Arc::<Log>::default(), Arc::<Counters>::default());
        let writer = Writer::new(connection, Arc::clone(&queue), Arc::clone(&log), Arc::clone(&counters));
        let writer = writer.map_err(explain)?;
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(|error| OpenError::Failed { path: path.to_owned(), why: error.to_string() })
        };
        let writing = spawn("sqlite-writer", Box::new(move || writer.run()))?;
        // From here on dropping it ends the threads.
        let threads = Threads { writing: Some(writing), checkpointing: None };
        let shared =
            Shared { path: path.to_owned(), readers, queue, log, counters, threads: Mutex::new(threads) };
        let (queue, log, counters) =
            (Arc::clone(&shared.queue), Arc::clone(&shared.log), Arc::clone(&shared.counters));
        let checkpointing = spawn(
            "sqlite-checkpoint",
            Box::new(move || checkpoint::work(&checkpoints, &log, &queue, &counters)),
        )?;
        shared.threads.lock().unwrap_or_else(PoisonError::into_inner).checkpointing = Some(checkpointing);
        Ok(Self(Arc::new(shared)))
    }

    /// Finishes what waits, writes the log back into the file and lets go of it. Everything later is
    /// refused. Blocks the calling thread for as long as the disk takes.
    pub fn close(&self) {
        self.0.close();
    }

    /// Rows as they stand, for whoever looks for damage: those after `after`, at most `at_most`. None: there are no more.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or is damaged.
    pub fn raw_rows(&self, after: Option<&RawRow>, at_most: usize) -> Result<Vec<RawRow>, Unavailable> {
        self.0.readers.with(|connection| rows::list(connection, after, at_most))
    }

    /// Does what a restore does beside ending logins, to a database that was restored by other means: no code of it is good
    /// any more, no version that was handed out since is handed out again, and its history says so. `detail` is JSON.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written; then nothing of it happened.
    pub fn mark_restored(&self, now: UnixTime, detail: &str) -> Result<(), Unavailable> {
        // Rare, and no business of the writer's.
        let marked = file::connect(&self.0.path, Use::Checkpoint)
            .and_then(|mut connection| copy::mark_restored(&mut connection, now, detail));
        marked.map_err(|error| error::unavailable(&error))
    }

    /// The database's own history, the newest first, at most `at_most`: when, what, and JSON.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or is damaged.
    pub fn lineage(&self, at_most: usize) -> Result<Vec<(UnixTime, String, String)>, Unavailable> {
        self.0.readers.with(|connection| rows::lineage(connection, at_most))
    }

    /// What SQLite finds wrong with the file, and what does not hold over all rows, as sentences. Reads the whole file.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or is damaged.
    pub fn disagreements(&self) -> Result<Vec<String>, Unavailable> {
        self.0.readers.with(rows::disagreements)
    }

    /// What was counted since the database was opened.
    pub fn statistics(&self) -> Statistics {
        let Counters { commits, transactions, checkpoints } = &*self.0.counters;
        Statistics {
            commits: commits.load(Ordering::Relaxed),
            transactions: transactions.load(Ordering::Relaxed),
            checkpoints: checkpoints.load(Ordering::Relaxed),
        }
    }
}

impl Shared {
    fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // A thread that panicked has nothing left to wait for.
        let join = |thread: Option<JoinHandle<()>>| drop(thread.map(JoinHandle::join));
        // The writer's connection is the last: closing it writes the log back and removes it.
        self.readers.close();
        self.log.close();
        join(threads.checkpointing);
        self.queue.close();
        join(threads.writing);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

/// The writer ended before it answered: whether it wrote is unknown.
fn unanswered() -> Unavailable {
    Unavailable::Backend("the database's writer ended".to_owned())
}

impl Backend for Sqlite {
    async fn get(&self, space: &Space, kind: Kind, key: &Key) -> Result<Option<Row>, Unavailable> {
        self.0.readers.row(space, kind, key)
    }

    async fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Row>, Unavailable> {
        self.0.readers.page(space, kind, filter, after, at_most)
    }

    async fn commit(&self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        Operation::validate(&operations)?;
        if operations.is_empty() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        self.0.queue.commit(Commit { space: space.clone(), operations, answer }).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|oneshot::Canceled| Err(unanswered().into()))
    }

    async fn sweep(&self, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.0.queue.sweep(Sweep { now, at_most, answer }).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|oneshot::Canceled| Err(unanswered()))
    }

    async fn configuration_version(&self) -> Result<u64, Unavailable> {
        self.0.readers.configuration_version()
    }
}
