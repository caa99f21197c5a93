//! What an operator should know about a database that works, and promises less than it could (threat R4).

use std::fmt;

use crate::connections::{Held, Pool, in_time};
use crate::error::Failure;

/// A property of the database server that weakens what authd promises. For the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// `fsync = off`: a power failure loses commits that were acknowledged, or the whole database.
    Unsynced,
    /// `full_page_writes = off`: a power failure may leave half a page.
    TornPages,
    /// `synchronous_commit = off` or `local` by default: authd's own commits are durable all the same, others' are not.
    Unwaited,
    /// The engine has no NOTIFY: another server's changes of configuration are seen by the timer alone.
    NoNotify,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsynced => {
                "the PostgreSQL server runs with fsync = off: a power failure can lose what was acknowledged, or all of \
                 the database. Set it to on, unless the storage below promises durability in another way"
            }
            Self::TornPages => {
                "the PostgreSQL server runs with full_page_writes = off: a power failure can leave half a page. Set it \
                 to on, unless the file system never writes half of one"
            }
            Self::Unwaited => {
                "the PostgreSQL server's default is synchronous_commit = off or local: authd's own commits wait for the \
                 disk all the same, and what is changed in its tables by other programs does not. Set it to on"
            }
            Self::NoNotify => {
                "the database engine has no NOTIFY: what another server changes in the configuration is seen when the \
                 timer looks, not at once"
            }
        })
    }
}

/// Looks at the server's settings. An engine that has them not is not warned of.
pub(crate) async fn of(pool: &Pool, can_notify: bool) -> Result<Vec<Warning>, Failure> {
    // What the session began with: it has set its own since.
    const OFF: &str = "SELECT name FROM pg_catalog.pg_settings
        WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND reset_val IN ('off', 'local') ORDER BY name";
    let mut warnings = Vec::new();
    let held = Held::from(pool).await?;
    match in_time(async { held.session()?.alone(OFF, &[]).await }).await {
        Ok(rows) => {
            held.give_back();
            for row in rows {
                warnings.push(match row.try_get::<_, &str>(0)? {
                    "fsync" => Warning::Unsynced,
                    "synchronous_commit" => Warning::Unwaited,
                    _ => Warning::TornPages,
                });
            }
        }
        Err(Failure::Refused { .. }) => held.roll_back().await,
        Err(failure) => return Err(failure),
    }
    if !can_notify {
        warnings.push(Warning::NoNotify);
    }
    Ok(warnings)
}
