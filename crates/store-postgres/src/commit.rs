//! One transaction for a group of commits: lock in order, read, decide, write.
//!
//! READ COMMITTED and locks are enough: every row that a commit relies on, or changes, is locked before it is believed.
//! A row that is there is locked itself; in place of one that is not, a row of `stripe` is, chosen by a hash of the name.
//! All servers take the same locks in the same order, stripes, then records by name, then the ring and the counter, so they
//! wait for each other in no circle. No advisory locks and nothing else that PostgreSQL's distributed kin lack.

use futures_util::future::{join, join_all, join3};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::connections::{Held, Pool, Ready, Session, Value, in_time};
use crate::error::Failure;
use crate::group::{
    Columns, Commit, Decided, Entries, Found, Group, Named, Outcome, Records, Versions, Writes,
};
use crate::listen::NOTIFY;
use crate::ring::{SLOTS, slot};

/// How often a transaction that somebody else was in the way of is tried again.
const TRIES: u32 = 10;

/// What this process knows and need not ask for again.
pub(crate) struct Known {
    versions: Versions,
    /// The last period of each table of the ring, at least; the first that there is, is 0.
    periods: [i64; SLOTS],
    /// Whether the engine takes a NOTIFY.
    can_notify: bool,
}

impl Known {
    pub(crate) fn new(can_notify: bool) -> Self {
        Self { versions: Versions::default(), periods: [-1; SLOTS], can_notify }
    }
}

/// Why a group was not carried out.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// Whether it may have happened all the same.
    is_unknown: bool,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, is_unknown: false }
    }
}

/// Makes one durable transaction of many commits. Where it fails nothing of it may be acknowledged, conflicts included:
/// a commit may conflict with an earlier one of the same group, which then may not have happened.
pub(crate) async fn transact(
    pool: &Pool,
    known: &mut Known,
    commits: &[Commit],
) -> Result<Vec<Outcome>, Failure> {
    let group = Group::of(commits);
    let mut tries = 0;
    loop {
        tries += 1;
        let failed = match try_once(pool, known, &group).await {
            Ok(outcomes) => return Ok(outcomes),
            Err(failed) => failed,
        };
        pool.suspect(&failed.failure);
        // A connection that was lost before anything was sent to be committed took nothing with it: once more on another.
        let is_lost = matches!(failed.failure, Failure::Connection(_)) && tries == 1;
        if failed.is_unknown || tries >= TRIES || !(failed.failure.is_passing() || is_lost) {
            return Err(failed.failure);
        }
    }
}

async fn try_once(pool: &Pool, known: &mut Known, group: &Group<'_>) -> Result<Vec<Outcome>, Failed> {
    let held = Held::from(pool).await?;
    match in_time(prepare(held.session()?, known, group)).await {
        Ok(decided) if decided.outcomes.contains(&Outcome::Written) => {
            let periods = raised(known, &decided.writes);
            match tokio::time::timeout(
                crate::connections::ANSWER,
                write(held.session()?, &decided.writes, &periods, known.can_notify),
            )
            .await
            {
                Ok(Ok(())) => {
                    held.give_back();
                    for (slot, period) in periods {
                        if let Some(known) = known.periods.get_mut(slot) {
                            *known = period;
                        }
                    }
                    Ok(decided.outcomes)
                }
                Ok(Err(failed)) => {
                    if failed.failure.leaves_the_connection() {
                        held.roll_back().await;
                    }
                    Err(failed)
                }
                Err(_late) => Err(Failed { failure: Failure::Late, is_unknown: true }),
            }
        }
        Ok(decided) => {
            // Nothing to write.
            held.roll_back().await;
            Ok(decided.outcomes)
        }
        Err(failure) => {
            if failure.leaves_the_connection() {
                held.roll_back().await;
            }
            Err(failure.into())
        }
    }
}

