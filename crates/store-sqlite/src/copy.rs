//! Backups and restores: a copy of a database that is in use, and a database made of such a copy (threat R20).
//!
//! Both write a new file that no other connection knows, and sync it. Giving it its name is the caller's, when all is well.

use std::fs::File;
use std::path::Path;

use records::UnixTime;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, ffi, params};
use store::migration::{Contracts, plan};
use store::{Ended, Kind};

use crate::file::{self, Use};
use crate::migrate::{self, MIGRATIONS};
use crate::ring::integer;
use crate::{OpenError, rows};

/// What became of sessions and refresh tokens in a restored database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// They are ended: some may have been ended since the backup was made, and nobody knows which.
    End,
    /// They are as they were when the backup was made, also those that were ended since.
    Keep,
}

/// What was made of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was made, if it says so.
    pub backed_up_at: Option<UnixTime>,
    /// What was ended.
    pub ended: Ended,
}

/// How far versions go on beyond what the backup knows: none that was handed out since is ever handed out again.
const SKIPPED_VERSIONS: i64 = 1 << 32;
/// A quarter of a gigabyte at most, for work that reads all of a file in another order than it stands in.
const CACHE: &str = "PRAGMA cache_size = -262144";
const SKIP_VERSIONS: &str = "UPDATE counter SET value = value + ?1 WHERE name = 'next_version'";

/// Copies a database, while servers go on with it, into an empty file that is there. The copy is the database of one
/// moment, and holds nothing that was deleted before. It is checked whole.
///
/// # Errors
///
/// Where there is no database of authd's that this version can work with, or the copy cannot be written.
pub fn back_up(from: &Path, to: &Path, now: UnixTime) -> Result<(), OpenError> {
    {
        let _one_at_a_time = crate::OPENING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file::check_modes(from)?;
    }
    let source = file::connect(from, Use::Checkpoint).map_err(|error| file::explain(from, &error))?;
    file::check_owner(&source, from)?;
    fits(&source, from)?;
    let name = text(to)?;
    source.execute("VACUUM INTO ?1", [name]).map_err(|error| file::explain(from, &error))?;
    drop(source);
    let explain = |error: rusqlite::Error| file::explain(to, &error);
    let copy = alone(to).map_err(explain)?;
    note(&copy, now, "backed_up", "{}").map_err(explain)?;
    sound(&copy, to)?;
    copy.close().map_err(|(_, error)| explain(error))?;
    sync(to)
}

/// Makes a database of a backup in an empty file that is there, of this version's schema.
///
/// Codes are never brought back: one that was used since would be good again. So are not sessions and refresh tokens,
/// unless they are to be kept.
///
/// # Errors
///
/// Where the backup is damaged, no database of authd's, or a newer version's; or where the file cannot be written.
pub fn restore(backup: &Path, to: &Path, live: Live, now: UnixTime) -> Result<Restored, OpenError> {
    let explain = |error: rusqlite::Error| file::explain(backup, &error);
    let source = Connection::open_with_flags(backup, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(explain)?;
    source.execute_batch(CACHE).map_err(explain)?;
    file::check_owner(&source, backup)?;
    fits(&source, backup)?;
    sound(&source, backup)?;
    let backed_up_at = backed_up_at(&source).map_err(explain)?;
    drop(source);

    let explain = |error: rusqlite::Error| file::explain(to, &error);
    let target = alone(to).map_err(explain)?;
    target.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(explain)?;
    target.execute("ATTACH DATABASE ?1 AS source", [text(backup)?]).map_err(explain)?;
    let ended = fill(&target, live).map_err(explain)?;
    target.close().map_err(|(_, error)| explain(error))?;

    migrate::run(to, MIGRATIONS, Contracts::Wait, &mut |_, _| {})?;
    let target = file::connect(to, Use::Write).map_err(explain)?;
    let detail = match live {
        Live::End => {
            format!(
                "{{\"sessions_ended\":{},\"refresh_families_ended\":{}}}",
                ended.sessions, ended.refresh_families
            )
        }
        Live::Keep => "{\"live\":\"kept\"}".to_owned(),
    };
    note(&target, now, "restored", &detail).map_err(explain)?;
    write_back(&target).map_err(explain)?;
    target.close().map_err(|(_, error)| explain(error))?;
    sync(to)?;
    Ok(Restored { backed_up_at, ended })
}

/// A connection to a file that nobody else knows, and that is thrown away unless everything succeeds.
fn alone(path: &Path) -> rusqlite::Result<Connection> {
    let connection = file::connect(path, Use::Checkpoint)?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY",
    )?;
    connection.execute_batch(CACHE)?;
    Ok(connection)
}

/// Copies table by table what is to stay, so that nothing else is left in the file, not even on free pages.
fn fill(target: &Connection, live: Live) -> rusqlite::Result<Ended> {
    let mut ended = Ended::default();
    target.execute_batch("BEGIN IMMEDIATE")?;
    // Tables and their indexes, and nothing that acts by itself: a trigger or a view is none of ours, whoever put it there.
    let objects = "SELECT type, name, sql FROM source.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~'
                   AND type IN ('table', 'index') AND rootpage > 0 ORDER BY type = 'table' DESC, rowid";
    let objects: Vec<[String; 3]> = target
        .prepare(objects)?
        .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?
        .collect::<Result<_, _>>()?;
    for [kind, name, sql] in &objects {
        // Indexes come after all tables: they are built of what is there. One statement and no more, whatever follows it.
        target.execute(sql, [])?;
        if kind == "table" {
            let table = quoted(name);
            let filter = leaves_out(name, live);
            if name == "record" && live == Live::End {
                ended.sessions = count(target, Kind::Session)?;
                ended.refresh_families = count(target, Kind::RefreshFamily)?;
            }
            target
                .execute_batch(&format!("INSERT INTO main.{table} SELECT * FROM source.{table} {filter}"))?;
        }
    }
    for pragma in ["application_id", "user_version"] {
        let value: i32 = target.query_row(&format!("PRAGMA source.{pragma}"), [], |row| row.get(0))?;
        target.execute_batch(&format!("PRAGMA main.{pragma} = {value}"))?;
    }
    target.execute(SKIP_VERSIONS, [SKIPPED_VERSIONS])?;
    target.execute_batch("COMMIT")?;
    Ok(ended)
}

