//! The one thread that writes: all waiting commits become one durable transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use records::UnixTime;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use store::{CommitError, Operation, Unavailable};

use crate::checkpoint::{self, Log};
use crate::commit::{self, Outcome, Versions};
use crate::error::unavailable;
use crate::queue::{Commit, Queue, Sweep, Work};
use crate::{Counters, ring};

/// The most commits in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 512;
/// How many free pages a sweep leaves in the file for what comes next.
const SPARE_PAGES: i64 = 256;
/// The most pages that one sweep gives back to the file system.
const FREED_PAGES: i64 = 2_000;

pub(crate) struct Writer {
    connection: Connection,
    queue: Arc<Queue>,
    log: Arc<Log>,
    counters: Arc<Counters>,
    versions: Versions,
    /// Set when the disk failed to take a commit: from then on nothing is written (threat R7).
    failed: Option<String>,
}

impl Writer {
    pub(crate) fn new(
        mut connection: Connection,
        queue: Arc<Queue>,
        log: Arc<Log>,
        counters: Arc<Counters>,
    ) -> rusqlite::Result<Self> {
        let seen = Arc::clone(&log);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, frames: i32| {
            seen.grew(u32::try_from(frames).unwrap_or_default());
            Ok(())
        }))?;
        Ok(Self { connection, queue, log, counters, versions: Versions::none(), failed: None })
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _abandon = Abandon(Arc::clone(&self.queue));
        loop {
            match self.queue.next(GROUP) {
                Work::Group(commits) => self.group(commits),
                Work::Sweep(sweep) => self.sweep(sweep),
                Work::Checkpoint => self.checkpoint(),
                Work::Close => break,
            }
        }
        // Closing the connection writes the log back, unless the disk failed: then recovery has the say.
        if self.failed.is_some() || self.log.failure().is_some() {
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }

    fn group(&mut self, commits: Vec<Commit>) {
        let operations: Vec<_> =
            commits.iter().map(|commit| (&commit.space, commit.operations.as_slice())).collect();
        match self.transact(&operations) {
            Ok(outcomes) => {
                for (commit, outcome) in commits.into_iter().zip(outcomes) {
                    let result = match outcome {
                        Outcome::Written => Ok(()),
                        Outcome::Conflict => Err(CommitError::Conflict),
                    };
                    // Who no longer waits is not told.
                    let _ = commit.answer.send(result);
                }
            }
            Err(Failure::Statement(_)) if commits.len() > 1 => {
                // Nothing was written. One of them did it: each alone, and only that one fails.
                for commit in commits {
                    self.group(vec![commit]);
                }
            }
            Err(Failure::Statement(error) | Failure::Begin(error) | Failure::Commit(error)) => {
                for commit in commits {
                    let _ = commit.answer.send(Err(CommitError::Unavailable(error.clone())));
                }
            }
        }
    }

    /// Makes one durable transaction of many commits. Where it fails nothing of it is acknowledged, conflicts included:
    /// a commit may conflict with an earlier one of the same group, which then did not happen either.
    fn transact(&mut self, commits: &[(&store::Space, &[Operation])]) -> Result<Vec<Outcome>, Failure> {
        self.begin()?;
        let applied = self.apply(commits);
        let outcomes = match applied {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.roll_back();
                self.make_room(&error);
                return Err(Failure::Statement(unavailable(&error)));
            }
        };
        if outcomes.iter().all(|outcome| *outcome == Outcome::Conflict) {
            // Nothing to sync.
            self.roll_back();
            return Ok(outcomes);
        }
        self.end()?;
        let written = outcomes.iter().filter(|outcome| **outcome == Outcome::Written).count();
        self.counters.commits.fetch_add(written as u64, Ordering::Relaxed);
        self.counters.transactions.fetch_add(1, Ordering::Relaxed);
        Ok(outcomes)
    }

    fn apply(&mut self, commits: &[(&store::Space, &[Operation])]) -> rusqlite::Result<Vec<Outcome>> {
        // Twice: an operation whose one statement did not apply is tried again in several.
        let most = 2 * commits.iter().map(|(_, operations)| operations.len()).sum::<usize>();
        self.versions.reserve(&self.connection, most)?;
        let mut outcomes = Vec::with_capacity(commits.len());
        let mut configuration = false;
        for (space, operations) in commits {
            let outcome = commit::apply(&self.connection, &mut self.versions, space, operations)?;
            configuration |=
                outcome == Outcome::Written && operations.iter().any(Operation::changes_configuration);
            outcomes.push(outcome);
        }
        if configuration {
            const SQL: &str = "UPDATE counter SET value = value + 1 WHERE name = 'configuration_version'";
            self.connection.prepare_cached(SQL)?.execute([])?;
        }
        Ok(outcomes)
    }

    fn sweep(&mut self, sweep: Sweep) {
        let Sweep { now, at_most, answer } = sweep;
        let outcome = self.sweep_once(now, at_most).map_err(|failure| match failure {
            Failure::Begin(error) | Failure::Statement(error) | Failure::Commit(error) => error,
        });
        let _ = answer.send(outcome);
    }

    fn sweep_once(&mut self, now: UnixTime, at_most: usize) -> Result<usize, Failure> {
        self.begin()?;
        let left = commit::sweep_records(&self.connection, now, at_most)
            .and_then(|records| Ok(records + ring::sweep(&self.connection, now, at_most)?))
            .and_then(|left| self.shrink().map(|freed| (left, freed)));
        match left {
            Ok((0, false)) => {
                self.roll_back();
                Ok(0)
            }
            Ok((left, _)) => {
                self.end()?;
                Ok(left)
            }
            Err(error) => {
                self.roll_back();
                self.make_room(&error);
                Err(Failure::Statement(unavailable(&error)))
            }
        }
    }

    /// Gives pages that hold nothing back to the file system, but for a few. Returns whether there were any.
    fn shrink(&self) -> rusqlite::Result<bool> {
        let free: i64 = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        let pages = (free - SPARE_PAGES).min(FREED_PAGES);
        if pages <= 0 {
            return Ok(false);
        }
        // It gives back one page a step.
        let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut steps = vacuum.query([])?;
        while steps.next()?.is_some() {}
        Ok(true)
    }

    fn checkpoint(&mut self) {
        if self.failed.is_none() {
            checkpoint::run(&self.connection, &self.log, &self.counters);
        }
        self.log.helped();
    }

    fn begin(&mut self) -> Result<(), Failure> {
        if self.failed.is_none() {
            self.failed = self.log.failure();
        }
        if let Some(why) = &self.failed {
            return Err(Failure::Begin(Unavailable::Backend(why.clone())));
        }
        // IMMEDIATE: from here on no other process writes, so what is checked still holds when it is relied on.
        let begun = self.connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
        begun.map(drop).map_err(|error| {
            self.roll_back();
            Failure::Begin(unavailable(&error))
        })
    }

    fn end(&mut self) -> Result<(), Failure> {
        let ended = self.connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        let Err(error) = ended else {
            self.versions.committed();
            return Ok(());
        };
        self.roll_back();
        self.make_room(&error);
        if is_the_disk(&error) {
            // What a failed sync left on the disk is unknown, and a later sync that works does not tell. So nothing
            // is written, and nothing acknowledged, until a restart has read what is really there.
            self.failed = Some(format!(
                "the disk failed to take a commit ({error}); nothing is written until a restart"
            ));
        }
        Err(Failure::Commit(unavailable(&error)))
    }

    /// On a full disk the room that the log has can be had again: it starts from its beginning once all of it was written
    /// back, and beside a busy writer that is otherwise seen to only when it has grown far (threat R8).
    fn make_room(&self, error: &rusqlite::Error) {
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            checkpoint::run(&self.connection, &self.log, &self.counters);
        }
    }

    fn roll_back(&mut self) {
        self.versions.rolled_back();
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            // The transaction cannot be left, so nothing that follows would be one of its own.
            self.failed = Some(format!("a transaction could not be rolled back ({error})"));
        }
    }
}

