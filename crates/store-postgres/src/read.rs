//! Reads: single rows, pages, the configuration's version. Each is one statement, so it sees one committed state, the newest.

use records::Version;
use store::{IndexEntry, Key, Kind, Retention, Row, Space, Unavailable};
use tokio_postgres::types::Type;

use crate::connections::{Held, Pool, Value, in_time};
use crate::error::Failure;

const ROW: &str = "SELECT key, version, body FROM authd.record WHERE space = $1 AND kind = $2 AND key = $3";

const RING_ROW: &str = "
    SELECT key, version, body FROM authd.ring_0 WHERE space = $1 AND kind = $2 AND key = $3 UNION ALL
    SELECT key, version, body FROM authd.ring_1 WHERE space = $1 AND kind = $2 AND key = $3 UNION ALL
    SELECT key, version, body FROM authd.ring_2 WHERE space = $1 AND kind = $2 AND key = $3 UNION ALL
    SELECT key, version, body FROM authd.ring_3 WHERE space = $1 AND kind = $2 AND key = $3";

// A page with `after` is a statement of its own: `$5 IS NULL OR key > $5` would read from the beginning.
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

const CONFIGURATION: &str = "SELECT value FROM authd.counter WHERE name = 'configuration_version'";

pub(crate) async fn row(
    pool: &Pool,
    space: &Space,
    kind: Kind,
    key: &Key,
) -> Result<Option<Row>, Unavailable> {
    let sql = match kind.retention() {
        Retention::Ring => RING_ROW,
        Retention::Kept | Retention::Slices => ROW,
    };
    let rows = query(pool, sql, &[text(&space.as_str()), text(&kind.name()), text(&key.as_str())]).await?;
    Ok(rows.into_iter().next().map(read_row).transpose()?)
}

pub(crate) async fn page(
    pool: &Pool,
    space: &Space,
    kind: Kind,
    filter: Option<&IndexEntry>,
    after: Option<&Key>,
    at_most: usize,
) -> Result<Vec<Row>, Unavailable> {
    if kind.retention() == Retention::Ring {
        return Err(Unavailable::Backend(format!("{} has no pages", kind.name())));
    }
    let (space, kind, at_most) = (space.as_str(), kind.name(), i64::try_from(at_most).unwrap_or(i64::MAX));
    let name = filter.map(|entry| entry.name).unwrap_or_default();
    let value = filter.map(|entry| entry.value.as_str()).unwrap_or_default();
    let after_key = after.map(Key::as_str).unwrap_or_default();
    let mut values = vec![text(&space), text(&kind), (&at_most, Type::INT8)];
    if filter.is_some() {
        values.extend([text(&name), text(&value)]);
    }
    if after.is_some() {
        values.push(text(&after_key));
    }
    let sql = match (filter, after) {
        (None, None) => PAGE,
        (None, Some(_)) => PAGE_AFTER,
        (Some(_), None) => FILTERED,
        (Some(_), Some(_)) => FILTERED_AFTER,
    };
    let rows = query(pool, sql, &values).await?;
    Ok(rows.into_iter().map(read_row).collect::<Result<_, _>>()?)
}

pub(crate) async fn configuration_version(pool: &Pool) -> Result<u64, Unavailable> {
    let rows = query(pool, CONFIGURATION, &[]).await?;
    let row = rows
        .first()
        .ok_or_else(|| Unavailable::Backend("the configuration's version is missing".to_owned()))?;
    let version: i64 = row.try_get(0).map_err(Failure::from)?;
    Ok(u64::try_from(version).unwrap_or_default())
}

fn text<'a>(value: &'a &'a str) -> Value<'a> {
    (value, Type::TEXT)
}

fn read_row(row: tokio_postgres::Row) -> Result<Row, Failure> {
    let version: i64 = row.try_get(1)?;
    Ok(Row { key: Key::from_stored(row.try_get(0)?), version: self::version(version), body: row.try_get(2)? })
}

/// A version as it stands in its column.
pub(crate) fn version(stored: i64) -> Version {
    Version(stored.cast_unsigned())
}

/// A read whose connection turns out to be lost is tried once more, on another: nothing can have happened twice.
async fn query(
    pool: &Pool,
    sql: &'static str,
    values: &[Value<'_>],
) -> Result<Vec<tokio_postgres::Row>, Unavailable> {
    let mut is_first = true;
    loop {
        // Boxed: what is awaited is deep and wide, and would be a part of every future that reads.
        match Box::pin(query_once(pool, sql, values)).await {
            Ok(rows) => return Ok(rows),
            Err(failure)
                if is_first
                    && !failure.leaves_the_connection()
                    && !matches!(failure, Failure::Late | Failure::Busy) =>
            {
                is_first = false;
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

async fn query_once(
    pool: &Pool,
    sql: &'static str,
    values: &[Value<'_>],
) -> Result<Vec<tokio_postgres::Row>, Failure> {
    let held = Held::from(pool).await?;
    let answered = in_time(async { held.session()?.alone(sql, values).await }).await;
    match &answered {
        Ok(_) => held.give_back(),
        Err(failure) if failure.leaves_the_connection() => held.give_back(),
        Err(failure) => {
            pool.suspect(failure);
            drop(held);
        }
    }
    answered
}
