//! `authd sealing`: replacing the key-encryption key while servers serve (threats R21, DA-02).

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use store::{Resealed, RowsByKey};

use super::local::Local;
use super::{Failed, output};
use crate::backend::AnyStores;
use crate::moment::SystemMoments;
use crate::open::{IfMissing, Place};
use crate::sealing::{self, KeySource};

#[derive(Debug, Subcommand)]
pub(crate) enum Sealing {
    /// Show the keys' names, how many rows each sealed, and which may go; never the keys
    Status(Status),
    /// One server on SQLite: make a new key current, seal everything again under it, leave the old one to be removed
    Rotate(Reseal),
    /// Add a new key to the key file: it opens, and seals nothing until it is made current
    Add(Of),
    /// Make a key of the key file the current one: what is written from now on is sealed under it
    Use(Named),
    /// Seal everything again under the current key; may be interrupted and repeated
    Reseal(Reseal),
    /// Take a key out of the key file that nothing is sealed under
    Remove(Named),
    /// Give up a key that is lost, so that servers start without it; what it sealed stays unreadable, or goes with --discard
    Forget(Forget),
    /// Print a new key, for a variable or a program that keeps it
    Generate,
}

#[derive(Debug, Args)]
pub(crate) struct Of {
    #[command(flatten)]
    local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    local: Local,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The key's name
    name: String,
    #[command(flatten)]
    local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// What the key sealed goes too, for ever: passwords, secrets and signing keys, so that new ones can be made
    #[arg(long)]
    discard: bool,
    #[command(flatten)]
    named: Named,
}

#[derive(Debug, Args)]
pub(crate) struct Reseal {
    /// How many rows are sealed again at a time
    #[arg(long, value_name = "ROWS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    slice: u16,
    #[command(flatten)]
    local: Local,
}

/// How many rows are counted at a time.
const COUNTED: usize = 500;
/// How long running servers are given to see that a key file changed: they look four times a second.
const SEEN: Duration = Duration::from_secs(1);

pub(crate) async fn run(verb: Sealing) -> Result<(), Failed> {
    match verb {
        Sealing::Status(status) => show(&status).await,
        Sealing::Rotate(rotate) => {
            let file = key_file(&rotate.local)?;
            // All at once is for one server: another one has a file of its own, and could read nothing any more.
            if let Place::Postgres(_) = rotate.local.places()?.0 {
                return Err(Failed::Usage(
                    "other servers may be on this PostgreSQL database, and would read nothing that is sealed under a key \
                     that they do not have. Step by step: `authd sealing add`, its file on every server, \
                     `authd sealing use NAME` on each, then `authd sealing reseal`"
                        .to_owned(),
                ));
            }
            // Opened first: a key that is not this database's must not be made to look like an old one of it.
            let stores = rotate.local.open(IfMissing::Refuse).await?;
            let name = sealing::change(&file, |keys| {
                let name = keys.add(&SystemMoments);
                keys.make_current(&name)?;
                Ok(name)
            })?;
            output::print(&format!("{name} is the current key; keep a copy of {}", file.display()));
            tokio::time::sleep(SEEN).await;
            stores.refresh().await.map_err(|error| error.to_string())?;
            reseal(&stores, rotate.slice).await
        }
        Sealing::Add(add) => {
            let file = key_file(&add.local)?;
            let name = sealing::change(&file, |keys| Ok(keys.add(&SystemMoments)))?;
            output::print(&format!(
                "added {name} to {0}. Give the file to every other server and to its backup; when all have it, \
                 `authd sealing use {name}` on each",
                file.display()
            ));
            Ok(())
        }
        Sealing::Use(named) => {
            let file = key_file(&named.local)?;
            sealing::change(&file, |keys| keys.make_current(&named.name))?;
            output::print(&format!("{} seals from now on; next: `authd sealing reseal`", named.name));
            Ok(())
        }
        Sealing::Reseal(again) => {
            let stores = again.local.open(IfMissing::Refuse).await?;
            reseal(&stores, again.slice).await
        }
        Sealing::Remove(named) => remove(&named).await,
        Sealing::Forget(named) => forget(&named).await,
        Sealing::Generate => {
            output::print(sealing::new_line(&SystemMoments).trim_end());
            Ok(())
        }
    }
}

fn key_file(local: &Local) -> Result<PathBuf, Failed> {
    match local.places()?.1 {
        KeySource::File(path) if path.exists() => Ok(path),
        KeySource::File(path) => Err(Failed::Failed(format!("there is no key file {}", path.display()))),
        KeySource::Environment(_) | KeySource::Command(_) => Err(Failed::Usage(
            "the keys are not in a file: change them where they are, with `authd sealing generate` for a new one. \
             First give every server the new key behind the old one, then before it, then `authd sealing reseal`, \
             then take the old one away"
                .to_owned(),
        )),
    }
}

