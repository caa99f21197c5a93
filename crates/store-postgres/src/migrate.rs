//! The schema and its changes on PostgreSQL: embedded, done step by step beside servers that serve (docs/adr/0012).
//!
//! The account is the table `authd.migration`. A change that takes something away names the schema that a server must know
//! from its first step on, so that servers of two versions run beside each other while they are replaced one by one, and
//! one that is too old is kept out in words.
//!
//! Not built: an index on a large table wants CREATE INDEX CONCURRENTLY, which cannot stand in a transaction.

use deadpool_postgres::ClientWrapper;
use store::migration::{At, Begun, Contracts, Migration, Misfit, Phase, Plan, Progress, Step, plan};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::connections::{Connections, Held, Pool, in_time};
use crate::error::Failure;
use crate::{OpenError, Settings};

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
];

/// How often a transaction that somebody else was in the way of is tried again, each waiting three seconds for a lock.
const TRIES: usize = 50;

/// Whether tables that are missing may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfEmpty {
    /// Make them.
    Make,
    /// Say so: a misspelled name must not become an empty server.
    Refuse,
}

/// Sees to it that the database has what this version needs. Makes everything in an empty one, at once; several servers may
/// do so at the same time. Changes nothing in one that is there.
pub(crate) async fn open(pool: &Pool, address: &str, if_empty: IfEmpty) -> Result<(), OpenError> {
    let mut begun = look(pool, address).await?;
    if begun.is_empty() {
        if if_empty == IfEmpty::Refuse {
            return Err(OpenError::Empty { address: address.to_owned() });
        }
        patiently(pool, Attempt::Make).await.map_err(|failure| explain(address, failure))?;
        begun = look(pool, address).await?;
    }
    let plan = plan(MIGRATIONS, &begun, Contracts::Wait).map_err(|misfit| misfits(address, misfit))?;
    match plan.runs.first() {
        None => Ok(()),
        Some(first) => Err(OpenError::Older { address: address.to_owned(), number: first.number }),
    }
}

/// What is to be done to a database for a server that knows these migrations; changes nothing.
///
/// # Errors
///
/// Where the database cannot be reached, has nothing of authd's, or this version cannot work with it.
pub async fn pending(
    settings: &Settings,
    known: &'static [Migration],
    contracts: Contracts,
) -> Result<Plan, OpenError> {
    let address = settings.address();
    let begun = look(&Connections::new(settings)?.writing, &address).await?;
    if begun.is_empty() {
        return Err(OpenError::Empty { address });
    }
    plan(known, &begun, contracts).map_err(|misfit| misfits(&address, misfit))
}

