//! Every row as it stands, for whoever looks for damage (threat R9).

use records::UnixTime;
use rusqlite::{Connection, params};
use store::RawRow;

use crate::read;

/// The tables that rows stand in, in the order in which they are listed. They differ in their names, and the ring has no
/// index entries.
const TABLES: [&str; 5] = [
    "SELECT space, kind, key, version, body, entries, drop_at FROM record
     WHERE (space, kind, key) > (?1, ?2, ?3) ORDER BY space, kind, key LIMIT ?4",
    "SELECT space, kind, key, version, body, '', drop_at FROM ring_0
     WHERE (space, kind, key) > (?1, ?2, ?3) ORDER BY space, kind, key LIMIT ?4",
    "SELECT space, kind, key, version, body, '', drop_at FROM ring_1
     WHERE (space, kind, key) > (?1, ?2, ?3) ORDER BY space, kind, key LIMIT ?4",
    "SELECT space, kind, key, version, body, '', drop_at FROM ring_2
     WHERE (space, kind, key) > (?1, ?2, ?3) ORDER BY space, kind, key LIMIT ?4",
    "SELECT space, kind, key, version, body, '', drop_at FROM ring_3
     WHERE (space, kind, key) > (?1, ?2, ?3) ORDER BY space, kind, key LIMIT ?4",
];

/// Rows after `after`, at most `at_most`; none: there are no more.
pub(crate) fn list(
    connection: &Connection,
    after: Option<&RawRow>,
    at_most: usize,
) -> rusqlite::Result<Vec<RawRow>> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let (first, mut space, mut kind, mut key) = match after {
        None => (0, "", "", ""),
        Some(row) => (row.table, row.space.as_str(), row.kind.as_str(), row.key.as_str()),
    };
    for (table, sql) in (0u8..).zip(TABLES).skip(usize::from(first)) {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![space, kind, key, at_most], |row| {
            Ok(RawRow {
                table,
                space: row.get(0)?,
                kind: row.get(1)?,
                key: row.get(2)?,
                version: read::version(row.get(3)?),
                body: row.get(4)?,
                entries: row.get(5)?,
                drop_at: row.get::<_, Option<i64>>(6)?.map(i64::unsigned_abs),
            })
        })?;
        let rows: Vec<RawRow> = rows.collect::<Result<_, _>>()?;
        if !rows.is_empty() {
            return Ok(rows);
        }
        (space, kind, key) = ("", "", "");
    }
    Ok(Vec::new())
}

/// What holds over all rows, each with what it means when it does not.
const AGREEMENTS: [(&str, &str); 4] = [
    (
        "SELECT count(*) FROM entry LEFT JOIN record USING (space, kind, key)
         WHERE version IS NULL OR instr(char(10) || entries || char(10), char(10) || name || '=' || value || char(10)) = 0",
        "index entries lead to a row that is not there, or not of that entry",
    ),
    (
        "SELECT (SELECT coalesce(sum(length(entries) - length(replace(entries, char(10), '')) + 1), 0)
                 FROM record WHERE entries <> '') - (SELECT count(*) FROM entry)",
        "index entries are missing",
    ),
    (
        "SELECT count(*) FROM record WHERE version >= (SELECT value FROM counter WHERE name = 'next_version')",
        "rows have a version that was not handed out yet",
    ),
    ("SELECT 2 - count(*) FROM counter WHERE name IN ('next_version', 'configuration_version')", "counters are missing"),
];

/// What does not hold over all rows, as sentences; and what SQLite finds wrong with the file.
pub(crate) fn disagreements(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = integrity(connection)?;
    for (sql, meaning) in AGREEMENTS {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        if count != 0 {
            found.push(format!("{count} {meaning}"));
        }
    }
    Ok(found)
}

/// What SQLite finds wrong with the file, at most some lines.
pub(crate) fn integrity(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// The database's own history, the newest line first.
pub(crate) fn lineage(
    connection: &Connection,
    at_most: usize,
) -> rusqlite::Result<Vec<(UnixTime, String, String)>> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let mut statement =
        connection.prepare("SELECT at, what, detail FROM lineage ORDER BY number DESC LIMIT ?1")?;
    let lines = statement.query_map([at_most], |row| {
        Ok((UnixTime(row.get::<_, i64>(0)?.unsigned_abs()), row.get(1)?, row.get(2)?))
    })?;
    lines.collect()
}