/// Locks and reads what the group names, and decides. Everything is sent at once; each statement sees what was committed
/// when it began, so the reads see all that the locks waited for.
async fn prepare<'a>(
    session: Session<'_>,
    known: &mut Known,
    group: &Group<'a>,
) -> Result<Decided<'a>, Failure> {
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
    if let Some(block) = known.versions.missing(group.puts()) {
        const RESERVE: &str =
            "UPDATE authd.counter SET value = value + $1 WHERE name = 'next_version' RETURNING value";
        // Outside of the transaction: what was handed out stays handed out, whatever becomes of the rest.
        let rows = session.alone(RESERVE, &[(&block, Type::INT8)]).await?;
        let row = rows.first().ok_or_else(|| Failure::Connection("the counter is missing".to_owned()))?;
        known.versions.reserved(block, row.try_get(0)?);
    }
    let stripes = group.stripes();
    let lock_stripes = ready(session, STRIPES, stripes.is_empty()).await?;
    let read_records = ready(session, RECORDS, group.records.is_empty()).await?;
    let read_rings = ready(session, RINGS, group.rings.is_empty()).await?;
    let stripes: [Value<'_>; 1] = [(&stripes, Type::INT4_ARRAY)];
    let (begun, (locked, records, rings)) = join(
        session.client.batch_execute(session.begin()),
        join3(
            rows(session, lock_stripes.as_ref(), &stripes),
            found(session, read_records.as_ref(), &group.records),
            found(session, read_rings.as_ref(), &group.rings),
        ),
    )
    .await;
    begun?;
    locked?;
    Ok(group.decide(records?, rings?, &mut known.versions))
}

async fn ready(session: Session<'_>, sql: &'static str, is_idle: bool) -> Result<Option<Ready>, Failure> {
    Ok(if is_idle { None } else { Some(session.ready(sql).await?) })
}

async fn rows(
    session: Session<'_>,
    ready: Option<&Ready>,
    values: &[Value<'_>],
) -> Result<Vec<Row>, Failure> {
    match ready {
        Some(ready) => Ok(session.run(ready, values).await?),
        None => Ok(Vec::new()),
    }
}

async fn found(
    session: Session<'_>,
    ready: Option<&Ready>,
    names: &Named<'_>,
) -> Result<Vec<Option<Found>>, Failure> {
    let columns = names.columns();
    let rows = rows(session, ready, &names_of(&columns)).await?;
    let mut found = vec![None; names.len()];
    for row in rows {
        let (position, slot): (i64, i32) = (row.try_get(0)?, row.try_get(3)?);
        // Positions count from 1.
        let place =
            usize::try_from(position).ok().and_then(|position| found.get_mut(position.checked_sub(1)?));
        if let Some(place) = place {
            *place = Some(Found {
                version: row.try_get(1)?,
                entries: row.try_get(2)?,
                slot: usize::try_from(slot).unwrap_or_default(),
            });
        }
    }
    Ok(found)
}

/// The tables of the ring that get rows of a later period than they are known to have had.
fn raised(known: &Known, writes: &Writes<'_>) -> Vec<(usize, i64)> {
    let last = writes.rings.iter().map(|ring| ring.last_period);
    last.zip(known.periods)
        .enumerate()
        .filter_map(|(slot, (last, known))| last.filter(|last| *last > known).map(|last| (slot, last)))
        .collect()
}

type Values<'a> = Vec<Value<'a>>;

fn names_of<'a>(columns: &'a Columns<'_>) -> [Value<'a>; 3] {
    let Columns { spaces, kinds, keys } = columns;
    [(spaces, Type::TEXT_ARRAY), (kinds, Type::TEXT_ARRAY), (keys, Type::TEXT_ARRAY)]
}

