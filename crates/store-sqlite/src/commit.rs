//! One commit inside the group's transaction: first everything is checked, then everything is written.
//!
//! Nobody else writes between the two: the transaction holds the database's write lock from its beginning. So a
//! conflict is found before the first change, and there is nothing to undo.

use records::{UnixTime, Version};
use rusqlite::{Connection, OptionalExtension, params};
use store::{Becomes, Expect, IndexEntry, Operation, Retention, Space};

use crate::read;
use crate::ring::{self, integer};

/// Whether a commit's expectations held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is written, in this transaction.
    Written,
    /// It is not, and nothing of it is.
    Conflict,
}

/// What stands where an operation goes.
struct Found {
    version: Version,
    /// Long-lived rows: the index entries as text.
    entries: String,
    drop_at: Option<i64>,
    /// Short-lived rows: which table of the ring.
    slot: u64,
}

/// Hands out versions that were reserved for this process.
pub(crate) struct Versions {
    next: i64,
    end: i64,
    /// Whether the reservation is part of the transaction that is open.
    is_pending: bool,
}

/// How many versions a process reserves at a time. Those that it does not use are never used.
const BLOCK: i64 = 65_536;

impl Versions {
    pub(crate) fn none() -> Self {
        Self { next: 0, end: 0, is_pending: false }
    }

    /// Makes sure that so many can be handed out. Where more must be reserved, this is part of the open transaction.
    pub(crate) fn reserve(&mut self, connection: &Connection, count: usize) -> rusqlite::Result<()> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if self.end - self.next >= count {
            return Ok(());
        }
        const SQL: &str = "UPDATE counter SET value = value + ?1 WHERE name = 'next_version' RETURNING value";
        let block = BLOCK.saturating_add(count);
        let end: i64 = connection.prepare_cached(SQL)?.query_row([block], |row| row.get(0))?;
        *self = Self { next: end.saturating_sub(block), end, is_pending: true };
        Ok(())
    }

    /// The open transaction is durable, and so is what it reserved.
    pub(crate) fn committed(&mut self) {
        self.is_pending = false;
    }

    /// The open transaction did not happen. What it reserved may be reserved by another process next; what it handed
    /// out of an earlier reservation is not handed out again.
    pub(crate) fn rolled_back(&mut self) {
        if self.is_pending {
            *self = Self::none();
        }
    }

    /// The next version. [`Versions::reserve`] made sure that there is one.
    fn take(&mut self) -> i64 {
        let version = self.next;
        self.next = version.saturating_add(1);
        version
    }
}

/// Carries out one commit inside a transaction that holds the write lock.
pub(crate) fn apply(
    connection: &Connection,
    versions: &mut Versions,
    space: &Space,
    operations: &[Operation],
) -> rusqlite::Result<Outcome> {
    if let Some(outcome) = apply_one_change(connection, versions, space, operations)? {
        return Ok(outcome);
    }
    let mut found = Vec::with_capacity(operations.len());
    for operation in operations {
        let there = find(connection, space, operation)?;
        if !operation.expect.holds(there.as_ref().map(|there| there.version)) {
            return Ok(Outcome::Conflict);
        }
        found.push(there);
    }
    for (operation, there) in operations.iter().zip(found) {
        write(connection, versions, space, operation, there)?;
    }
    Ok(Outcome::Written)
}

/// The common commit: one row changes, and the others are only relied on. `None` where it is another one.
fn apply_one_change(
    connection: &Connection,
    versions: &mut Versions,
    space: &Space,
    operations: &[Operation],
) -> rusqlite::Result<Option<Outcome>> {
    let is_kept = |operation: &&Operation| operation.becomes == Becomes::Keep;
    let mut changes = operations.iter().filter(|operation| !is_kept(operation));
    let (Some(change), None) = (changes.next(), changes.next()) else { return Ok(None) };
    for kept in operations.iter().filter(is_kept) {
        if !kept.expect.holds(version(connection, space, kept)?) {
            return Ok(Some(Outcome::Conflict));
        }
    }
    apply_in_one_statement(connection, versions, space, change)
}

