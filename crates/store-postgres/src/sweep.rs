//! What has ended leaves: long-lived rows in bounded slices, short-lived ones a table at a time.

use records::UnixTime;
use store::{RING_PERIOD, Unavailable};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::commit::DELETE_ENTRIES;
use crate::connections::{Held, Pool, Session, in_time};
use crate::error::Failure;
use crate::ring::{SLOTS, integer, period, slot};

/// Several servers may sweep at once: what one of them holds the others leave alone.
pub(crate) async fn sweep(pool: &Pool, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
    let held = Held::from(pool).await.map_err(Unavailable::from)?;
    let swept = async {
        let session = held.session()?;
        let mut left = in_time(records(session, now, at_most)).await?;
        for number in 0..SLOTS {
            left += in_time(ring(session, number, now, at_most.saturating_sub(left))).await?;
        }
        Ok(left)
    }
    .await;
    match swept {
        Ok(left) => {
            held.give_back();
            Ok(left)
        }
        Err(failure) => {
            let failure: Failure = failure;
            if failure.leaves_the_connection() {
                held.roll_back().await;
            }
            Err(failure.into())
        }
    }
}

async fn records(session: Session<'_>, now: UnixTime, at_most: usize) -> Result<usize, Failure> {
    // Rows that are being changed are not waited for: they may be about to live longer, or leave next time.
    const DELETE: &str = "
        DELETE FROM authd.record WHERE (space, kind, key) IN (
            SELECT space, kind, key FROM authd.record WHERE drop_at <= $1 ORDER BY drop_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ) RETURNING space, kind, key, entries";
    let delete = session.ready(DELETE).await?;
    session.client.batch_execute(session.begin()).await?;
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let rows = session.run(&delete, &[(&integer(now.0), Type::INT8), (&at_most, Type::INT8)]).await?;
    let mut entries: [Vec<String>; 5] = Default::default();
    for row in &rows {
        let lines: String = row.try_get(3)?;
        for line in lines.lines() {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let [spaces, kinds, keys, names, values] = &mut entries;
            spaces.push(row.try_get(0)?);
            kinds.push(row.try_get(1)?);
            keys.push(row.try_get(2)?);
            names.push(name.to_owned());
            values.push(value.to_owned());
        }
    }
    let [spaces, kinds, keys, names, values] = &entries;
    if !keys.is_empty() {
        let columns = [spaces, kinds, keys, names, values].map(|column| (column as _, Type::TEXT_ARRAY));
        session.query(DELETE_ENTRIES, &columns).await?;
    }
    session.client.batch_execute("COMMIT").await?;
    Ok(rows.len())
}

/// Empties a table of the ring whose last period is over.
///
/// TRUNCATE waits until nobody reads or writes the table, and whoever comes meanwhile waits behind it: for 50 ms at most.
/// Where somebody keeps the table longer, as a backup does, rows are deleted in slices instead.
async fn ring(session: Session<'_>, number: usize, now: UnixTime, at_most: usize) -> Result<usize, Failure> {
    let slot_number = i32::try_from(number).unwrap_or_default();
    let last = integer_of(&session.alone(LAST_PERIOD, &[(&slot_number, Type::INT4)]).await?)?;
    let rows: i64 = match last < period(now) || is_ahead(last, now) {
        true => integer_of(&session.alone(slot(number).count, &[]).await?)?,
        false => 0,
    };
    if rows == 0 {
        return Ok(0);
    }
    if last < period(now) {
        match empty(session, number, now).await {
            Ok(true) => return Ok(usize::try_from(rows).unwrap_or(usize::MAX)),
            Ok(false) => return Ok(0),
            Err(failure) if failure.leaves_the_connection() => {
                session.client.batch_execute("ROLLBACK").await?
            }
            Err(failure) => return Err(failure),
        }
    }
    // Also where a clock ran ahead and was set back: the table would be kept until then, and grow.
    let end = integer(now.0.saturating_sub(RING_PERIOD));
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let left = session.alone(slot(number).thin, &[(&end, Type::INT8), (&at_most, Type::INT8)]).await?;
    Ok(left.len())
}

/// Whether a period is one that no row written by an honest clock ends in.
fn is_ahead(last: i64, now: UnixTime) -> bool {
    last >= period(now).saturating_add(SLOTS as i64)
}

const LAST_PERIOD: &str = "SELECT last_period FROM authd.ring WHERE slot = $1";
const LAST_PERIOD_LOCKED: &str = "SELECT last_period FROM authd.ring WHERE slot = $1 FOR UPDATE";

fn integer_of(rows: &[Row]) -> Result<i64, Failure> {
    let row = rows.first().ok_or_else(|| Failure::Connection("a row of the ring is missing".to_owned()))?;
    Ok(row.try_get(0)?)
}

/// Empties the table, unless a row of a later period came into it before it was locked.
async fn empty(session: Session<'_>, number: usize, now: UnixTime) -> Result<bool, Failure> {
    session.client.batch_execute(session.begin()).await?;
    session.client.batch_execute("SET LOCAL lock_timeout = '50ms'").await?;
    // The table first: who writes a row into it has read it before raising the period, and so holds it until it is done.
    session.client.batch_execute(slot(number).empty).await?;
    let number = i32::try_from(number).unwrap_or_default();
    let rows = session.query(LAST_PERIOD_LOCKED, &[(&number, Type::INT4)]).await?;
    let is_over = integer_of(&rows)? < period(now);
    session.client.batch_execute(if is_over { "COMMIT" } else { "ROLLBACK" }).await?;
    Ok(is_over)
}
