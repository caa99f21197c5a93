//! The ring of tables in which short-lived rows stand, and when one is emptied.
//!
//! A row stands in the table of the period in which it ends. A table is emptied whole, by a sweep, when the last
//! period that has rows in it is over; a later period that comes to a table before it was emptied moves that moment,
//! so that no row ever leaves early, whatever clocks do.

use records::UnixTime;
use rusqlite::{Connection, OptionalExtension, params};
use store::RING_PERIOD;

/// How many tables there are. Rows that live for `SLOTS - 2` periods leave a whole period for the sweep to come by.
pub(crate) const SLOTS: u64 = 4;

/// The SQL of one table of the ring.
pub(crate) struct Slot {
    pub(crate) insert: &'static str,
    pub(crate) update: &'static str,
    pub(crate) delete: &'static str,
    empty: &'static str,
    thin: &'static str,
}

/// One line a table; they differ in its name alone.
const SLOT: [Slot; SLOTS as usize] = [
    Slot {
        insert: "INSERT INTO ring_0 (space, kind, key, version, body, drop_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        update: "UPDATE ring_0 SET version = ?4, body = ?5, drop_at = ?6 WHERE space = ?1 AND kind = ?2 AND key = ?3",
        delete: "DELETE FROM ring_0 WHERE space = ?1 AND kind = ?2 AND key = ?3",
        empty: "DELETE FROM ring_0",
        thin: "DELETE FROM ring_0 WHERE (space, kind, key) IN (SELECT space, kind, key FROM ring_0 WHERE drop_at <= ?1 LIMIT ?2)",
    },
    Slot {
        insert: "INSERT INTO ring_1 (space, kind, key, version, body, drop_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        update: "UPDATE ring_1 SET version = ?4, body = ?5, drop_at = ?6 WHERE space = ?1 AND kind = ?2 AND key = ?3",
        delete: "DELETE FROM ring_1 WHERE space = ?1 AND kind = ?2 AND key = ?3",
        empty: "DELETE FROM ring_1",
        thin: "DELETE FROM ring_1 WHERE (space, kind, key) IN (SELECT space, kind, key FROM ring_1 WHERE drop_at <= ?1 LIMIT ?2)",
    },
    Slot {
        insert: "INSERT INTO ring_2 (space, kind, key, version, body, drop_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        update: "UPDATE ring_2 SET version = ?4, body = ?5, drop_at = ?6 WHERE space = ?1 AND kind = ?2 AND key = ?3",
        delete: "DELETE FROM ring_2 WHERE space = ?1 AND kind = ?2 AND key = ?3",
        empty: "DELETE FROM ring_2",
        thin: "DELETE FROM ring_2 WHERE (space, kind, key) IN (SELECT space, kind, key FROM ring_2 WHERE drop_at <= ?1 LIMIT ?2)",
    },
    Slot {
        insert: "INSERT INTO ring_3 (space, kind, key, version, body, drop_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        update: "UPDATE ring_3 SET version = ?4, body = ?5, drop_at = ?6 WHERE space = ?1 AND kind = ?2 AND key = ?3",
        delete: "DELETE FROM ring_3 WHERE space = ?1 AND kind = ?2 AND key = ?3",
        empty: "DELETE FROM ring_3",
        thin: "DELETE FROM ring_3 WHERE (space, kind, key) IN (SELECT space, kind, key FROM ring_3 WHERE drop_at <= ?1 LIMIT ?2)",
    },
];

/// The slot of this number.
#[expect(clippy::indexing_slicing, reason = "the remainder is below the array's length")]
pub(crate) fn slot(number: u64) -> &'static Slot {
    &SLOT[(number % SLOTS) as usize]
}

/// The table in which a row that ends then stands.
pub(crate) fn slot_of(end: UnixTime) -> u64 {
    period(end) % SLOTS
}

fn period(time: UnixTime) -> u64 {
    time.0 / RING_PERIOD
}

/// Notes that a table has rows of the period of `end`.
pub(crate) fn occupy(connection: &Connection, end: UnixTime) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO ring (slot, last_period) VALUES (?1, ?2)
        ON CONFLICT (slot) DO UPDATE SET last_period = excluded.last_period
        WHERE excluded.last_period > last_period";
    connection.prepare_cached(SQL)?.execute(params![integer(slot_of(end)), integer(period(end))])?;
    Ok(())
}

/// Empties the tables whose last period is over. Returns how many rows left.
pub(crate) fn sweep(connection: &Connection, now: UnixTime, at_most: usize) -> rusqlite::Result<usize> {
    const LAST: &str = "SELECT last_period FROM ring WHERE slot = ?1";
    let mut left = 0;
    for number in 0..SLOTS {
        let last: Option<i64> =
            connection.prepare_cached(LAST)?.query_row([integer(number)], |row| row.get(0)).optional()?;
        let Some(last) = last.and_then(|last| u64::try_from(last).ok()) else { continue };
        if last < period(now) {
            left += connection.prepare_cached(slot(number).empty)?.execute([])?;
            connection.prepare_cached("DELETE FROM ring WHERE slot = ?1")?.execute([integer(number)])?;
        } else if last >= period(now).saturating_add(SLOTS) {
            // A clock ran ahead and was set back: the table would be kept until then, and grow. No row that was
            // written by an honest clock ends so late.
            let at_most = i64::try_from(at_most.saturating_sub(left)).unwrap_or(i64::MAX);
            let end = integer(now.0.saturating_sub(RING_PERIOD));
            left += connection.prepare_cached(slot(number).thin)?.execute(params![end, at_most])?;
        }
    }
    Ok(left)
}

/// SQLite's integers are signed; a time beyond them is the end of time.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
