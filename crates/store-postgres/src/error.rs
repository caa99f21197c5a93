//! What can go wrong between this server and its database, in words that say what to do.

use std::fmt;

use deadpool_postgres::{PoolError, TimeoutType};
use store::Unavailable;
use tokio_postgres::error::SqlState;

/// Why a database cannot be opened. No variant carries the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The address or one of its options cannot be used.
    Settings(String),
    /// No connection could be made, or it was lost while opening.
    Unreachable {
        /// Host, port and name of the database.
        address: String,
        /// What the system or PostgreSQL says.
        why: String,
    },
    /// The database's encoding is not UTF8.
    Encoding {
        /// Host, port and name of the database.
        address: String,
        /// The encoding it has.
        found: String,
    },
    /// The database has none of authd's tables, and they were not to be made.
    Empty {
        /// Host, port and name of the database.
        address: String,
    },
    /// The database lacks what this version adds to its schema.
    Older {
        /// Host, port and name of the database.
        address: String,
        /// The first migration that is not done.
        number: u32,
    },
    /// The database was changed by a newer version of authd in a way that this one cannot work with.
    Newer {
        /// Host, port and name of the database.
        address: String,
        /// The schema that a server must know to work with it.
        needs: u32,
        /// The newest that this version knows.
        known: u32,
    },
    /// A migration that was applied is not the one that this version knows under its number.
    OtherMigration {
        /// Host, port and name of the database.
        address: String,
        /// The migration's number.
        number: u32,
    },
    /// The tables could not be made or changed.
    Failed {
        /// Host, port and name of the database.
        address: String,
        /// What PostgreSQL says.
        why: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(why) => write!(f, "the address of the PostgreSQL database is of no use: {why}"),
            Self::Unreachable { address, why } => {
                write!(f, "the PostgreSQL database {address} cannot be reached: {why}")
            }
            Self::Encoding { address, found } => write!(
                f,
                "the PostgreSQL database {address} has the encoding {found}: make one with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`"
            ),
            Self::Empty { address } => {
                write!(f, "the PostgreSQL database {address} has no tables of authd's")
            }
            Self::Older { address, number } => write!(
                f,
                "the PostgreSQL database {address} lacks what this version adds to it (schema {number}): run `authd migrate`, servers of the version before may go on meanwhile"
            ),
            Self::Newer { address, needs, known } => write!(
                f,
                "the PostgreSQL database {address} was changed by a newer version of authd: it needs schema {needs}, this version knows {known}"
            ),
            Self::OtherMigration { address, number } => write!(
                f,
                "the PostgreSQL database {address} was made with another migration {number} than this version's: it comes from a changed build"
            ),
            Self::Failed { address, why } => {
                write!(f, "the tables of the PostgreSQL database {address} cannot be made ready: {why}")
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// A statement, a connection or the pool failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// PostgreSQL refused a statement; the transaction it was in did not happen.
    Refused { state: SqlState, why: String },
    /// The connection is of no use any more, or could not be made.
    Connection(String),
    /// No answer in time.
    Late,
    /// Every connection that this process may have is in use, and stayed so for as long as one is waited for.
    Busy,
}

impl Failure {
    /// Whether the same may succeed when it is tried again at once: somebody else was in the way.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Refused { state, .. } if [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            // Between our commits this is excluded by locks; another schema change or engine may still answer so.
            SqlState::UNIQUE_VIOLATION,
        ].contains(state))
    }

    /// Whether what was asked is at fault, and not the state that the server or the connection is in.
    pub(crate) fn is_of_the_statement(&self) -> bool {
        // Classes: data exception, integrity constraint, syntax, program limit.
        matches!(self, Self::Refused { state, .. }
            if ["22", "23", "42", "54"].iter().any(|class| state.code().starts_with(class)))
    }

    /// Whether the engine has no such feature.
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(self, Self::Refused { state, .. } if state.code().starts_with("0A"))
    }

    /// Whether the connection can be used for something else after a rollback.
    pub(crate) fn leaves_the_connection(&self) -> bool {
        // Classes: read-only after a failover; operator intervention, but for a cancelled statement.
        match self {
            Self::Refused { state, .. } => {
                *state == SqlState::QUERY_CANCELED
                    || !["25", "57", "08"].iter().any(|class| state.code().starts_with(class))
            }
            Self::Connection(_) | Self::Late | Self::Busy => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { state, why } => write!(f, "PostgreSQL: {why} ({})", state.code()),
            Self::Connection(why) => write!(f, "PostgreSQL: {why}"),
            Self::Late => f.write_str("PostgreSQL: no answer in time"),
            Self::Busy => f.write_str("PostgreSQL: every connection is in use"),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        // The message names tables and columns; what may quote a value is the detail, which is left out.
        match error.as_db_error() {
            Some(refused) => {
                let (state, mut why) = (refused.code().clone(), refused.message().to_owned());
                if [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT].contains(&state) {
                    why.push_str("; a pooler in transaction mode needs pooler=transaction in the address");
                }
                Self::Refused { state, why }
            }
            None => Self::Connection(words(&error)),
        }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => Self::Busy,
            PoolError::Timeout(_) => Self::Late,
            PoolError::Closed => Self::Connection("the database is closed".to_owned()),
            error => Self::Connection(words(&error)),
        }
    }
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        Self::Backend(failure.to_string())
    }
}

/// An error and its causes, without repeating what it says itself.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

pub(crate) fn closed() -> Unavailable {
    Unavailable::Backend("the database is closed".to_owned())
}
