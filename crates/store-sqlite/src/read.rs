//! Reads: single rows and pages, on connections beside the writer's.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use records::Version;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use store::{IndexEntry, Key, Kind, Retention, Row, Space, Unavailable};

use crate::error::{closed, unavailable};
use crate::file::{self, Use};

/// Connections that read. Each read is one statement, so it sees one committed state, the newest.
///
/// Reads run on the caller's thread: a row that the system has in memory takes microseconds, less than handing the
/// work to another thread and back. A writer never makes them wait.
pub(crate) struct Readers {
    /// `None` once the database is closed.
    connections: Vec<Mutex<Option<Connection>>>,
    next: AtomicUsize,
}

impl Readers {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let count = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
        let connect = |_| file::connect(path, Use::Read).map(|connection| Mutex::new(Some(connection)));
        let connections = (0..count).map(connect).collect::<Result<_, _>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    pub(crate) fn row(&self, space: &Space, kind: Kind, key: &Key) -> Result<Option<Row>, Unavailable> {
        self.with(|connection| row(connection, space, kind, key))
    }

    pub(crate) fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Row>, Unavailable> {
        if kind.retention() == Retention::Ring {
            return Err(Unavailable::Backend(format!("{} has no pages", kind.name())));
        }
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.with(|connection| page(connection, space, kind, filter, after, at_most))
    }

    pub(crate) fn configuration_version(&self) -> Result<u64, Unavailable> {
        const SQL: &str = "SELECT value FROM counter WHERE name = 'configuration_version'";
        let version: i64 =
            self.with(|connection| connection.prepare_cached(SQL)?.query_row([], |row| row.get(0)))?;
        Ok(u64::try_from(version).unwrap_or_default())
    }

    /// Lets go of the file: no read is answered any more.
    pub(crate) fn close(&self) {
        for connection in &self.connections {
            *connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Whichever connection is free, or else one after the other.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Unavailable> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let guard = self.any_from(start);
        let connection = guard.as_ref().and_then(|guard| guard.as_ref()).ok_or_else(closed)?;
        read(connection).map_err(|error| unavailable(&error))
    }

    fn any_from(&self, start: usize) -> Option<MutexGuard<'_, Option<Connection>>> {
        for offset in 0..self.connections.len() {
            match self.at(start.wrapping_add(offset))?.try_lock() {
                Ok(connection) => return Some(connection),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        Some(self.at(start)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn at(&self, position: usize) -> Option<&Mutex<Option<Connection>>> {
        self.connections.get(position.checked_rem(self.connections.len())?)
    }
}

const ROW: &str = "SELECT key, version, body FROM record WHERE space = ?1 AND kind = ?2 AND key = ?3";

const RING_ROW: &str = "
    SELECT key, version, body FROM ring_0 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
    SELECT key, version, body FROM ring_1 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
    SELECT key, version, body FROM ring_2 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
    SELECT key, version, body FROM ring_3 WHERE space = ?1 AND kind = ?2 AND key = ?3";

fn row(connection: &Connection, space: &Space, kind: Kind, key: &Key) -> rusqlite::Result<Option<Row>> {
    let sql = match kind.retention() {
        Retention::Ring => RING_ROW,
        Retention::Kept | Retention::Slices => ROW,
    };
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(params![space.as_str(), kind.name(), key.as_str()], read_row).optional()
}

// A page with `after` is a statement of its own: `?5 IS NULL OR key > ?5` would read from the beginning.
const PAGE: &str = "SELECT key, version, body FROM record
    WHERE space = ?1 AND kind = ?2 ORDER BY key LIMIT ?3";
const PAGE_AFTER: &str = "SELECT key, version, body FROM record
    WHERE space = ?1 AND kind = ?2 AND key > ?4 ORDER BY key LIMIT ?3";
const FILTERED: &str = "SELECT record.key, version, body FROM entry JOIN record USING (space, kind, key)
    WHERE entry.space = ?1 AND entry.kind = ?2 AND name = ?4 AND value = ?5 ORDER BY entry.key LIMIT ?3";
const FILTERED_AFTER: &str =
    "SELECT record.key, version, body FROM entry JOIN record USING (space, kind, key)
    WHERE entry.space = ?1 AND entry.kind = ?2 AND name = ?4 AND value = ?5 AND entry.key > ?6
    ORDER BY entry.key LIMIT ?3";

fn page(
    connection: &Connection,
    space: &Space,
    kind: Kind,
    filter: Option<&IndexEntry>,
    after: Option<&Key>,
    at_most: i64,
) -> rusqlite::Result<Vec<Row>> {
    let (space, kind) = (space.as_str(), kind.name());
    let mut statement = connection.prepare_cached(match (filter, after) {
        (None, None) => PAGE,
        (None, Some(_)) => PAGE_AFTER,
        (Some(_), None) => FILTERED,
        (Some(_), Some(_)) => FILTERED_AFTER,
    })?;
    let rows = match (filter, after) {
        (None, None) => statement.query_map(params![space, kind, at_most], read_row)?,
        (None, Some(after)) => {
            statement.query_map(params![space, kind, at_most, after.as_str()], read_row)?
        }
        (Some(entry), None) => {
            statement.query_map(params![space, kind, at_most, entry.name, entry.value.as_str()], read_row)?
        }
        (Some(entry), Some(after)) => statement.query_map(
            params![space, kind, at_most, entry.name, entry.value.as_str(), after.as_str()],
            read_row,
        )?,
    };
    rows.collect()
}

fn read_row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row { key: Key::from_stored(row.get(0)?), version: version(row.get(1)?), body: row.get(2)? })
}

/// A version as it stands in its column.
pub(crate) fn version(stored: i64) -> Version {
    Version(stored.cast_unsigned())
}
