//! The schema and its changes on SQLite: embedded, done step by step beside servers that serve (docs/adr/0012).
//!
//! The account is the table `migration`. The header's `user_version` is the lowest schema that a server must know, so that
//! a server looks at one number; it is raised with the first step of a change that takes something away.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use store::migration::{At, Begun, Contracts, Migration, Misfit, Phase, Plan, Progress, Step, plan};

use crate::file::{self, Use};
use crate::{OPENING, OpenError};

/// In order; the first has number 1. What was released is never edited: a change is a migration of its own.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "records",
        phase: Phase::Expand,
        needs: 1,
        steps: &[Step::Once(include_str!("../schema/0001_records.sql"))],
    },
    Migration {
        name: "lineage",
        phase: Phase::Expand,
        needs: 1,
        steps: &[Step::Once(include_str!("../schema/0002_lineage.sql"))],
    },
    Migration {
        name: "record_rowid",
        phase: Phase::Expand,
        needs: 1,
        steps: &[Step::Once(include_str!("../schema/0003_record_rowid.sql"))],
    },
];

/// How often a lock that a busy server has is asked for again, each time for as long as a connection waits (5 s).
const TRIES: usize = 12;

/// What is to be done to a database for a server that knows these migrations. Changes nothing, unless the file is empty.
///
/// # Errors
///
/// Where there is no database of authd's, or one that this version cannot work with.
pub fn pending(path: &Path, known: &'static [Migration], contracts: Contracts) -> Result<Plan, OpenError> {
    let (mut connection, is_empty) = open(path)?;
    let begun = begun_or_made(&mut connection, path, is_empty, known)?;
    plan(known, &begun, contracts).map_err(|misfit| explain(path, misfit))
}