/// Writes and commits, all sent at once. Where a statement fails, the COMMIT that follows it is a rollback.
async fn write(
    session: Session<'_>,
    writes: &Writes<'_>,
    periods: &[(usize, i64)],
    can_notify: bool,
) -> Result<(), Failed> {
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
    const RAISE: &str = "UPDATE authd.ring SET last_period = $2 WHERE slot = $1 AND last_period < $2";
    const CONFIGURATION: &str =
        "UPDATE authd.counter SET value = value + 1 WHERE name = 'configuration_version'";

    let raised: Vec<(i32, i64)> =
        periods.iter().map(|(slot, period)| (i32::try_from(*slot).unwrap_or_default(), *period)).collect();
    let mut statements: Vec<(&'static str, Values<'_>)> = Vec::new();
    if !writes.update.names.is_empty() {
        statements.push((UPDATE, record_values(&writes.update)));
    }
    if !writes.insert.names.is_empty() {
        statements.push((INSERT, record_values(&writes.insert)));
    }
    if !writes.delete.is_empty() {
        statements.push((DELETE, names_of(&writes.delete).into()));
    }
    if !writes.delete_entries.rows.is_empty() {
        statements.push((DELETE_ENTRIES, entry_values(&writes.delete_entries)));
    }
    if !writes.insert_entries.rows.is_empty() {
        statements.push((INSERT_ENTRIES, entry_values(&writes.insert_entries)));
    }
    for (number, ring) in writes.rings.iter().enumerate() {
        if !ring.delete.is_empty() {
            statements.push((slot(number).delete, names_of(&ring.delete).into()));
        }
        if !ring.names.is_empty() {
            let mut values: Values<'_> = names_of(&ring.names).into();
            values.push((&ring.versions, Type::INT8_ARRAY));
            values.push((&ring.bodies, Type::TEXT_ARRAY));
            values.push((&ring.drop_at, Type::INT8_ARRAY));
            statements.push((slot(number).upsert, values));
        }
    }
    for (slot, period) in &raised {
        statements.push((RAISE, vec![(slot, Type::INT4), (period, Type::INT8)]));
    }
    if writes.configuration {
        statements.push((CONFIGURATION, vec![]));
        if can_notify {
            statements.push((NOTIFY, vec![]));
        }
    }
    let mut prepared = Vec::with_capacity(statements.len());
    for (sql, values) in statements {
        prepared.push((session.ready(sql).await?, values));
    }
    let written = join_all(prepared.iter().map(|(ready, values)| session.run(ready, values)));
    let (written, committed) = join(written, session.client.batch_execute("COMMIT")).await;
    // The first statement that failed says why; those after it only that it did.
    let outcome =
        written.into_iter().map(|written| written.map(drop)).chain([committed]).find(Result::is_err);
    match outcome {
        None | Some(Ok(())) => Ok(()),
        Some(Err(error)) => {
            let failure = Failure::from(error);
            // What PostgreSQL refused did not happen, but for what it says while it shuts down or loses its standby.
            let is_unknown = !matches!(failure, Failure::Refused { .. }) || !failure.leaves_the_connection();
            Err(Failed { failure, is_unknown })
        }
    }
}

pub(crate) const DELETE_ENTRIES: &str = "
    DELETE FROM authd.entry e
    USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS n (space, kind, key, name, value)
    WHERE e.space = n.space AND e.kind = n.kind AND e.name = n.name AND e.value = n.value AND e.key = n.key";

fn record_values<'a>(records: &'a Records<'_>) -> Values<'a> {
    let Records { names, versions, bodies, entries, drop_at } = records;
    let mut values: Values<'a> = names_of(names).into();
    values.push((versions, Type::INT8_ARRAY));
    values.push((bodies, Type::TEXT_ARRAY));
    values.push((entries, Type::TEXT_ARRAY));
    values.push((drop_at, Type::INT8_ARRAY));
    values
}

fn entry_values<'a>(entries: &'a Entries<'_>) -> Values<'a> {
    let mut values: Values<'a> = names_of(&entries.rows).into();
    values.push((&entries.names, Type::TEXT_ARRAY));
    values.push((&entries.values, Type::TEXT_ARRAY));
    values
}
