//! The file and its connections: modes, header, settings (threats DA-03, R9).

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::OpenError;

/// "auth", in the header of each of our databases.
const APPLICATION_ID: i32 = 0x6175_7468;
/// How long another process's write is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// The one that writes. Closed last: closing it writes the log back into the file.
    Write,
    /// Reads beside the writer.
    Read,
    /// Writes the log back into the file beside the writer.
    Checkpoint,
}

/// Makes the file, for its owner alone, or checks that it is its owner's alone.
///
/// Never opens a file that exists: closing it again would void the locks that SQLite holds in this process.
pub(crate) fn secure(path: &Path) -> Result<(), OpenError> {
    let failed = |error: std::io::Error| OpenError::Failed { path: path.to_owned(), why: error.to_string() };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    check_modes(path)
}

/// Checks that the file, and those beside it, are their owner's alone. The first must exist.
pub(crate) fn check_modes(path: &Path) -> Result<(), OpenError> {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let failed = |error: std::io::Error| OpenError::Failed { path: file.clone(), why: error.to_string() };
        let mode = match std::fs::metadata(&file) {
            Ok(metadata) => metadata.permissions().mode() & 0o777,
            Err(error) if error.kind() == ErrorKind::NotFound && file != path => continue,
            Err(error) => return Err(failed(error)),
        };
        if mode & 0o077 != 0 {
            return Err(OpenError::OpenToOthers { path: file, mode });
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a connection with this store's settings. The database may still be empty, or somebody else's.
pub(crate) fn connect(path: &Path, purpose: Use) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, purpose != Use::Write)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // FULL: the log is synced with each commit. Checkpoints have a thread of their own.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;
         PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 67108864;",
    )?;
    if purpose == Use::Read {
        connection.execute_batch("PRAGMA query_only = ON")?;
    }
    Ok(connection)
}

/// Checks whose database it is. An empty one is nobody's yet.
pub(crate) fn check_owner(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    is_empty(connection, path).map(drop)
}

fn is_empty(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let explain = |error| explain(path, &error);
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(explain);
    let application_id = number("PRAGMA application_id")?;
    let is_empty = application_id == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
    if application_id != APPLICATION_ID && !is_empty {
        return Err(OpenError::Foreign { path: path.to_owned(), application_id });
    }
    Ok(is_empty)
}

/// Checks whose database it is, and makes an empty one ours; its tables are [`crate::migrate`]'s. Returns whether it was empty.
pub(crate) fn claim(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let explain = |error| explain(path, &error);
    let is_empty = is_empty(connection, path)?;
    if is_empty {
        // Takes effect with the first page that is written, so it comes before everything else.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(explain)?;
    }
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(explain)?;
    if mode != "wal" {
        let why = "its file system does not allow a write-ahead log".to_owned();
        return Err(OpenError::Failed { path: path.to_owned(), why });
    }
    Ok(is_empty)
}

/// Marks the database as ours, for servers that know this schema at least. Part of the transaction that makes its tables.
pub(crate) fn mark(connection: &Connection, needs: u32) -> rusqlite::Result<()> {
    connection
        .execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {needs}"))
}

/// An error of SQLite's while opening, in words that say what to do.
pub(crate) fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, why: error.to_string() },
        _ => OpenError::Failed { path, why: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_is_as_durable_as_it_must_be_and_leaves_the_log_to_the_one_that_writes_it_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("authd.db");
        secure(&path).unwrap();
        assert!(claim(&connect(&path, Use::Write).unwrap(), &path).unwrap());
        for purpose in [Use::Write, Use::Read, Use::Checkpoint] {
            let connection = connect(&path, purpose).unwrap();
            let is = |pragma: &str| {
                connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0)).unwrap()
            };
            assert_eq!(is("synchronous"), 2, "FULL: {purpose:?}");
            assert_eq!(is("wal_autocheckpoint"), 0, "{purpose:?}");
            assert_eq!(is("query_only"), i64::from(purpose == Use::Read));
            let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal", "{purpose:?}");
        }
    }
}