/// Does what is to be done, each step in a transaction of its own, while servers of the version before go on. What was cut
/// off goes on where it was; of several that run at once each step is done by one.
///
/// # Errors
///
/// As [`pending`]; and where a step fails, which then has not happened.
pub fn run(
    path: &Path,
    known: &'static [Migration],
    contracts: Contracts,
    watch: &mut dyn FnMut(At<'_>, Progress),
) -> Result<(), OpenError> {
    let (mut connection, is_empty) = open(path)?;
    let explain = |error| file::explain(path, &error);
    begun_or_made(&mut connection, path, is_empty, known)?;
    keep_account(&mut connection).map_err(explain)?;
    let begun = begun(&connection).map_err(explain)?;
    let plan = plan(known, &begun, contracts).map_err(|misfit| self::explain(path, misfit))?;
    for pending in &plan.runs {
        for (number, step) in pending.steps() {
            let migration = pending.migration;
            let at =
                At { number: pending.number, name: migration.name, step: number, of: migration.steps.len() };
            watch(at, Progress::Begins);
            loop {
                let (rows, is_done) =
                    patiently(|| transact(&mut connection, migration, at, step, watch)).map_err(explain)?;
                watch(at, Progress::Committed { rows });
                if is_done {
                    break;
                }
            }
            watch(at, Progress::Done);
        }
    }
    Ok(())
}

/// A database of authd's that exists, and whether it is empty.
fn open(path: &Path) -> Result<(Connection, bool), OpenError> {
    let _one_at_a_time = OPENING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    file::check_modes(path)?;
    let connection = file::connect(path, Use::Write).map_err(|error| file::explain(path, &error))?;
    let is_empty = file::claim(&connection, path)?;
    Ok((connection, is_empty))
}

/// What was begun in a database; one that is empty is made first.
pub(crate) fn begun_or_made(
    connection: &mut Connection,
    path: &Path,
    is_empty: bool,
    known: &'static [Migration],
) -> Result<Vec<Begun>, OpenError> {
    let explain = |error| file::explain(path, &error);
    if is_empty {
        patiently(|| make(connection, known)).map_err(explain)?;
    }
    let begun = begun(connection).map_err(explain)?;
    if begun.is_empty() {
        let why = "it has no account of its schema".to_owned();
        return Err(OpenError::Damaged { path: path.to_owned(), why });
    }
    Ok(begun)
}

fn patiently<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let mut tries = 1;
    loop {
        match attempt() {
            Err(error)
                if tries < TRIES
                    && matches!(
                        error.sqlite_error_code(),
                        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                    ) =>
            {
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

/// One transaction of a step. Returns how many rows it changed and whether the step is done, by this or another process.
fn transact(
    connection: &mut Connection,
    migration: &Migration,
    at: At<'_>,
    step: &Step,
    watch: &mut dyn FnMut(At<'_>, Progress),
) -> rusqlite::Result<(u64, bool)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may be at the same step.
    let done =
        begun(&transaction)?.iter().find(|begun| begun.number == at.number).map_or(0, |begun| begun.steps);
    if done >= at.step {
        return Ok((0, true));
    }
    if done == 0 {
        begin(&transaction, at.number, migration)?;
    }
    let (rows, is_done) = carry_out(&transaction, step)?;
    if is_done {
        transaction
            .execute("UPDATE migration SET steps = ?2 WHERE number = ?1", params![at.number, at.step])?;
    }
    watch(at, Progress::Written);
    transaction.commit()?;
    Ok((rows, is_done))
}

fn carry_out(connection: &Connection, step: &Step) -> rusqlite::Result<(u64, bool)> {
    match step {
        Step::Once(sql) => connection.execute_batch(sql).map(|()| (0, true)),
        Step::Slices(sql) => {
            let rows = connection.execute(sql, [])?;
            Ok((rows as u64, rows == 0))
        }
    }
}

/// Notes that a migration was begun, and from then on keeps out servers that know too little.
fn begin(connection: &Connection, number: u32, migration: &Migration) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO migration (number, name, checksum, needs, steps) VALUES (?1, ?2, ?3, ?4, 0)
         ON CONFLICT DO NOTHING",
        params![number, migration.name, migration.checksum(), migration.needs],
    )?;
    let needs: u32 = connection.query_row("SELECT max(needs) FROM migration", [], |row| row.get(0))?;
    file::mark(connection, needs)
}

/// Makes everything in an empty database, at once: it is there whole or not at all.
fn make(connection: &mut Connection, known: &'static [Migration]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Under the lock: another process may just have made it.
    if !begun(&transaction)?.is_empty() {
        return Ok(());
    }
    make_account(&transaction)?;
    for (number, migration) in (1u32..).zip(known).filter(|(_, known)| known.phase == Phase::Expand) {
        begin(&transaction, number, migration)?;
        for step in migration.steps {
            while !carry_out(&transaction, step)?.1 {}
        }
        transaction.execute(
            "UPDATE migration SET steps = ?2 WHERE number = ?1",
            params![number, migration.count()],
        )?;
    }
    transaction.commit()
}

/// What the database says was begun in it. Nothing in an empty one.
pub(crate) fn begun(connection: &Connection) -> rusqlite::Result<Vec<Begun>> {
    let sql = match columns(connection)?.as_slice() {
        [] => return Ok(Vec::new()),
        // As the first version made it: one step each, and nothing taken away.
        names if !names.iter().any(|name| name == "steps") => "SELECT number, checksum, 1, 1 FROM migration",
        _ => "SELECT number, checksum, needs, steps FROM migration",
    };
    let mut statement = connection.prepare(sql)?;
    let mut begun: Vec<Begun> = statement
        .query_map([], |row| {
            Ok(Begun { number: row.get(0)?, checksum: row.get(1)?, needs: row.get(2)?, steps: row.get(3)? })
        })?
        .collect::<Result<_, _>>()?;
    // The header has the say: it is what a server of any version looks at.
    let needs: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if let Some(first) = begun.first_mut() {
        first.needs = first.needs.max(needs);
    }
    Ok(begun)
}

fn columns(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info('migration')")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Sees to it that the account has a column for everything, in a database that the first version made.
fn keep_account(connection: &mut Connection) -> rusqlite::Result<()> {
    if columns(connection)?.iter().any(|name| name == "steps") {
        return Ok(());
    }
    patiently(|| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !columns(&transaction)?.iter().any(|name| name == "steps") {
            transaction.execute_batch(
                "ALTER TABLE migration ADD COLUMN needs INTEGER NOT NULL DEFAULT 1;
                 ALTER TABLE migration ADD COLUMN steps INTEGER NOT NULL DEFAULT 1",
            )?;
        }
        transaction.commit()
    })
}

fn make_account(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE migration (
             number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL,
             -- The lowest schema that a server must know, and how many steps are done.
             needs INTEGER NOT NULL DEFAULT 1, steps INTEGER NOT NULL DEFAULT 1
         ) STRICT",
    )
}

pub(crate) fn explain(path: &Path, misfit: Misfit) -> OpenError {
    let path = path.to_owned();
    match misfit {
        Misfit::Newer { needs, known } => OpenError::Newer { path, needs, known },
        Misfit::Other { number } => OpenError::OtherMigration { path, number },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_migration_needs_more_than_itself_and_what_adds_keeps_nobody_out() {
        for (number, migration) in (1u32..).zip(MIGRATIONS) {
            assert!((1..=number).contains(&migration.needs), "{}", migration.name);
            assert!(migration.phase == Phase::Contract || migration.needs == 1, "{}", migration.name);
            assert!(!migration.steps.is_empty());
        }
    }

    #[test]
    fn the_first_migration_is_what_it_was_when_it_was_released() {
        assert_eq!(MIGRATIONS[0].checksum(), CHECKSUM_1);
    }

    /// Databases of the first version have it in their account.
    const CHECKSUM_1: &str = "080d46b31c7ba7d3";
}
