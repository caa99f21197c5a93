//! The schema and its changes: numbered, embedded, applied once, each remembered with its checksum.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::{OpenError, file};

struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// In order; the first has number 1. What was released is never edited: a change is a migration of its own.
const MIGRATIONS: &[Migration] =
    &[Migration { name: "records", sql: include_str!("../schema/0001_records.sql") }];

/// Brings the database to this version's schema, each migration in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    for (number, migration) in (1u32..).zip(MIGRATIONS) {
        let applied = apply(connection, number, migration).map_err(|error| file::explain(path, &error))?;
        match applied {
            Applied::Same => {}
            Applied::Other => return Err(OpenError::OtherMigration { path: path.to_owned(), number }),
            Applied::Newer(found) => return Err(OpenError::Newer { path: path.to_owned(), found, known }),
        }
    }
    Ok(())
}

enum Applied {
    Same,
    Other,
    Newer(u32),
}

fn apply(connection: &mut Connection, number: u32, migration: &Migration) -> rusqlite::Result<Applied> {
    // Most starts have nothing to do: they look without waiting for another process's writes.
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found < number {
        // The number is read again under the lock: another process may be making the same change.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found < number {
            transaction.execute_batch(
                "CREATE TABLE IF NOT EXISTS migration (
                     number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL
                 ) STRICT",
            )?;
            transaction.execute_batch(migration.sql)?;
            transaction.execute(
                "INSERT INTO migration (number, name, checksum) VALUES (?1, ?2, ?3)",
                params![number, migration.name, checksum(migration.sql)],
            )?;
            file::mark(&transaction)?;
            transaction.execute_batch(&format!("PRAGMA user_version = {number}"))?;
        }
        transaction.commit()?;
    }
    if found as usize > MIGRATIONS.len() {
        return Ok(Applied::Newer(found));
    }
    let remembered: Option<String> = connection
        .query_row("SELECT checksum FROM migration WHERE number = ?1", [number], |row| row.get(0))
        .optional()?;
    let is_same = remembered.is_some_and(|remembered| remembered == checksum(migration.sql));
    Ok(if is_same { Applied::Same } else { Applied::Other })
}

/// FNV-1a, 64 bits: notices an edited file, and is not asked for more.
fn checksum(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
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
}
