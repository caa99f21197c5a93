//! `authd restore`: a database made of a backup, in which nobody is logged in any more (threats R20; docs/adr/0011).

use std::path::{Path, PathBuf};

use clap::Args;
use oauth_grants::authorize::FLOW_LIFETIME;
use records::UnixTime;
use serde_json::json;
use store::Ended;
use store_sqlite::Sqlite;
use store_sqlite::copy::{self, Live};

use super::local::Local;
use super::{Failed, instant, output};
use crate::backend::{AnyBackend, AnyStores};
use crate::files;
use crate::log::complain;
use crate::moment::{Moments, SystemMoments};
use crate::open::{self, DATABASE_FILE, IfMissing, Place};

/// How many logins are ended in one commit.
const SLICE: usize = 500;

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup, as `authd backup` wrote it
    #[arg(value_name = "FILE", required_unless_present = "mark", conflicts_with = "mark")]
    from: Option<PathBuf>,
    /// Keep sessions and refresh tokens as the backup has them, also those that were ended since
    #[arg(long)]
    keep_logins: bool,
    /// The database was restored by other means, such as PostgreSQL's: end its sessions and refresh tokens where it is
    #[arg(long)]
    mark: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

pub(crate) async fn run(verb: Restore) -> Result<(), Failed> {
    let now = SystemMoments.draw().now;
    let Some(from) = &verb.from else {
        let stores = verb.local.open(IfMissing::Refuse).await?;
        let ended = if verb.keep_logins { None } else { Some(end_everywhere(&stores).await?) };
        mark(stores.backend(), now, ended.as_ref()).await?;
        report(&verb, ended, None, now);
        return Ok(());
    };
    let (place, key) = verb.local.places()?;
    let directory = match &place {
        Place::Directory(directory) => directory,
        Place::Postgres(settings) => {
            return Err(Failed::Usage(format!(
                "the records live in the PostgreSQL database {}: restore it with PostgreSQL's own tools while no server runs, \
                 and then run `authd restore --mark`",
                settings.address()
            )));
        }
    };
    let database = directory.join(DATABASE_FILE);
    check_vacant(&database)?;
    files::make_directory(directory)?;
    let file = files::beside(&database)?;
    let live = if verb.keep_logins { Live::Keep } else { Live::End };
    output::progress(&format!("restoring {} …", from.display()));
    let restored = copy::restore(from, file.path(), live, now).map_err(|error| error.to_string())?;
    // The key must be the backup's, and everything that is asked at a start must hold, before anybody sees it.
    let backend = Sqlite::open(file.path()).map_err(|error| error.to_string())?;
    let opened = open::stores_on(AnyBackend::Sqlite(backend.clone()), &key).await.map(drop);
    backend.close();
    opened.map_err(|error| format!("{} is not restored: {error}", from.display()))?;
    check_vacant(&database)?;
    files::name(file, &database)?;
    let ended = (live == Live::End).then_some(restored.ended);
    report(&verb, ended, restored.backed_up_at, now);
    Ok(())
}

/// A database there, or a part of one, may be in use, and a log that is another database's would be read into this one.
fn check_vacant(database: &Path) -> Result<(), Failed> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        let path = PathBuf::from(name);
        // Also where it is a link that leads nowhere.
        if path.symlink_metadata().is_ok() {
            return Err(Failed::Failed(format!(
                "{} exists: a restore makes a new database. Stop every server on the one that is there, and move its files away",
                path.display()
            )));
        }
    }
    Ok(())
}

async fn end_everywhere(stores: &AnyStores) -> Result<Ended, Failed> {
    let (mut ended, mut after) = (Ended::default(), None);
    loop {
        let tenants =
            stores.directory().tenants(after.as_ref(), 100).await.map_err(|error| error.to_string())?;
        let Some(last) = tenants.last() else { return Ok(ended) };
        after = Some(last.record.id.clone());
        for tenant in &tenants {
            let more = stores.end_live(&tenant.record.id, SLICE).await.map_err(|error| error.to_string())?;
            ended.sessions += more.sessions;
            ended.refresh_families += more.refresh_families;
            output::progress(&format!(
                "{} sessions, {} refresh tokens …",
                ended.sessions, ended.refresh_families
            ));
        }
    }
}

async fn mark(backend: &AnyBackend, now: UnixTime, ended: Option<&Ended>) -> Result<(), Failed> {
    let detail = detail(ended).to_string();
    let marked = match backend {
        AnyBackend::Memory(_) | AnyBackend::Other(_) => Ok(()),
        AnyBackend::Sqlite(backend) => backend.mark_restored(now, &detail),
        AnyBackend::Postgres(backend) => backend.mark_restored(now, &detail).await,
    };
    Ok(marked.map_err(|error| error.to_string())?)
}

fn detail(ended: Option<&Ended>) -> serde_json::Value {
    match ended {
        Some(ended) => {
            json!({ "sessions_ended": ended.sessions, "refresh_families_ended": ended.refresh_families })
        }
        None => json!({ "live": "kept" }),
    }
}

fn report(verb: &Restore, ended: Option<Ended>, backed_up_at: Option<UnixTime>, now: UnixTime) {
    if verb.json {
        let object = json!({ "backed_up_at": backed_up_at.map(instant), "logins": detail(ended.as_ref()) });
        output::show(true, &object);
    } else {
        let of = backed_up_at.map_or_else(String::new, |at| format!(" of {}", instant(at)));
        match ended {
            Some(ended) => output::print(&format!(
                "restored the database{of}. Ended: {} sessions and {} refresh tokens; everybody logs in again",
                ended.sessions, ended.refresh_families
            )),
            None => output::print(&format!("restored the database{of}")),
        }
    }
    if ended.is_none() {
        complain(
            "authd: warning: sessions and refresh tokens that were ended since the backup was made, by a logout, a new \
             password or a stolen token, are good again",
        );
    }
    if let Some(end) = backed_up_at.map(|at| UnixTime(at.0.saturating_add(FLOW_LIFETIME)))
        && now < end
    {
        complain(&format!(
            "authd: warning: the backup is young. Logins that were completed since may be completed again \
             until {}: start servers after that where it matters",
            instant(end)
        ));
    }
}
