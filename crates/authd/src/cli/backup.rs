//! `authd backup`: a copy of the database of one moment, made while servers serve (threats R20; docs/adr/0011).

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::local::Local;
use super::{Failed, instant, output};
use crate::files;
use crate::moment::{Moments, SystemMoments};
use crate::open::{self, Place};

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file to write; one that exists is left alone
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

pub(crate) async fn run(verb: Backup) -> Result<(), Failed> {
    let (place, _) = verb.local.places()?;
    let directory = match &place {
        Place::Directory(directory) => directory,
        Place::Postgres(settings) => {
            return Err(Failed::Usage(format!(
                "the records live in the PostgreSQL database {}: back it up with PostgreSQL's own `pg_dump` or base backups, \
                 and run `authd restore --mark` after one of those was restored",
                settings.address()
            )));
        }
    };
    let database = open::database_in(directory)?;
    if verb.to.exists() {
        return Err(Failed::Failed(format!("{} exists: it is left as it is", verb.to.display())));
    }
    let file = files::beside(&verb.to)?;
    let now = SystemMoments.draw().now;
    output::progress(&format!("copying {} …", database.display()));
    store_sqlite::copy::back_up(&database, file.path(), now).map_err(|error| error.to_string())?;
    let bytes = file.as_file().metadata().map_err(|error| error.to_string())?.len();
    files::name(file, &verb.to)?;
    if verb.json {
        let object = json!({ "file": verb.to.display().to_string(), "bytes": bytes, "at": instant(now) });
        output::show(true, &object);
        return Ok(());
    }
    output::print(&format!(
        "wrote {}: {bytes} bytes, checked whole. The key-encryption key is not in it; without its copy the backup is of no use",
        verb.to.display()
    ));
    Ok(())
}
