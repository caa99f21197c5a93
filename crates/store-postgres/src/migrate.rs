//! The schema and its changes: numbered, embedded, applied once, each remembered with its checksum.
//!
//! A change first expands and contracts a version later. Each remembers which schema a server must *know* to work with the
//! database from then on (`needs`), so that servers of two versions run beside each other while they are replaced one by
//! one: only a change that an older server cannot live with keeps it out, in words.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::OpenError;
use crate::connections::{Held, Pool, in_time};
use crate::error::Failure;

struct Migration {
    name: &'static str,
    sql: &'static str,
    /// The lowest schema that a server must know to work with the database once this is applied.
    needs: u32,
}

/// In order; the first has number 1. What was released is never edited: a change is a migration of its own.
const MIGRATIONS: &[Migration] =
    &[Migration { name: "records", sql: include_str!("../schema/0001_records.sql"), needs: 1 }];

/// How often a start that met another one is tried again.
const TRIES: usize = 50;

/// Whether tables that are missing may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfEmpty {
    /// Make them.
    Make,
    /// Say so: a misspelled name must not become an empty server.
    Refuse,
}

/// Brings the database to this version's schema, each migration in a transaction of its own. Several servers may start at
/// once: the row that remembers a migration is what they exclude each other by.
pub(crate) async fn migrate(pool: &Pool, address: &str, if_empty: IfEmpty) -> Result<(), OpenError> {
    for (number, migration) in (1u32..).zip(MIGRATIONS) {
        let mut tried = 0;
        loop {
            match step(pool, number, migration, if_empty).await {
                Ok(Step::Done) => break,
                Ok(Step::Refused(refused)) => return Err(refused.explain(address, number)),
                // Another server made the same thing at the same time: look again.
                Err(failure) if is_somebody_else(&failure) && tried < TRIES => tried += 1,
                Err(Failure::Refused { state, why }) => {
                    return Err(OpenError::Failed {
                        address: address.to_owned(),
                        why: format!("{why} ({})", state.code()),
                    });
                }
                Err(failure) => {
                    return Err(OpenError::Unreachable {
                        address: address.to_owned(),
                        why: failure.to_string(),
                    });
                }
            }
        }
    }
    Ok(())
}

enum Step {
    Done,
    Refused(Refusal),
}

enum Refusal {
    Encoding(String),
    Empty,
    Newer(u32),
    Other,
}

impl Refusal {
    fn explain(self, address: &str, number: u32) -> OpenError {
        let address = address.to_owned();
        match self {
            Self::Encoding(found) => OpenError::Encoding { address, found },
            Self::Empty => OpenError::Empty { address },
            Self::Newer(needs) => OpenError::Newer { address, needs, known: known() },
            Self::Other => OpenError::OtherMigration { address, number },
        }
    }
}

fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

fn is_somebody_else(failure: &Failure) -> bool {
    failure.is_passing()
        || matches!(failure, Failure::Refused { state, .. } if [
            SqlState::DUPLICATE_SCHEMA, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT,
            SqlState::T_R_SERIALIZATION_FAILURE, SqlState::INTERNAL_ERROR,
        ].contains(state))
}

async fn step(pool: &Pool, number: u32, migration: &Migration, if_empty: IfEmpty) -> Result<Step, Failure> {
    let held = Held::from(pool).await?;
    // Most starts have nothing to do: they look, and take no lock.
    let (client, begin) = (held.client()?, held.session()?.begin());
    let seen = in_time(async {
        client.batch_execute(begin).await?;
        let seen = look(client, number, migration, if_empty).await?;
        client.batch_execute("COMMIT").await?;
        Ok(seen)
    });
    if let Some(step) = seen.await? {
        held.give_back();
        return Ok(step);
    }
    match in_time(apply(client, begin, number, migration)).await {
        Ok(()) => {
            held.give_back();
            Ok(Step::Done)
        }
        Err(failure) => {
            held.roll_back().await;
            Err(failure)
        }
    }
}

/// What there is to see without changing anything; `None`: the migration is to be applied.
async fn look(
    client: &ClientWrapper,
    number: u32,
    migration: &Migration,
    if_empty: IfEmpty,
) -> Result<Option<Step>, Failure> {
    let encoding: String = client.query_typed_one("SHOW server_encoding", &[]).await?.try_get(0)?;
    if !encoding.eq_ignore_ascii_case("UTF8") {
        return Ok(Some(Step::Refused(Refusal::Encoding(encoding))));
    }
    const EXISTS: &str = "SELECT count(*) FROM information_schema.tables
        WHERE table_schema = 'authd' AND table_name = 'migration'";
    let tables: i64 = client.query_typed_one(EXISTS, &[]).await?.try_get(0)?;
    if tables == 0 {
        return Ok((if_empty == IfEmpty::Refuse).then_some(Step::Refused(Refusal::Empty)));
    }
    let needs: Option<i32> =
        client.query_typed_one("SELECT max(needs) FROM authd.migration", &[]).await?.try_get(0)?;
    let needs = needs.and_then(|needs| u32::try_from(needs).ok()).unwrap_or_default();
    if needs > known() {
        return Ok(Some(Step::Refused(Refusal::Newer(needs))));
    }
    const REMEMBERED: &str = "SELECT checksum FROM authd.migration WHERE number = $1";
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    let Some(row) = client.query_typed_opt(REMEMBERED, &[(&number, Type::INT4)]).await? else {
        return Ok(None);
    };
    let is_same = row.try_get::<_, String>(0)? == checksum(migration.sql);
    Ok(Some(if is_same { Step::Done } else { Step::Refused(Refusal::Other) }))
}

async fn apply(
    client: &ClientWrapper,
    begin: &str,
    number: u32,
    migration: &Migration,
) -> Result<(), Failure> {
    client
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS authd;
             CREATE TABLE IF NOT EXISTS authd.migration (
                 number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, needs INTEGER NOT NULL
             )",
        )
        .await?;
    client.batch_execute(begin).await?;
    // First, so that whoever comes second waits here, and then finds it done.
    let (number, needs) =
        (i32::try_from(number).unwrap_or(i32::MAX), i32::try_from(migration.needs).unwrap_or(i32::MAX));
    client
        .query_typed(
            "INSERT INTO authd.migration (number, name, checksum, needs) VALUES ($1, $2, $3, $4)",
            &[
                (&number, Type::INT4),
                (&migration.name, Type::TEXT),
                (&checksum(migration.sql), Type::TEXT),
                (&needs, Type::INT4),
            ],
        )
        .await?;
    client.batch_execute(migration.sql).await?;
    client.batch_execute("COMMIT").await?;
    Ok(())
}

/// FNV-1a, 64 bits: notices an edited file, and is not asked for more.
fn checksum(text: &str) -> String {
    format!("{:016x}", hash(text.bytes()))
}

/// FNV-1a, 64 bits.
pub(crate) fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_agrees_with_its_published_vectors() {
        assert_eq!(checksum(""), "cbf29ce484222325");
        assert_eq!(checksum("a"), "af63dc4c8601ec8c");
        assert_eq!(checksum("foobar"), "85944171f73967e8");
    }

    #[test]
    fn no_migration_needs_more_than_itself() {
        for (number, migration) in (1u32..).zip(MIGRATIONS) {
            assert!(migration.needs <= number && migration.needs >= 1);
        }
    }
}
