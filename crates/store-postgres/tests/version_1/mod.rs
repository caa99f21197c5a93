//! Version 1 of the schema, and the statements of the server that came with it, as they were (docs/adr/0012).
//!
//! Nothing here follows the code: it stands for a server of that version which goes on beside a newer one.
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};

/// A server of version 1.
pub(crate) struct Version1 {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

const CHECKSUM: &str = "7bcabec8a981f97a";

const RESERVE: &str =
    "UPDATE authd.counter SET value = value + $1 WHERE name = 'next_version' RETURNING value";
const STRIPES: &str =
    "SELECT number FROM authd.stripe WHERE number = ANY ($1::integer[]) ORDER BY number FOR UPDATE";
const RECORDS: &str = "
    SELECT n.position, r.version, r.entries, 0
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS n (space, kind, key, position)
    JOIN authd.record r ON r.space = n.space AND r.kind = n.kind AND r.key = n.key
    ORDER BY r.space, r.kind, r.key FOR UPDATE OF r";
const RINGS: &str = "
    WITH n AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS n (space, kind, key, position)
    )
    SELECT n.position, r.version, '', 0 FROM n JOIN authd.ring_0 r ON r.space = n.space AND r.kind = n.kind AND r.key = n.key UNION ALL
    SELECT n.position, r.version, '', 1 FROM n JOIN authd.ring_1 r ON r.space = n.space AND r.kind = n.kind AND r.key = n.key UNION ALL
    SELECT n.position, r.version, '', 2 FROM n JOIN authd.ring_2 r ON r.space = n.space AND r.kind = n.kind AND r.key = n.key UNION ALL
    SELECT n.position, r.version, '', 3 FROM n JOIN authd.ring_3 r ON r.space = n.space AND r.kind = n.kind AND r.key = n.key";
const UPDATE: &str = "
    UPDATE authd.record r SET version = n.version, body = n.body, entries = n.entries, drop_at = n.drop_at
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[])
        AS n (space, kind, key, version, body, entries, drop_at)
    WHERE r.space = n.space AND r.kind = n.kind AND r.key = n.key";
const INSERT: &str = "
    INSERT INTO authd.record (space, kind, key, version, body, entries, drop_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[])";
const DELETE: &str = "
    DELETE FROM authd.record r USING unnest($1::text[], $2::text[], $3::text[]) AS n (space, kind, key)
    WHERE r.space = n.space AND r.kind = n.kind AND r.key = n.key";
const INSERT_ENTRIES: &str = "
    INSERT INTO authd.entry (space, kind, key, name, value)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])";
const DELETE_ENTRIES: &str = "
    DELETE FROM authd.entry e
    USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS n (space, kind, key, name, value)
    WHERE e.space = n.space AND e.kind = n.kind AND e.name = n.name AND e.value = n.value AND e.key = n.key";
const RAISE: &str = "UPDATE authd.ring SET last_period = $2 WHERE slot = $1 AND last_period < $2";
const LAST_PERIOD: &str = "SELECT last_period FROM authd.ring WHERE slot = $1 FOR UPDATE";
const CONFIGURATION_CHANGED: &str =
    "UPDATE authd.counter SET value = value + 1 WHERE name = 'configuration_version'";
const CONFIGURATION: &str = "SELECT value FROM authd.counter WHERE name = 'configuration_version'";
const ROW: &str = "SELECT key, version, body FROM authd.record WHERE space = $1 AND kind = $2 AND key = $3";
const RING_ROW: &str = "
    SELECT key, version, body FROM authd.ring_0 WHERE space = $1 AND kind = $2 AND key = $3 UNION ALL
    SELECT key, version, body FROM authd.ring_1 WHERE space = $1 AND kind = $2 AND key = $3 UNION ALL
    SELECT key, version, body FROM authd.ring_2 WHERE space = $1 AND kind = $2 AND key = $3 UNION ALL
    SELECT key, version, body FROM authd.ring_3 WHERE space = $1 AND kind = $2 AND key = $3";
const PAGE: &str = "SELECT key, version, body FROM authd.record
    WHERE space = $1 AND kind = $2 ORDER BY key LIMIT $3";
const PAGE_AFTER: &str = "SELECT key, version, body FROM authd.record
    WHERE space = $1 AND kind = $2 AND key > $4 ORDER BY key LIMIT $3";
const FILTERED: &str = "SELECT r.key, r.version, r.body
    FROM authd.entry e JOIN authd.record r ON r.space = e.space AND r.kind = e.kind AND r.key = e.key
    WHERE e.space = $1 AND e.kind = $2 AND e.name = $4 AND e.value = $5 ORDER BY e.key LIMIT $3";
