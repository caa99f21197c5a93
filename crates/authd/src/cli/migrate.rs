//! `authd migrate`: changes of the database's schema, done while servers of the version before serve (docs/adr/0012).

use clap::Args;
use serde_json::json;
use store::migration::{At, Contracts, Pending, Plan, Progress};

use super::local::Local;
use super::{Failed, output};
use crate::open::{self, DATABASE_FILE, Place};

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Say what there is to do, and do nothing
    #[arg(long)]
    plan: bool,
    /// Also take away what only older versions used: no server of an older version runs any more, or will
    #[arg(long)]
    contract: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

pub(crate) async fn run(verb: Migrate) -> Result<(), Failed> {
    let (place, _) = verb.local.places()?;
    let contracts = if verb.contract { Contracts::Run } else { Contracts::Wait };
    let plan = plan(&place, contracts).await?;
    if !verb.plan {
        carry_out(&place, contracts).await?;
    }
    if verb.json {
        let objects = |pending: &[Pending]| -> Vec<_> { pending.iter().map(object).collect() };
        let done = if verb.plan { "would_run" } else { "done" };
        output::show(true, &json!({ done: objects(&plan.runs), "waiting": objects(&plan.waits) }));
        return Ok(());
    }
    if plan.runs.is_empty() {
        output::print("the schema is this version's: nothing to do");
    }
    for pending in &plan.runs {
        let done = if verb.plan { "would do" } else { "done" };
        output::print(&format!("{done}: {}", words(pending)));
    }
    for pending in &plan.waits {
        output::print(&format!(
            "waiting: {}; it takes away what only older versions use: `authd migrate --contract` when none runs any more",
            words(pending)
        ));
    }
    Ok(())
}

/// What there is to do.
async fn plan(place: &Place, contracts: Contracts) -> Result<Plan, Failed> {
    match place {
        Place::Directory(directory) => {
            let path = open::database_in(directory)?;
            let plan = store_sqlite::migrate::pending(&path, store_sqlite::migrate::MIGRATIONS, contracts);
            Ok(plan.map_err(|error| error.to_string())?)
        }
        Place::Postgres(settings) => {
            let known = store_postgres::migrate::MIGRATIONS;
            let plan = store_postgres::migrate::pending(settings, known, contracts).await;
            Ok(plan.map_err(|error| error.to_string())?)
        }
    }
}

/// Does it, and says on standard error how far it is.
async fn carry_out(place: &Place, contracts: Contracts) -> Result<(), Failed> {
    let mut rows_in_all = 0;
    let mut watch = |at: At<'_>, progress: Progress| {
        let step = format!("schema {} ({}), step {} of {}", at.number, at.name, at.step, at.of);
        match progress {
            Progress::Begins => {
                rows_in_all = 0;
                output::progress(&format!("{step} …"));
            }
            Progress::Committed { rows } if rows > 0 => {
                rows_in_all += rows;
                output::progress(&format!("{step}: {rows_in_all} rows …"));
            }
            Progress::Written | Progress::Committed { .. } | Progress::Done => {}
        }
    };
    match place {
        Place::Directory(directory) => {
            let path = open::database_in(directory)?;
            let known = store_sqlite::migrate::MIGRATIONS;
            store_sqlite::migrate::run(&path, known, contracts, &mut watch)
                .map_err(|error| error.to_string())?;
        }
        Place::Postgres(settings) => {
            let known = store_postgres::migrate::MIGRATIONS;
            let done = store_postgres::migrate::run(settings, known, contracts, &mut watch).await;
            done.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// What a development server does at its start: nobody else has its database, so there is nobody to ask.
pub(crate) fn expand(directory: &std::path::Path) -> Result<(), Failed> {
    let path = directory.join(DATABASE_FILE);
    if path.exists() {
        let known = store_sqlite::migrate::MIGRATIONS;
        let done = store_sqlite::migrate::run(&path, known, Contracts::Wait, &mut |_, _| {});
        done.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn words(pending: &Pending) -> String {
    let left = pending.steps().count();
    let steps = if left == 1 { "step" } else { "steps" };
    format!("schema {} ({}), {left} {steps}", pending.number, pending.migration.name)
}

fn object(pending: &Pending) -> serde_json::Value {
    json!({ "schema": pending.number, "name": pending.migration.name, "steps": pending.steps().count() })
}
