//! Every row as it stands, for whoever looks for damage; the database's own history (threats R9, R20).

use records::UnixTime;
use store::{Kind, RawRow};
use tokio_postgres::types::Type;

use crate::connections::{Held, Pool, Value, in_time};
use crate::error::Failure;
use crate::read;
use crate::ring::integer;

/// The tables that rows stand in, in the order in which they are listed. They differ in their names, and the ring has no
/// index entries.
macro_rules! listings {
    ($($table:literal, $entries:literal;)*) => { [$(concat!(
        "SELECT space, kind, key, version, body, ", $entries, ", drop_at FROM authd.", $table,
        " WHERE (space, kind, key) > ($1, $2, $3) ORDER BY space, kind, key LIMIT $4"
    )),*] };
}

const TABLES: [&str; 5] =
    listings!("record", "entries"; "ring_0", "''"; "ring_1", "''"; "ring_2", "''"; "ring_3", "''";);

/// Rows after `after`, at most `at_most`; none: there are no more.
pub(crate) async fn list(
    pool: &Pool,
    after: Option<&RawRow>,
    at_most: usize,
) -> Result<Vec<RawRow>, Failure> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let (first, mut space, mut kind, mut key) = match after {
        None => (0, "", "", ""),
        Some(row) => (row.table, row.space.as_str(), row.kind.as_str(), row.key.as_str()),
    };
    let held = Held::from(pool).await?;
    let mut found = Vec::new();
    for (table, sql) in (0u8..).zip(TABLES).skip(usize::from(first)) {
        let rows = in_time(async {
            let values: [Value<'_>; 4] =
                [(&space, Type::TEXT), (&kind, Type::TEXT), (&key, Type::TEXT), (&at_most, Type::INT8)];
            held.session()?.alone(sql, &values).await
        })
        .await?;
        found = rows.iter().map(|row| raw(table, row)).collect::<Result<Vec<_>, _>>()?;
        if !found.is_empty() {
            break;
        }
        (space, kind, key) = ("", "", "");
    }
    held.give_back();
    Ok(found)
}

fn raw(table: u8, row: &tokio_postgres::Row) -> Result<RawRow, Failure> {
    let version: i64 = row.try_get(3)?;
    Ok(RawRow {
        table,
        space: row.try_get(0)?,
        kind: row.try_get(1)?,
        key: row.try_get(2)?,
        version: read::version(version),
        body: row.try_get(4)?,
        entries: row.try_get(5)?,
        drop_at: row.try_get::<_, Option<i64>>(6)?.map(i64::unsigned_abs),
    })
}

/// What holds over all rows, each with what it means when it does not.
const AGREEMENTS: [(&str, &str); 6] = [
    (
        "SELECT count(*) FROM authd.entry e LEFT JOIN authd.record r USING (space, kind, key)
         WHERE r.version IS NULL
            OR position(chr(10) || e.name || '=' || e.value || chr(10) IN chr(10) || r.entries || chr(10)) = 0",
        "index entries lead to a row that is not there, or not of that entry",
    ),
    (
        "SELECT (SELECT coalesce(sum(length(entries) - length(replace(entries, chr(10), '')) + 1), 0)::bigint
                 FROM authd.record WHERE entries <> '') - (SELECT count(*) FROM authd.entry)",
        "index entries are missing",
    ),
    (
        "SELECT count(*) FROM authd.record
         WHERE version >= (SELECT value FROM authd.counter WHERE name = 'next_version')",
        "rows have a version that was not handed out yet",
    ),
    (
        "SELECT 2 - count(*) FROM authd.counter WHERE name IN ('next_version', 'configuration_version')",
        "counters are missing",
    ),
    ("SELECT 4 - count(*) FROM authd.ring", "tables of the ring have no period"),
    ("SELECT 16384 - count(*) FROM authd.stripe", "rows to lock are missing"),
];

/// What does not hold over all rows, as sentences. All of it is seen at one moment, however long it takes.
pub(crate) async fn disagreements(pool: &Pool) -> Result<Vec<String>, Failure> {
    let held = Held::from(pool).await?;
    let client = held.client()?;
    client
        .batch_execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0;
             SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on",
        )
        .await?;
    let mut found = Vec::new();
    for (sql, meaning) in AGREEMENTS {
        let count: i64 = client.query_typed_one(sql, &[]).await?.try_get(0)?;
        if count != 0 {
            found.push(format!("{count} {meaning}"));
        }
    }
    held.roll_back().await;
    Ok(found)
}

/// The server's version, as it says it.
pub(crate) async fn server_version(pool: &Pool) -> Result<String, Failure> {
    let held = Held::from(pool).await?;
    let version =
        in_time(async { Ok(held.client()?.query_typed_one("SHOW server_version", &[]).await?.try_get(0)?) })
            .await?;
    held.give_back();
    Ok(version)
}

/// How far versions go on beyond what the backup knows: none that was handed out since is ever handed out again.
const SKIPPED_VERSIONS: i64 = 1 << 32;

/// Forgets codes, skips versions and writes a line of the database's own history, all or nothing.
pub(crate) async fn mark_restored(pool: &Pool, now: UnixTime, detail: &str) -> Result<(), Failure> {
    const SQL: &str = "
        WITH a AS (DELETE FROM authd.ring_0 WHERE kind = $3), b AS (DELETE FROM authd.ring_1 WHERE kind = $3),
             c AS (DELETE FROM authd.ring_2 WHERE kind = $3), d AS (DELETE FROM authd.ring_3 WHERE kind = $3),
             e AS (UPDATE authd.counter SET value = value + $4 WHERE name = 'next_version')
        INSERT INTO authd.lineage (at, what, detail) VALUES ($1, 'restored', $2)";
    let held = Held::from(pool).await?;
    let code = Kind::AuthorizationCode.name();
    let at = integer(now.0);
    let values: [Value<'_>; 4] =
        [(&at, Type::INT8), (&detail, Type::TEXT), (&code, Type::TEXT), (&SKIPPED_VERSIONS, Type::INT8)];
    in_time(async { held.session()?.alone(SQL, &values).await }).await?;
    held.give_back();
    Ok(())
}

/// The database's own history, the newest line first, at most `at_most`.
pub(crate) async fn lineage(pool: &Pool, at_most: usize) -> Result<Vec<(UnixTime, String, String)>, Failure> {
    const SQL: &str = "SELECT at, what, detail FROM authd.lineage ORDER BY number DESC LIMIT $1";
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let held = Held::from(pool).await?;
    let rows = in_time(async { held.session()?.alone(SQL, &[(&at_most, Type::INT8)]).await }).await?;
    held.give_back();
    rows.iter()
        .map(|row| Ok((UnixTime(row.try_get::<_, i64>(0)?.unsigned_abs()), row.try_get(1)?, row.try_get(2)?)))
        .collect()
}
