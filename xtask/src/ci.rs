//! What continuous integration runs: every check that needs no build first, then the tests.

use crate::deny::{self, Checked};
use crate::process::{Failure, cargo, run as command};
use crate::steps::Steps;
use crate::{layers, standards, test, tidy};

/// Runs everything. The output ends with cargo's own closing lines of the last tests.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("takes no arguments".to_owned()));
    }
    let mut steps = Steps::of("ci");
    steps.step("format", || command(cargo().args(["fmt", "--all", "--check"])))?;
    steps.step("layers", || layers::run(&[]))?;
    steps.step("tidy", || tidy::run(&[]))?;
    steps.step("standards", || standards::run(&["--check".to_owned()]))?;
    let mut not_run = None;
    steps.step("deny", || {
        if let Checked::NotRun(why) = deny::run_check()? {
            not_run = Some(why);
        }
        Ok(())
    })?;
    if let Some(why) = not_run {
        steps.note(why);
    }
    steps.step("lints", || {
        let words = ["clippy", "--workspace", "--all-targets", "--features", "resource-server/http"];
        command(cargo().args(words).args(["--", "-D", "warnings"]))
    })?;
    steps.step("documentation", || {
        let mut doc = cargo();
        doc.env("RUSTDOCFLAGS", "-D warnings");
        command(doc.args(["doc", "--workspace", "--no-deps", "--features", "resource-server/http"]))
    })?;
    println!("{}", steps.summary());
    test::run(&[])
}