/// The common changes of one row: made new, or changed at a version with its end and its index entries unchanged.
/// `None` where it takes more than one statement to tell.
fn apply_in_one_statement(
    connection: &Connection,
    versions: &mut Versions,
    space: &Space,
    operation: &Operation,
) -> rusqlite::Result<Option<Outcome>> {
    let Operation { kind, key, expect, becomes } = operation;
    let Becomes::Put { body, index, drop_at } = becomes else { return Ok(None) };
    if kind.retention() == Retention::Ring {
        return Ok(None);
    }
    let (space_name, kind_name, key_text) = (space.as_str(), kind.name(), key.as_str());
    let (entries, drop_at) = (entries_text(index), drop_at.map(|end| integer(end.0)));
    match expect {
        Expect::Version(version) => {
            const SQL: &str = "UPDATE record SET version = ?4, body = ?5
                WHERE space = ?1 AND kind = ?2 AND key = ?3 AND version = ?6 AND entries = ?7 AND drop_at IS ?8";
            let version = version.0.cast_signed();
            let next = versions.take();
            let changed = connection
                .prepare_cached(SQL)?
                .execute(params![space_name, kind_name, key_text, next, body, version, entries, drop_at])?;
            Ok((changed == 1).then_some(Outcome::Written))
        }
        Expect::Absent => {
            const SQL: &str = "INSERT INTO record (space, kind, key, version, body, entries, drop_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
            let next = versions.take();
            let made = connection
                .prepare_cached(SQL)?
                .execute(params![space_name, kind_name, key_text, next, body, entries, drop_at])?;
            if made == 0 {
                return Ok(Some(Outcome::Conflict));
            }
            for line in entries.lines() {
                write_entry(connection, space, operation, line)?;
            }
            Ok(Some(Outcome::Written))
        }
        Expect::Covered => Ok(None),
    }
}

/// The version alone: what checking a row takes that stays as it is.
fn version(
    connection: &Connection,
    space: &Space,
    operation: &Operation,
) -> rusqlite::Result<Option<Version>> {
    if operation.kind.retention() == Retention::Ring {
        return Ok(find(connection, space, operation)?.map(|found| found.version));
    }
    const SQL: &str = "SELECT version FROM record WHERE space = ?1 AND kind = ?2 AND key = ?3";
    let place = params![space.as_str(), operation.kind.name(), operation.key.as_str()];
    connection.prepare_cached(SQL)?.query_row(place, |row| Ok(read::version(row.get(0)?))).optional()
}

fn find(connection: &Connection, space: &Space, operation: &Operation) -> rusqlite::Result<Option<Found>> {
    const RECORD: &str =
        "SELECT version, entries, drop_at, 0 FROM record WHERE space = ?1 AND kind = ?2 AND key = ?3";
    const RING: &str = "
        SELECT version, '', drop_at, 0 FROM ring_0 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
        SELECT version, '', drop_at, 1 FROM ring_1 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
        SELECT version, '', drop_at, 2 FROM ring_2 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
        SELECT version, '', drop_at, 3 FROM ring_3 WHERE space = ?1 AND kind = ?2 AND key = ?3";
    let sql = match operation.kind.retention() {
        Retention::Ring => RING,
        Retention::Kept | Retention::Slices => RECORD,
    };
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row(params![space.as_str(), operation.kind.name(), operation.key.as_str()], |row| {
            Ok(Found {
                version: read::version(row.get(0)?),
                entries: row.get(1)?,
                drop_at: row.get(2)?,
                slot: row.get::<_, i64>(3)?.unsigned_abs(),
            })
        })
        .optional()
}

fn write(
    connection: &Connection,
    versions: &mut Versions,
    space: &Space,
    operation: &Operation,
    there: Option<Found>,
) -> rusqlite::Result<()> {
    let is_ring = operation.kind.retention() == Retention::Ring;
    match &operation.becomes {
        Becomes::Keep => Ok(()),
        Becomes::Delete => match there {
            None => Ok(()),
            Some(there) if is_ring => delete_from_ring(connection, space, operation, there.slot),
            Some(there) => delete_record(connection, space, operation, &there),
        },
        Becomes::Put { body, index, drop_at } => {
            let version = versions.take();
            match drop_at {
                Some(end) if is_ring => {
                    put_in_ring(connection, space, operation, there, (version, body, *end))
                }
                _ => {
                    let drop_at = drop_at.map(|end| integer(end.0));
                    put_record(
                        connection,
                        space,
                        operation,
                        there,
                        (version, body, entries_text(index), drop_at),
                    )
                }
            }
        }
    }
}

fn put_record(
    connection: &Connection,
    space: &Space,
    operation: &Operation,
    there: Option<Found>,
    (version, body, entries, drop_at): (i64, &str, String, Option<i64>),
) -> rusqlite::Result<()> {
    const INSERT: &str = "INSERT INTO record (space, kind, key, version, body, entries, drop_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    const UPDATE: &str = "UPDATE record SET version = ?4, body = ?5
        WHERE space = ?1 AND kind = ?2 AND key = ?3";
    // Naming a column makes SQLite rewrite its index, so this is another statement.
    const UPDATE_ALL: &str = "UPDATE record SET version = ?4, body = ?5, entries = ?6, drop_at = ?7
        WHERE space = ?1 AND kind = ?2 AND key = ?3";
    let (space_name, kind_name, key_text) = (space.as_str(), operation.kind.name(), operation.key.as_str());
    let sql = match &there {
        None => INSERT,
        Some(there) if there.entries == entries && there.drop_at == drop_at => {
            let values = params![space_name, kind_name, key_text, version, body];
            connection.prepare_cached(UPDATE)?.execute(values)?;
            return Ok(());
        }
        Some(_) => UPDATE_ALL,
    };
    let values = params![space_name, kind_name, key_text, version, body, entries, drop_at];
    connection.prepare_cached(sql)?.execute(values)?;
    let old = there.map(|there| there.entries).unwrap_or_default();
    if old != entries {
        for line in old.lines() {
            delete_entry(connection, space, operation, line)?;
        }
        for line in entries.lines() {
            write_entry(connection, space, operation, line)?;
        }
    }
    Ok(())
}

