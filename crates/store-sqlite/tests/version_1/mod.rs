//! Version 1 of the schema, and every statement of the server that came with it, as they were (docs/adr/0012).
//!
//! Nothing here follows the code: it stands for a server of that version which goes on beside a newer one.
#![allow(dead_code, clippy::allow_attributes, reason = "each test that includes this uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

/// A server of version 1.
pub(crate) struct Version1(Connection);

const CHECKSUM: &str = "080d46b31c7ba7d3";

const RESERVE: &str = "UPDATE counter SET value = value + ?1 WHERE name = 'next_version' RETURNING value";
const UPDATE_IF: &str = "UPDATE record SET version = ?4, body = ?5
    WHERE space = ?1 AND kind = ?2 AND key = ?3 AND version = ?6 AND entries = ?7 AND drop_at IS ?8";
const INSERT_IF: &str = "INSERT INTO record (space, kind, key, version, body, entries, drop_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
const FIND: &str =
    "SELECT version, entries, drop_at, 0 FROM record WHERE space = ?1 AND kind = ?2 AND key = ?3";
const FIND_IN_RING: &str = "
    SELECT version, '', drop_at, 0 FROM ring_0 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
    SELECT version, '', drop_at, 1 FROM ring_1 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
    SELECT version, '', drop_at, 2 FROM ring_2 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
    SELECT version, '', drop_at, 3 FROM ring_3 WHERE space = ?1 AND kind = ?2 AND key = ?3";
const INSERT: &str = "INSERT INTO record (space, kind, key, version, body, entries, drop_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const UPDATE: &str = "UPDATE record SET version = ?4, body = ?5 WHERE space = ?1 AND kind = ?2 AND key = ?3";
const UPDATE_ALL: &str = "UPDATE record SET version = ?4, body = ?5, entries = ?6, drop_at = ?7
    WHERE space = ?1 AND kind = ?2 AND key = ?3";
const DELETE: &str = "DELETE FROM record WHERE space = ?1 AND kind = ?2 AND key = ?3";
const INSERT_ENTRY: &str = "INSERT INTO entry (space, kind, name, value, key) VALUES (?1, ?2, ?3, ?4, ?5)";
const DELETE_ENTRY: &str =
    "DELETE FROM entry WHERE space = ?1 AND kind = ?2 AND name = ?3 AND value = ?4 AND key = ?5";
const SELECT_ENDED: &str = "SELECT space, kind, key, entries FROM record
    WHERE drop_at IS NOT NULL AND drop_at <= ?1 ORDER BY drop_at LIMIT ?2";
const OCCUPY: &str = "INSERT INTO ring (slot, last_period) VALUES (?1, ?2)
    ON CONFLICT (slot) DO UPDATE SET last_period = excluded.last_period
    WHERE excluded.last_period > last_period";
const LAST_PERIOD: &str = "SELECT last_period FROM ring WHERE slot = ?1";
const VACATE: &str = "DELETE FROM ring WHERE slot = ?1";
const CONFIGURATION_CHANGED: &str =
    "UPDATE counter SET value = value + 1 WHERE name = 'configuration_version'";
const CONFIGURATION: &str = "SELECT value FROM counter WHERE name = 'configuration_version'";
const ROW: &str = "SELECT key, version, body FROM record WHERE space = ?1 AND kind = ?2 AND key = ?3";
const RING_ROW: &str = "
    SELECT key, version, body FROM ring_0 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
    SELECT key, version, body FROM ring_1 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
    SELECT key, version, body FROM ring_2 WHERE space = ?1 AND kind = ?2 AND key = ?3 UNION ALL
    SELECT key, version, body FROM ring_3 WHERE space = ?1 AND kind = ?2 AND key = ?3";
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

/// One table of the ring: they differed in its name alone.
fn ring(sql: &str, slot: i64) -> String {
    sql.replace("ring_N", &format!("ring_{slot}"))
}

const RING_INSERT: &str =
    "INSERT INTO ring_N (space, kind, key, version, body, drop_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const RING_UPDATE: &str =
    "UPDATE ring_N SET version = ?4, body = ?5, drop_at = ?6 WHERE space = ?1 AND kind = ?2 AND key = ?3";
const RING_DELETE: &str = "DELETE FROM ring_N WHERE space = ?1 AND kind = ?2 AND key = ?3";
const RING_EMPTY: &str = "DELETE FROM ring_N";
const RING_THIN: &str = "DELETE FROM ring_N WHERE (space, kind, key) IN (SELECT space, kind, key FROM ring_N WHERE drop_at <= ?1 LIMIT ?2)";