const FILTERED_AFTER: &str = "SELECT r.key, r.version, r.body
    FROM authd.entry e JOIN authd.record r ON r.space = e.space AND r.kind = e.kind AND r.key = e.key
    WHERE e.space = $1 AND e.kind = $2 AND e.name = $4 AND e.value = $5 AND e.key > $6 ORDER BY e.key LIMIT $3";
const SWEEP: &str = "
    DELETE FROM authd.record WHERE (space, kind, key) IN (
        SELECT space, kind, key FROM authd.record WHERE drop_at <= $1 ORDER BY drop_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING space, kind, key, entries";
/// Of each table of the ring: they differed in its name alone.
const RING_UPSERT: &str = "INSERT INTO authd.ring_N AS r (space, kind, key, version, body, drop_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[])
    ON CONFLICT (space, kind, key)
    DO UPDATE SET version = excluded.version, body = excluded.body, drop_at = excluded.drop_at";
const RING_DELETE: &str =
    "DELETE FROM authd.ring_N r USING unnest($1::text[], $2::text[], $3::text[]) AS n (space, kind, key)
    WHERE r.space = n.space AND r.kind = n.kind AND r.key = n.key";
const RING_COUNT: &str = "SELECT count(*) FROM authd.ring_N";
const RING_EMPTY: &str = "TRUNCATE authd.ring_N";
const RING_THIN: &str = "DELETE FROM authd.ring_N WHERE (space, kind, key) IN
    (SELECT space, kind, key FROM authd.ring_N WHERE drop_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// The tenant whose rows these are.
pub(crate) const SPACE: &str = "acme";

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Version1 {
    fn connect(address: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(tokio_postgres::connect(address, NoTls)).unwrap();
        runtime.spawn(connection);
        Self { client, runtime }
    }

    /// Makes the tables that version 1 made.
    pub(crate) fn make(address: &str) -> Self {
        let server = Self::connect(address);
        server.batch(
            "CREATE SCHEMA IF NOT EXISTS authd;
             CREATE TABLE IF NOT EXISTS authd.migration (
                 number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, needs INTEGER NOT NULL
             )",
        );
        server.run(
            "INSERT INTO authd.migration (number, name, checksum, needs) VALUES ($1, $2, $3, $4)",
            &[&1i32, &"records", &CHECKSUM, &1i32],
        );
        server.batch(include_str!("schema.sql"));
        server
    }

    /// Starts on a database, as version 1 did: refuses what it cannot work with.
    pub(crate) fn open(address: &str) -> Result<Self, String> {
        let server = Self::connect(address);
        let row = server.runtime.block_on(server.client.query_one(
            "SELECT max(needs), (SELECT checksum FROM authd.migration WHERE number = 1) FROM authd.migration",
            &[],
        ));
        let row = row.unwrap();
        let (needs, checksum): (i32, String) = (row.get(0), row.get(1));
        match (needs, checksum.as_str()) {
            (1, CHECKSUM) => Ok(server),
            (1, _) => Err("made with another migration 1".to_owned()),
            _ => Err(format!("changed by a newer version of authd: it needs schema {needs}")),
        }
    }

    /// Fills it with long-lived rows, each with an index entry.
    pub(crate) fn fill(&self, rows: u32) {
        for number in 0..rows {
            let key = [format!("old{number:06}")];
            self.put(INSERT, "session", &key, "user=u", Some(4_000_000_000));
            self.entries(INSERT_ENTRIES, "session", &key, ("user", "u"));
        }
    }

    /// Reads whatever it read.
    pub(crate) fn read(&self) {
        let ten = 10i64;
        assert_eq!(self.rows(CONFIGURATION, &[]), 1);
        self.rows(ROW, &[&SPACE, &"session", &"old000000"]);
        self.rows(RING_ROW, &[&SPACE, &"seen_jti", &"none"]);
        self.rows(PAGE, &[&SPACE, &"session", &ten]);
        self.rows(PAGE_AFTER, &[&SPACE, &"session", &ten, &"old000003"]);
        self.rows(FILTERED, &[&SPACE, &"session", &ten, &"user", &"u"]);
        self.rows(FILTERED_AFTER, &[&SPACE, &"session", &ten, &"user", &"u", &"old000003"]);
    }

    /// Carries out every statement that it had, and leaves what it found.
    pub(crate) fn serve(&self) {
        let (kind, keys, ten) = ("user_grant", ["a".to_owned(), "b".to_owned()], 10i64);
        let (spaces, kinds) = (vec![SPACE; 2], vec![kind; 2]);
        self.batch("BEGIN ISOLATION LEVEL READ COMMITTED");
        assert_eq!(self.rows(STRIPES, &[&vec![1i32, 7, 16_383]]), 3);
        assert_eq!(self.put(INSERT, kind, &keys, "colour=red", Some(5)), 2);
        self.entries(INSERT_ENTRIES, kind, &keys, ("colour", "red"));
        assert_eq!(self.rows(RECORDS, &[&spaces, &kinds, &&keys[..]]), 2);
        assert_eq!(self.put(UPDATE, kind, &keys, "colour=blue", Some(6)), 2);
        assert_eq!(self.entries(DELETE_ENTRIES, kind, &keys, ("colour", "red")), 2);
        self.entries(INSERT_ENTRIES, kind, &keys, ("colour", "blue"));
        assert_eq!(self.run(CONFIGURATION_CHANGED, &[]), 1);
        self.batch("COMMIT");

        self.read();
        assert_eq!(self.rows(ROW, &[&SPACE, &kind, &"a"]), 1);
        assert_eq!(self.rows(PAGE, &[&SPACE, &kind, &ten]), 2);
        assert_eq!(self.rows(PAGE_AFTER, &[&SPACE, &kind, &ten, &"a"]), 1);
        assert_eq!(self.rows(FILTERED, &[&SPACE, &kind, &ten, &"colour", &"blue"]), 2);
        assert_eq!(self.rows(FILTERED_AFTER, &[&SPACE, &kind, &ten, &"colour", &"blue", &"a"]), 1);

        self.batch("BEGIN ISOLATION LEVEL READ COMMITTED");
        assert_eq!(self.rows(SWEEP, &[&6i64, &1i64]), 1);
        assert_eq!(self.run(DELETE, &[&spaces, &kinds, &&keys[..]]), 1, "the other is swept");
        assert_eq!(self.entries(DELETE_ENTRIES, kind, &keys, ("colour", "blue")), 2);
        self.batch("COMMIT");
        for slot in 0..4 {
            self.serve_ring(slot);
        }
    }

    fn serve_ring(&self, slot: i32) {
        let ring = |sql: &str| sql.replace("ring_N", &format!("ring_{slot}"));
        let (space, kind, key) = (vec![SPACE], vec!["seen_jti"], vec!["jti"]);
        let end = i64::from(slot) * 3600 + 5;
        self.batch("BEGIN ISOLATION LEVEL READ COMMITTED");
        for _ in 0..2 {
            let version = self.reserve();
            let values: Values<'_> = &[&space, &kind, &key, &vec![version], &vec!["{}"], &vec![end]];
            assert_eq!(self.run(&ring(RING_UPSERT), values), 1);
        }
        self.run(RAISE, &[&slot, &i64::from(slot)]);
        assert_eq!(self.rows(RINGS, &[&space, &kind, &key]), 1);
        self.batch("COMMIT");
        assert_eq!(self.rows(RING_ROW, &[&SPACE, &"seen_jti", &"jti"]), 1);
        assert_eq!(self.run(&ring(RING_THIN), &[&end, &10i64]), 1);
        assert_eq!(self.run(&ring(RING_DELETE), &[&space, &kind, &key]), 0);
        self.batch("BEGIN ISOLATION LEVEL READ COMMITTED");
        assert_eq!(self.rows(LAST_PERIOD, &[&slot]), 1);
        assert_eq!(self.rows(&ring(RING_COUNT), &[]), 1);
        self.batch(&ring(RING_EMPTY));
        self.batch("COMMIT");
    }

    fn put(&self, sql: &str, kind: &str, keys: &[String], entries: &str, drop_at: Option<i64>) -> u64 {
        let count = keys.len();
        let versions: Vec<i64> = keys.iter().map(|_| self.reserve()).collect();
        let (spaces, kinds, bodies) = (vec![SPACE; count], vec![kind; count], vec!["{}"; count]);
        let (entries, ends) = (vec![entries; count], vec![drop_at; count]);
        self.run(sql, &[&spaces, &kinds, &keys, &versions, &bodies, &entries, &ends])
    }

    fn entries(&self, sql: &str, kind: &str, keys: &[String], (name, value): (&str, &str)) -> u64 {
        let count = keys.len();
        let (spaces, kinds) = (vec![SPACE; count], vec![kind; count]);
        self.run(sql, &[&spaces, &kinds, &keys, &vec![name; count], &vec![value; count]])
    }

    fn reserve(&self) -> i64 {
        self.runtime.block_on(self.client.query_one(RESERVE, &[&1i64])).unwrap().get::<_, i64>(0) - 1
    }

    fn batch(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap();
    }

    fn run(&self, sql: &str, values: Values<'_>) -> u64 {
        self.runtime.block_on(self.client.execute(sql, values)).unwrap()
    }

    fn rows(&self, sql: &str, values: Values<'_>) -> usize {
        self.runtime.block_on(self.client.query(sql, values)).unwrap().len()
    }
}