fn delete_record(
    connection: &Connection,
    space: &Space,
    operation: &Operation,
    there: &Found,
) -> rusqlite::Result<()> {
    const SQL: &str = "DELETE FROM record WHERE space = ?1 AND kind = ?2 AND key = ?3";
    let row = params![space.as_str(), operation.kind.name(), operation.key.as_str()];
    connection.prepare_cached(SQL)?.execute(row)?;
    for line in there.entries.lines() {
        delete_entry(connection, space, operation, line)?;
    }
    Ok(())
}

fn put_in_ring(
    connection: &Connection,
    space: &Space,
    operation: &Operation,
    there: Option<Found>,
    (version, body, end): (i64, &str, UnixTime),
) -> rusqlite::Result<()> {
    let number = ring::slot_of(end);
    let sql = match there {
        Some(there) if there.slot == number => ring::slot(number).update,
        Some(there) => {
            delete_from_ring(connection, space, operation, there.slot)?;
            ring::slot(number).insert
        }
        None => ring::slot(number).insert,
    };
    let (space, kind, key) = (space.as_str(), operation.kind.name(), operation.key.as_str());
    connection.prepare_cached(sql)?.execute(params![space, kind, key, version, body, integer(end.0)])?;
    ring::occupy(connection, end)
}

fn delete_from_ring(
    connection: &Connection,
    space: &Space,
    operation: &Operation,
    slot: u64,
) -> rusqlite::Result<()> {
    let row = params![space.as_str(), operation.kind.name(), operation.key.as_str()];
    connection.prepare_cached(ring::slot(slot).delete)?.execute(row)?;
    Ok(())
}

/// Index entries as sorted lines `NAME=VALUE`: names are words of ours, and values are escaped as keys are, so neither
/// has a line break or, the name, an equals sign.
fn entries_text(index: &[IndexEntry]) -> String {
    fn line(entry: &IndexEntry) -> impl Iterator<Item = u8> {
        entry.name.bytes().chain(std::iter::once(b'=')).chain(entry.value.as_str().bytes())
    }
    let mut sorted: Vec<&IndexEntry> = index.iter().collect();
    sorted.sort_unstable_by(|one, other| line(one).cmp(line(other)));
    sorted.dedup();
    let length = sorted.iter().map(|entry| entry.name.len() + entry.value.as_str().len() + 2).sum();
    let mut text = String::with_capacity(length);
    for entry in sorted {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(entry.name);
        text.push('=');
        text.push_str(entry.value.as_str());
    }
    text
}

fn write_entry(
    connection: &Connection,
    space: &Space,
    operation: &Operation,
    line: &str,
) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO entry (space, kind, name, value, key) VALUES (?1, ?2, ?3, ?4, ?5)";
    change_entry(connection, SQL, space, (operation.kind.name(), operation.key.as_str()), line)
}

fn delete_entry(
    connection: &Connection,
    space: &Space,
    operation: &Operation,
    line: &str,
) -> rusqlite::Result<()> {
    change_entry(connection, DELETE_ENTRY, space, (operation.kind.name(), operation.key.as_str()), line)
}

const DELETE_ENTRY: &str =
    "DELETE FROM entry WHERE space = ?1 AND kind = ?2 AND name = ?3 AND value = ?4 AND key = ?5";

fn change_entry(
    connection: &Connection,
    sql: &str,
    space: &Space,
    (kind, key): (&str, &str),
    line: &str,
) -> rusqlite::Result<()> {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    connection.prepare_cached(sql)?.execute(params![space.as_str(), kind, name, value, key])?;
    Ok(())
}

/// Removes long-lived rows that are past their end, with their index entries. Returns how many.
pub(crate) fn sweep_records(
    connection: &Connection,
    now: UnixTime,
    at_most: usize,
) -> rusqlite::Result<usize> {
    const SELECT: &str = "SELECT space, kind, key, entries FROM record
        WHERE drop_at IS NOT NULL AND drop_at <= ?1 ORDER BY drop_at LIMIT ?2";
    const DELETE: &str = "DELETE FROM record WHERE space = ?1 AND kind = ?2 AND key = ?3";
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let rows: Vec<[String; 4]> = connection
        .prepare_cached(SELECT)?
        .query_map(params![integer(now.0), at_most], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
        })?
        .collect::<Result<_, _>>()?;
    for [space, kind, key, entries] in &rows {
        connection.prepare_cached(DELETE)?.execute(params![space, kind, key])?;
        for line in entries.lines() {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            connection.prepare_cached(DELETE_ENTRY)?.execute(params![space, kind, name, value, key])?;
        }
    }
    Ok(rows.len())
}