/// The tenant whose rows these are.
pub(crate) const SPACE: &str = "acme";

impl Version1 {
    /// Makes the database that version 1 made.
    pub(crate) fn make(path: &Path) -> Self {
        drop(std::fs::File::create_new(path).unwrap());
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut connection = connect(path);
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL").unwrap();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        transaction
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS migration (
                     number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL
                 ) STRICT",
            )
            .unwrap();
        transaction.execute_batch(include_str!("schema.sql")).unwrap();
        let account = params![1, "records", CHECKSUM];
        transaction
            .execute("INSERT INTO migration (number, name, checksum) VALUES (?1, ?2, ?3)", account)
            .unwrap();
        transaction.execute_batch("PRAGMA application_id = 0x61757468; PRAGMA user_version = 1").unwrap();
        transaction.commit().unwrap();
        Self(connection)
    }

    /// Starts on a database, as version 1 did: refuses what it cannot work with.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let connection = connect(path);
        let number =
            |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).map_err(|e| e.to_string());
        if number("PRAGMA application_id")? != 0x6175_7468 {
            return Err("not ours".to_owned());
        }
        let found = number("PRAGMA user_version")?;
        if found > 1 {
            return Err(format!("written by a newer version of authd: its schema is {found}"));
        }
        let remembered: Option<String> = connection
            .query_row("SELECT checksum FROM migration WHERE number = ?1", [1], |row| row.get(0))
            .optional()
            .map_err(|error| error.to_string())?;
        if remembered.as_deref() != Some(CHECKSUM) {
            return Err("made with another migration 1".to_owned());
        }
        Ok(Self(connection))
    }

    /// Fills it with long-lived rows, each with an index entry.
    pub(crate) fn fill(&self, rows: u32) {
        self.fill_more(0, rows);
    }

    /// The same, from a number on.
    pub(crate) fn fill_more(&self, from: u32, rows: u32) {
        self.0.execute_batch("BEGIN IMMEDIATE").unwrap();
        for number in from..from + rows {
            let (key, version) = (format!("old{number:06}"), self.reserve());
            let body = format!("{{\"v\":1,\"number\":{number}}}");
            self.run(INSERT_IF, params![SPACE, "session", key, version, body, "user=u", 4_000_000_000i64]);
            self.run(INSERT_ENTRY, params![SPACE, "session", "user", "u", key]);
        }
        self.0.execute_batch("COMMIT").unwrap();
    }

    /// Reads whatever it read.
    pub(crate) fn read(&self) {
        assert!(self.number(CONFIGURATION, params![]).is_some());
        self.keys(ROW, params![SPACE, "session", "old000000"]);
        self.keys(RING_ROW, params![SPACE, "seen_jti", "none"]);
        self.keys(PAGE, params![SPACE, "session", 10]);
        self.keys(PAGE_AFTER, params![SPACE, "session", 10, "old000003"]);
        self.keys(FILTERED, params![SPACE, "session", 10, "user", "u"]);
        self.keys(FILTERED_AFTER, params![SPACE, "session", 10, "user", "u", "old000003"]);
    }

    /// Carries out every statement that it had, and leaves what it found.
    pub(crate) fn serve(&self) {
        let row = |key: &'static str| (SPACE, "user_grant", key);
        self.0.execute_batch("BEGIN IMMEDIATE").unwrap();
        // Made, changed at its version, changed with its index and end, found, deleted.
        let first = self.reserve();
        let (space, kind, key) = row("a");
        assert_eq!(self.run(INSERT_IF, params![space, kind, key, first, "{}", "colour=red", 5]), 1);
        assert_eq!(self.run(INSERT_IF, params![space, kind, key, first, "{}", "colour=red", 5]), 0);
        self.run(INSERT_ENTRY, params![space, kind, "colour", "red", key]);
        let second = self.reserve();
        assert!(second > first);
        let if_at = |at| params_of(space, kind, key, second, at);
        assert_eq!(self.run(UPDATE_IF, rusqlite::params_from_iter(if_at(first))), 1);
        assert_eq!(
            self.run(UPDATE_IF, rusqlite::params_from_iter(if_at(first))),
            0,
            "its version is another"
        );
        assert_eq!(self.run(UPDATE, params![space, kind, key, self.reserve(), "{\"x\":1}"]), 1);
        assert_eq!(self.number(FIND, params![space, kind, key]), Some(self.last()));
        assert_eq!(
            self.run(UPDATE_ALL, params![space, kind, key, self.reserve(), "{}", "colour=blue", 6]),
            1
        );
        assert_eq!(self.run(DELETE_ENTRY, params![space, kind, "colour", "red", key]), 1);
        self.run(INSERT_ENTRY, params![space, kind, "colour", "blue", key]);
        let none: Option<i64> = None;
        let (space, kind, key) = row("b");
        assert_eq!(self.run(INSERT, params![space, kind, key, self.reserve(), "{}", "colour=blue", none]), 1);
        self.run(INSERT_ENTRY, params![space, kind, "colour", "blue", key]);
        self.run(CONFIGURATION_CHANGED, params![]);
        self.0.execute_batch("COMMIT").unwrap();

        self.read();
        assert_eq!(self.keys(ROW, params![space, kind, "a"]), ["a"]);
        assert_eq!(self.keys(PAGE, params![space, kind, 10]), ["a", "b"]);
        assert_eq!(self.keys(PAGE_AFTER, params![space, kind, 10, "a"]), ["b"]);
        assert_eq!(self.keys(FILTERED, params![space, kind, 10, "colour", "blue"]), ["a", "b"]);
        assert_eq!(self.keys(FILTERED_AFTER, params![space, kind, 10, "colour", "blue", "a"]), ["b"]);

        self.0.execute_batch("BEGIN IMMEDIATE").unwrap();
        let ended =
            self.keys(SELECT_ENDED.replace("space, kind, key", "key, space, kind").as_str(), params![10, 10]);
        assert_eq!(ended, ["a"]);
        for key in ["a", "b"] {
            assert_eq!(self.run(DELETE, params![SPACE, "user_grant", key]), 1);
            assert_eq!(self.run(DELETE_ENTRY, params![SPACE, "user_grant", "colour", "blue", key]), 1);
        }
        self.serve_ring();
        self.0.execute_batch("COMMIT").unwrap();
    }

    fn serve_ring(&self) {
        for slot in 0..4i64 {
            let (key, end) = (format!("jti{slot}"), slot * 3600 + 5);
            let row = params![SPACE, "seen_jti", key];
            let version = self.reserve();
            self.run(&ring(RING_INSERT, slot), params![SPACE, "seen_jti", key, version, "{}", end]);
            self.run(OCCUPY, params![slot, slot]);
            assert_eq!(self.number(LAST_PERIOD, params![slot]), Some(slot));
            assert_eq!(self.number(FIND_IN_RING, row), Some(version));
            let values = params![SPACE, "seen_jti", key, self.reserve(), "{\"x\":1}", end];
            assert_eq!(self.run(&ring(RING_UPDATE, slot), values), 1);
            assert_eq!(self.keys(RING_ROW, params![SPACE, "seen_jti", key]), [key.as_str()]);
            assert_eq!(self.run(&ring(RING_DELETE, slot), params![SPACE, "seen_jti", key]), 1);
            self.run(&ring(RING_INSERT, slot), params![SPACE, "seen_jti", key, version, "{}", end]);
            assert_eq!(self.run(&ring(RING_THIN, slot), params![end, 10]), 1);
            assert_eq!(self.run(&ring(RING_EMPTY, slot), params![]), 0);
            assert_eq!(self.run(VACATE, params![slot]), 1);
        }
    }

    fn reserve(&self) -> i64 {
        self.0.query_row(RESERVE, [1i64], |row| row.get::<_, i64>(0)).unwrap() - 1
    }

    /// The version that was reserved last.
    fn last(&self) -> i64 {
        self.0
            .query_row("SELECT value FROM counter WHERE name = 'next_version'", [], |row| {
                row.get::<_, i64>(0)
            })
            .unwrap()
            - 1
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> usize {
        self.0.prepare_cached(sql).unwrap().execute(values).unwrap()
    }

    fn number(&self, sql: &str, values: impl rusqlite::Params) -> Option<i64> {
        self.0.prepare_cached(sql).unwrap().query_row(values, |row| row.get(0)).optional().unwrap()
    }

    fn keys(&self, sql: &str, values: impl rusqlite::Params) -> Vec<String> {
        let mut statement = self.0.prepare_cached(sql).unwrap();
        statement.query_map(values, |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

fn params_of(space: &str, kind: &str, key: &str, version: i64, at: i64) -> Vec<rusqlite::types::Value> {
    use rusqlite::types::Value;
    let text = |text: &str| Value::Text(text.to_owned());
    vec![
        text(space),
        text(kind),
        text(key),
        Value::Integer(version),
        text("{}"),
        Value::Integer(at),
        text("colour=red"),
        Value::Integer(5),
    ]
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;
             PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 67108864;",
        )
        .unwrap();
    connection
}
