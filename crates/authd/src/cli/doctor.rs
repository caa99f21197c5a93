//! `authd doctor`: the full check of a database (exit code 0: all is well, 1: something is wrong).

use clap::Args;
use serde_json::json;

use super::local::Local;
use super::{Failed, output};
use crate::doctor;
use crate::moment::{Moments, SystemMoments};

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

pub(crate) async fn run(verb: Doctor) -> Result<(), Failed> {
    let (place, key) = verb.local.places()?;
    let watch = |read: u64| {
        if read.is_multiple_of(50_000) {
            output::progress(&format!("{read} rows …"));
        }
    };
    let report = doctor::examine(&place, &key, SystemMoments.draw().now, &watch).await;
    if verb.json {
        let checks: Vec<_> = report
            .checks
            .iter()
            .map(|check| json!({ "check": check.name, "outcome": check.outcome.name(), "detail": check.detail }))
            .collect();
        output::show(true, &json!({ "is_well": report.is_well(), "checks": checks }));
    } else {
        for check in &report.checks {
            output::print(&format!("{:<6}  {:<9}  {}", check.outcome.name(), check.name, check.detail));
        }
    }
    if report.is_well() {
        Ok(())
    } else {
        Err(Failed::Failed("something is wrong with the database".to_owned()))
    }
}
