//! Short-lived rows: a ring of tables, one a period of time, emptied whole.
//!
//! A row stands in the table of the period in which it ends. The last period that a table ever had is in the database
//! and never goes back; when it is over, everything in the table has ended, and TRUNCATE gives the space back at once,
//! where a DELETE would leave work for the vacuum. A row whose end is in a later period raises that number in the
//! transaction that writes it, so no row leaves early, whatever clocks do.

use records::UnixTime;
use store::RING_PERIOD;

/// How many tables there are. Rows that live for `SLOTS - 2` periods leave a whole period for the sweep to come by.
pub(crate) const SLOTS: usize = 4;

/// The table in which a row that ends then stands.
pub(crate) fn slot_of(end: UnixTime) -> usize {
    usize::try_from(period(end).rem_euclid(SLOTS as i64)).unwrap_or_default()
}

/// The period in which a row that ends then stands.
pub(crate) fn period(end: UnixTime) -> i64 {
    // PostgreSQL's integers are signed; a time beyond them is the end of time.
    integer(end.0 / RING_PERIOD)
}

pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The SQL of one table of the ring.
pub(crate) struct Slot {
    pub(crate) upsert: &'static str,
    pub(crate) delete: &'static str,
    pub(crate) count: &'static str,
    pub(crate) empty: &'static str,
    pub(crate) thin: &'static str,
}

/// One line a table; they differ in its name alone.
macro_rules! slots {
    ($($name:literal),*) => { [$(Slot {
        upsert: concat!(
            "INSERT INTO authd.ring_", $name, " AS r (space, kind, key, version, body, drop_at)
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[])
             ON CONFLICT (space, kind, key)
             DO UPDATE SET version = excluded.version, body = excluded.body, drop_at = excluded.drop_at"
        ),
        delete: concat!(
            "DELETE FROM authd.ring_", $name, " r USING unnest($1::text[], $2::text[], $3::text[]) AS n (space, kind, key)
             WHERE r.space = n.space AND r.kind = n.kind AND r.key = n.key"
        ),
        count: concat!("SELECT count(*) FROM authd.ring_", $name),
        empty: concat!("TRUNCATE authd.ring_", $name),
        thin: concat!(
            "DELETE FROM authd.ring_", $name, " WHERE (space, kind, key) IN
             (SELECT space, kind, key FROM authd.ring_", $name, " WHERE drop_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1"
        ),
    }),*] };
}

const SLOT: [Slot; SLOTS] = slots!("0", "1", "2", "3");

/// The table of this number.
pub(crate) fn slot(number: usize) -> &'static Slot {
    let [zero, one, two, three] = &SLOT;
    match number % SLOTS {
        0 => zero,
        1 => one,
        2 => two,
        _ => three,
    }
}