async fn rows(stores: &AnyStores) -> Result<RowsByKey, Failed> {
    Ok(stores.rows_by_sealing_key(COUNTED).await.map_err(|error| error.to_string())?)
}

async fn show(status: &Status) -> Result<(), Failed> {
    let stores = status.local.open_without_some_keys().await?;
    let (keys, rows, needed) = (stores.sealing_keys(), rows(&stores).await?, needed(&stores).await?);
    let at_hand: Vec<&str> = keys.names().collect();
    let elsewhere: BTreeSet<&str> =
        rows.keys().chain(&needed).map(String::as_str).filter(|name| !at_hand.contains(name)).collect();
    let named = at_hand.iter().copied().chain(elsewhere.iter().copied());
    let objects: Vec<_> = named
        .enumerate()
        .map(|(position, name)| {
            let rows = rows.get(name).copied().unwrap_or_default();
            let state = match at_hand.contains(&name) {
                true if position == 0 => "current",
                true => "opens",
                false => "missing",
            };
            json!({ "key": name, "state": state, "rows": rows, "needed": rows > 0 || needed.contains(name) })
        })
        .collect();
    output::list(status.json, &["key", "state", "rows", "needed"], &objects);
    if elsewhere.is_empty() {
        return Ok(());
    }
    let missing: Vec<&str> = elsewhere.into_iter().collect();
    Err(Failed::Failed(format!(
        "not at hand: {}. What was sealed under it cannot be read until it is",
        missing.join(", ")
    )))
}

async fn reseal(stores: &AnyStores, slice: u16) -> Result<(), Failed> {
    let talks = std::io::stderr().is_terminal();
    let tell = move |far: Resealed| {
        if talks {
            let _ = write!(std::io::stderr(), "\r{} rows seen, {} sealed again", far.seen, far.rows);
        }
    };
    let resealed = stores.reseal(usize::from(slice), tell).await;
    if talks {
        let _ = writeln!(std::io::stderr());
    }
    let resealed = resealed.map_err(|error| error.to_string())?;
    let keys = stores.sealing_keys();
    output::print(&format!("{} rows sealed again under {}", resealed.rows, keys.current_name()));
    let needed = needed(stores).await?;
    for name in keys.names().filter(|name| !needed.contains(*name)) {
        output::print(&format!("{name} is not needed any more, but for backups that were made before"));
    }
    Ok(())
}

async fn needed(stores: &AnyStores) -> Result<BTreeSet<String>, Failed> {
    Ok(stores.needed_sealing_keys().await.map_err(|error| error.to_string())?)
}

async fn remove(named: &Named) -> Result<(), Failed> {
    let file = key_file(&named.local)?;
    let stores = named.local.open(IfMissing::Refuse).await?;
    // Counted besides: what a server sealed before it saw the new key may have been written after the last walk.
    let count = rows(&stores).await?.get(&named.name).copied().unwrap_or_default();
    if count > 0 || needed(&stores).await?.contains(&named.name) {
        return Err(Failed::Failed(format!(
            "{} is needed ({count} rows are sealed under it): `authd sealing reseal` comes first",
            named.name
        )));
    }
    sealing::change(&file, |keys| keys.remove(&named.name))?;
    output::print(&format!(
        "took {} out of {}; keep it with the backups that were made before",
        named.name,
        file.display()
    ));
    Ok(())
}

async fn forget(forget: &Forget) -> Result<(), Failed> {
    let name = &forget.named.name;
    let stores = forget.named.local.open_without_some_keys().await?;
    let discarded = match forget.discard {
        true => stores.discard_sealed_under(name, COUNTED).await.map_err(|error| error.to_string())?,
        false => 0,
    };
    let count = rows(&stores).await?.get(name).copied().unwrap_or_default();
    let was_noted = stores.forget_sealing_key(name).await.map_err(|error| error.to_string())?;
    if discarded > 0 {
        output::print(&format!(
            "{name} is given up, and what it sealed in {discarded} rows is gone. `authd keys rotate --force` for each tenant, \
             `authd users update --password-stdin` for people, `authd apis update` and `authd apps` for shared secrets \
             make it anew; `authd doctor` says what is missing"
        ));
    } else if was_noted {
        output::print(&format!(
            "{name} is given up; {count} rows that it sealed stay, and can be neither read nor changed: people among \
             them can, but do not log in. Once the key is lost for good, `authd sealing forget {name} --discard` makes \
             room for new passwords and keys"
        ));
    } else {
        return Err(Failed::Failed(format!("{name} is not needed: nothing was changed")));
    }
    Ok(())
}