/// Does what is to be done, each step in a transaction of its own, while servers of the version before go on. What was cut
/// off goes on where it was; of several that run at once each step is done by one.
///
/// # Errors
///
/// As [`pending`]; and where a step fails, which then has not happened.
pub async fn run(
    settings: &Settings,
    known: &'static [Migration],
    contracts: Contracts,
    watch: &mut (dyn FnMut(At<'_>, Progress) + Send),
) -> Result<(), OpenError> {
    let address = settings.address();
    let pool = Connections::new(settings)?.writing;
    let plan = pending(settings, known, contracts).await?;
    let failed = |failure| explain(&address, failure);
    if !plan.runs.is_empty() {
        patiently(&pool, Attempt::KeepAccount).await.map_err(failed)?;
    }
    for pending in &plan.runs {
        let migration = pending.migration;
        for (number, step) in pending.steps() {
            let at =
                At { number: pending.number, name: migration.name, step: number, of: migration.steps.len() };
            watch(at, Progress::Begins);
            loop {
                let mut tried = 0;
                let (rows, is_done) = loop {
                    match transact(&pool, migration, at, step, watch).await {
                        Err(failure) if is_somebody_else(&failure) && tried < TRIES => tried += 1,
                        outcome => break outcome.map_err(failed)?,
                    }
                };
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

/// One transaction of a step. Returns how many rows it changed and whether the step is done, by this or another process.
async fn transact(
    pool: &Pool,
    migration: &Migration,
    at: At<'_>,
    step: &Step,
    watch: &mut (dyn FnMut(At<'_>, Progress) + Send),
) -> Result<(u64, bool), Failure> {
    let held = Held::from(pool).await?;
    let (client, session) = (held.client()?, held.session()?);
    client.batch_execute(session.begin()).await?;
    // A change of a large table takes its time; a lock that it does not get soon is asked for again, for whoever comes
    // after the one that waits for a table waits too. Whoever watches may take time between two statements.
    client
        .batch_execute(
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
             SET LOCAL lock_timeout = '3s'",
        )
        .await?;
    begin(client, at.number, migration).await?;
    const DONE: &str = "SELECT steps FROM authd.migration WHERE number = $1 FOR UPDATE";
    let done: i32 = client.query_typed_one(DONE, &[(&integer(at.number), Type::INT4)]).await?.try_get(0)?;
    if done >= integer(at.step) {
        held.roll_back().await;
        return Ok((0, true));
    }
    let (rows, is_done) = carry_out(client, step).await?;
    if is_done {
        note(client, at.number, at.step).await?;
    }
    watch(at, Progress::Written);
    client.batch_execute("COMMIT").await?;
    held.give_back();
    Ok((rows, is_done))
}

async fn carry_out(client: &ClientWrapper, step: &Step) -> Result<(u64, bool), Failure> {
    match step {
        Step::Once(sql) => {
            client.batch_execute(sql).await?;
            Ok((0, true))
        }
        Step::Slices(sql) => {
            let answers = client.simple_query(sql).await?;
            let rows = answers.iter().map(|answer| match answer {
                SimpleQueryMessage::CommandComplete(rows) => *rows,
                _ => 0,
            });
            let rows = rows.sum();
            Ok((rows, rows == 0))
        }
    }
}

/// Notes that a migration was begun; who does so second waits for the first. Returns whether this one did.
async fn begin(client: &ClientWrapper, number: u32, migration: &Migration) -> Result<bool, Failure> {
    const BEGIN: &str =
        "INSERT INTO authd.migration (number, name, checksum, needs, steps) VALUES ($1, $2, $3, $4, 0)
        ON CONFLICT DO NOTHING RETURNING number";
    let (number, needs, checksum) = (integer(number), integer(migration.needs), migration.checksum());
    let noted = client
        .query_typed(
            BEGIN,
            &[
                (&number, Type::INT4),
                (&migration.name, Type::TEXT),
                (&checksum, Type::TEXT),
                (&needs, Type::INT4),
            ],
        )
        .await?;
    Ok(!noted.is_empty())
}

/// Notes how many steps of a migration are done.
async fn note(client: &ClientWrapper, number: u32, steps: u32) -> Result<(), Failure> {
    const NOTE: &str = "UPDATE authd.migration SET steps = $2 WHERE number = $1";
    client.query_typed(NOTE, &[(&integer(number), Type::INT4), (&integer(steps), Type::INT4)]).await?;
    Ok(())
}

/// Makes everything in an empty database, in one transaction: it is there whole or not at all.
async fn make(pool: &Pool, known: &'static [Migration]) -> Result<(), Failure> {
    let held = Held::from(pool).await?;
    let made = in_time(async {
        let (client, session) = (held.client()?, held.session()?);
        client
            .batch_execute(
                "CREATE SCHEMA IF NOT EXISTS authd;
                 CREATE TABLE IF NOT EXISTS authd.migration (
                     number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, needs INTEGER NOT NULL,
                     steps INTEGER NOT NULL DEFAULT 1
                 )",
            )
            .await?;
        client.batch_execute(session.begin()).await?;
        for (number, migration) in (1u32..).zip(known).filter(|(_, known)| known.phase == Phase::Expand) {
            // The first of these is what several that start at once exclude each other by.
            if !begin(client, number, migration).await? {
                return Ok(client.batch_execute("ROLLBACK").await?);
            }
            for step in migration.steps {
                while !carry_out(client, step).await?.1 {}
            }
            note(client, number, migration.count()).await?;
        }
        Ok(client.batch_execute("COMMIT").await?)
    })
    .await;
    match made {
        Ok(()) => held.give_back(),
        Err(failure) => {
            held.roll_back().await;
            return Err(failure);
        }
    }
    Ok(())
}

/// What the database says was begun in it. Nothing in an empty one.
async fn look(pool: &Pool, address: &str) -> Result<Vec<Begun>, OpenError> {
    let looked: Result<Result<Vec<Begun>, String>, Failure> = async {
        let held = Held::from(pool).await?;
        let looked = in_time(async {
            let client = held.client()?;
            client.batch_execute(held.session()?.begin()).await?;
            let encoding: String = client.query_typed_one("SHOW server_encoding", &[]).await?.try_get(0)?;
            let begun = begun(client).await?;
            client.batch_execute("COMMIT").await?;
            Ok(if encoding.eq_ignore_ascii_case("UTF8") { Ok(begun) } else { Err(encoding) })
        })
        .await?;
        held.give_back();
        Ok(looked)
    }
    .await;
    match looked {
        Ok(Ok(begun)) => Ok(begun),
        Ok(Err(found)) => Err(OpenError::Encoding { address: address.to_owned(), found }),
        Err(failure) => Err(explain(address, failure)),
    }
}

async fn begun(client: &ClientWrapper) -> Result<Vec<Begun>, Failure> {
    let sql = match columns(client).await? {
        Columns::None => return Ok(Vec::new()),
        // As the first version made it: one step each.
        Columns::Few => "SELECT number, checksum, needs, 1 FROM authd.migration",
        Columns::All => "SELECT number, checksum, needs, steps FROM authd.migration",
    };
    let number = |number: i32| u32::try_from(number).unwrap_or_default();
    let rows = client.query_typed(sql, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Begun {
                number: number(row.try_get(0)?),
                checksum: row.try_get(1)?,
                needs: number(row.try_get(2)?),
                steps: number(row.try_get(3)?),
            })
        })
        .collect()
}

enum Columns {
    None,
    Few,
    All,
}

async fn columns(client: &ClientWrapper) -> Result<Columns, Failure> {
    const SQL: &str =
        "SELECT count(*), count(*) FILTER (WHERE column_name = 'steps') FROM information_schema.columns
        WHERE table_schema = 'authd' AND table_name = 'migration'";
    let row = client.query_typed_one(SQL, &[]).await?;
    Ok(match (row.try_get(0)?, row.try_get(1)?) {
        (0i64, _) => Columns::None,
        (_, 0i64) => Columns::Few,
        _ => Columns::All,
    })
}

/// Sees to it that the account has a column for everything, in a database that the first version made.
async fn keep_account(pool: &Pool) -> Result<(), Failure> {
    let held = Held::from(pool).await?;
    let kept = in_time(async {
        let client = held.client()?;
        client.batch_execute(held.session()?.begin()).await?;
        if matches!(columns(client).await?, Columns::Few) {
            const ADD: &str =
                "ALTER TABLE authd.migration ADD COLUMN IF NOT EXISTS steps INTEGER NOT NULL DEFAULT 1";
            client.batch_execute(ADD).await?;
        }
        Ok(client.batch_execute("COMMIT").await?)
    })
    .await;
    if kept.is_ok() {
        held.give_back();
    }
    kept
}

/// What is tried again where somebody else was in the way.
#[derive(Clone, Copy)]
enum Attempt {
    Make,
    KeepAccount,
}

async fn patiently(pool: &Pool, attempt: Attempt) -> Result<(), Failure> {
    let mut tried = 0;
    loop {
        let outcome = match attempt {
            Attempt::Make => make(pool, MIGRATIONS).await,
            Attempt::KeepAccount => keep_account(pool).await,
        };
        match outcome {
            // Another server made the same thing at the same time: look again.
            Err(failure) if is_somebody_else(&failure) && tried < TRIES => tried += 1,
            outcome => return outcome,
        }
    }
}

fn is_somebody_else(failure: &Failure) -> bool {
    failure.is_passing()
        || matches!(failure, Failure::Refused { state, .. } if [
            SqlState::DUPLICATE_SCHEMA, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT, SqlState::DUPLICATE_COLUMN,
            SqlState::T_R_SERIALIZATION_FAILURE, SqlState::INTERNAL_ERROR, SqlState::LOCK_NOT_AVAILABLE,
        ].contains(state))
}

fn explain(address: &str, failure: Failure) -> OpenError {
    let address = address.to_owned();
    match failure {
        Failure::Refused { state, why } => {
            OpenError::Failed { address, why: format!("{why} ({})", state.code()) }
        }
        failure => OpenError::Unreachable { address, why: failure.to_string() },
    }
}

fn misfits(address: &str, misfit: Misfit) -> OpenError {
    let address = address.to_owned();
    match misfit {
        Misfit::Newer { needs, known } => OpenError::Newer { address, needs, known },
        Misfit::Other { number } => OpenError::OtherMigration { address, number },
    }
}

fn integer(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// FNV-1a, 64 bits.
pub(crate) fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
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
        // Databases of the first version have it in their account.
        assert_eq!(MIGRATIONS[0].checksum(), "7bcabec8a981f97a");
    }
}