/// Lets nobody wait for a writer that is gone, however it went.
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// At which point a transaction failed.
enum Failure {
    Begin(Unavailable),
    Statement(Unavailable),
    Commit(Unavailable),
}

/// Whether it is the disk that failed, other than by being full: that passes.
pub(crate) fn is_the_disk(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
        )
    )
}

#[cfg(test)]
mod tests {
    use records::TenantId;
    use store::{Becomes, Expect, Key, Kind, Space};

    use super::*;
    use crate::file::{self, Use};
    use crate::migrate;

    fn put(name: &str, text: &str, expect: Expect) -> Vec<Operation> {
        let becomes =
            Becomes::Put { body: format!("{{\"text\":\"{text}\"}}"), index: Vec::new(), drop_at: None };
        vec![Operation { kind: Kind::RefreshFamily, key: Key::of(&[name]), expect, becomes }]
    }

    #[test]
    fn r8_where_the_disk_is_full_the_log_is_written_back_and_its_room_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("authd.db");
        file::secure(&path).unwrap();
        let mut connection = file::connect(&path, Use::Write).unwrap();
        let is_empty = file::claim(&connection, &path).unwrap();
        migrate::begun_or_made(&mut connection, &path, is_empty, migrate::MIGRATIONS).unwrap();
        let counters = Arc::<Counters>::default();
        let mut writer =
            Writer::new(connection, Arc::default(), Arc::default(), Arc::clone(&counters)).unwrap();
        let space = Space::Tenant(TenantId::parse("acme").unwrap());
        let log = directory.path().join("authd.db-wal");
        let length = || std::fs::metadata(&log).unwrap().len();
        let small = |number: usize| put(&format!("row{number}"), "small", Expect::Absent);
        let write = |writer: &mut Writer, operations: Vec<Operation>| {
            writer.transact(&[(&space, operations.as_slice())])
        };
        for number in 0..20 {
            assert!(write(&mut writer, small(number)).is_ok());
        }
        // From here on there is no room for another page: the next large row does not fit.
        let pages: i64 = writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        writer.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        let before = length();
        let refused = write(&mut writer, put("large", &"x".repeat(50_000), Expect::Absent));
        assert!(matches!(refused, Err(Failure::Statement(_))));
        assert_eq!(counters.checkpoints.load(Ordering::Relaxed), 1);
        // What fits goes on, and from the log's beginning.
        assert!(write(&mut writer, small(20)).is_ok());
        assert_eq!(length(), before, "the log has not grown");
    }
}