/// Which rows of a table are not brought back.
fn leaves_out(table: &str, live: Live) -> String {
    let kinds: Vec<String> = match table {
        "record" | "entry" if live == Live::End => {
            store::LIVE.iter().map(|kind| quoted_text(kind.name())).collect()
        }
        name if name.starts_with("ring_") => vec![quoted_text(Kind::AuthorizationCode.name())],
        _ => return String::new(),
    };
    format!("WHERE kind NOT IN ({})", kinds.join(", "))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn count(target: &Connection, kind: Kind) -> rusqlite::Result<u64> {
    const SQL: &str = "SELECT count(*) FROM source.record WHERE kind = ?1";
    target.query_row(SQL, [kind.name()], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// What [`restore`] does beside ending logins, to a database that is there.
pub(crate) fn mark_restored(
    connection: &mut Connection,
    now: UnixTime,
    detail: &str,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for table in ["ring_0", "ring_1", "ring_2", "ring_3"] {
        let sql = format!("DELETE FROM {table} WHERE kind = ?1");
        transaction.execute(&sql, [Kind::AuthorizationCode.name()])?;
    }
    transaction.execute(SKIP_VERSIONS, [SKIPPED_VERSIONS])?;
    note(&transaction, now, "restored", detail)?;
    transaction.commit()
}

/// Writes a line of the database's own history, where it has one.
fn note(connection: &Connection, now: UnixTime, what: &str, detail: &str) -> rusqlite::Result<()> {
    if has_lineage(connection)? {
        const SQL: &str = "INSERT INTO lineage (at, what, detail) VALUES (?1, ?2, ?3)";
        connection.execute(SQL, params![integer(now.0), what, detail])?;
    }
    Ok(())
}

fn backed_up_at(connection: &Connection) -> rusqlite::Result<Option<UnixTime>> {
    if !has_lineage(connection)? {
        return Ok(None);
    }
    const SQL: &str = "SELECT at FROM lineage WHERE what = 'backed_up' ORDER BY number DESC LIMIT 1";
    let at: Option<i64> = connection.query_row(SQL, [], |row| row.get(0)).optional()?;
    Ok(at.map(|at| UnixTime(at.unsigned_abs())))
}

fn has_lineage(connection: &Connection) -> rusqlite::Result<bool> {
    const SQL: &str = "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = 'lineage'";
    connection.query_row(SQL, [], |row| row.get::<_, i64>(0)).map(|count| count == 1)
}

/// Refuses a database that this version cannot work with; an older one it can.
fn fits(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let begun = migrate::begun(connection).map_err(|error| file::explain(path, &error))?;
    if begun.is_empty() {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    plan(MIGRATIONS, &begun, Contracts::Wait).map(drop).map_err(|misfit| migrate::explain(path, misfit))
}

/// Refuses a file in which SQLite finds damage, or in which rows and their index are apart.
fn sound(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found = rows::disagreements(connection).map_err(|error| file::explain(path, &error))?;
    match found.first() {
        None => Ok(()),
        Some(first) => Err(OpenError::Damaged { path: path.to_owned(), why: first.replace('\n', "; ") }),
    }
}

/// Leaves nothing in the log: it does not go along when the file gets its name, and a connection that is closed keeps to
/// itself that it could not write the log back, as on a full disk.
fn write_back(connection: &Connection) -> rusqlite::Result<()> {
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    match is_busy {
        false => Ok(()),
        true => {
            let why = "its log could not be written back into it".to_owned();
            Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), Some(why)))
        }
    }
}

fn sync(path: &Path) -> Result<(), OpenError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| OpenError::Failed { path: path.to_owned(), why: error.to_string() })
}

/// SQLite takes a file's name as text.
fn text(path: &Path) -> Result<&str, OpenError> {
    path.to_str()
        .ok_or_else(|| OpenError::Failed { path: path.to_owned(), why: "its name is not UTF-8".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r20_a_database_whose_log_is_not_written_back_is_not_taken_for_a_restored_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("authd.db");
        file::secure(&path).unwrap();
        migrate::run(&path, MIGRATIONS, Contracts::Wait, &mut |_, _| {}).unwrap();
        let log = || std::fs::metadata(directory.path().join("authd.db-wal")).unwrap().len();
        let target = file::connect(&path, Use::Write).unwrap();
        target.busy_timeout(std::time::Duration::ZERO).unwrap();
        note(&target, UnixTime(1), "one", "{}").unwrap();
        // What keeps the log here is a reader; a full disk does the same.
        let reader = file::connect(&path, Use::Read).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM lineage").unwrap();
        note(&target, UnixTime(2), "two", "{}").unwrap();
        let error = write_back(&target).unwrap_err().to_string();
        assert!(error.contains("log could not be written back"), "{error}");
        assert!(log() > 0);
        reader.execute_batch("COMMIT").unwrap();
        write_back(&target).unwrap();
        assert_eq!(log(), 0);
    }
}
