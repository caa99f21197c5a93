//! Why a database cannot be opened, in words that say what to do.

use std::fmt;
use std::path::PathBuf;

use store::Unavailable;

/// Why a database cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The file, or one beside it, can be read or written by others (threat DA-03).
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its mode's permission bits.
        mode: u32,
    },
    /// The file is no SQLite database, or its header is damaged.
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is another program's SQLite database.
    Foreign {
        /// The file.
        path: PathBuf,
        /// The application id in its header.
        application_id: i32,
    },
    /// The database lacks what this version adds to its schema.
    Older {
        /// The file.
        path: PathBuf,
        /// The first migration that is not done.
        number: u32,
    },
    /// A newer version of authd took away what this one needs.
    Newer {
        /// The file.
        path: PathBuf,
        /// The lowest schema that a server must know to work with it.
        needs: u32,
        /// The newest that this version knows.
        known: u32,
    },
    /// A migration that was applied is not the one that this version knows under its number.
    OtherMigration {
        /// The file.
        path: PathBuf,
        /// The migration's number.
        number: u32,
    },
    /// The database is damaged.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says about it.
        why: String,
    },
    /// The file cannot be made, read or written.
    Failed {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite says about it.
        why: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenToOthers { path, mode } => {
                let path = path.display();
                write!(f, "{path} can be read or written by others (mode {mode:03o}): `chmod 600 {path}`")
            }
            Self::NotADatabase { path } => {
                write!(f, "{} is not a database of authd, or its header is damaged", path.display())
            }
            Self::Foreign { path, application_id } => write!(
                f,
                "{} is a database of another program (application id {application_id:#x})",
                path.display()
            ),
            Self::Older { path, number } => write!(
                f,
                "{} lacks what this version adds to it (schema {number}): run `authd migrate`, servers of the version before may go on meanwhile",
                path.display()
            ),
            Self::Newer { path, needs, known } => write!(
                f,
                "{} was changed by a newer version of authd: it needs schema {needs}, this version knows {known}",
                path.display()
            ),
            Self::OtherMigration { path, number } => write!(
                f,
                "{} was made with another migration {number} than this version's: it comes from a changed build",
                path.display()
            ),
            Self::Damaged { path, why } => {
                write!(f, "{} is damaged ({why}): restore it from a backup", path.display())
            }
            Self::Failed { path, why } => write!(f, "{} cannot be opened: {why}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// SQLite's words are for the log; they name tables and columns, never values.
pub(crate) fn unavailable(error: &rusqlite::Error) -> Unavailable {
    Unavailable::Backend(format!("SQLite: {error}"))
}

pub(crate) fn closed() -> Unavailable {
    Unavailable::Backend("the database is closed".to_owned())
}
