//! `cargo xtask soak`: two million grants, made, used, expired and swept (threats R24).
#![expect(clippy::unwrap_used, reason = "a soak stops at the first surprise")]

#[path = "../tests/soak/mod.rs"]
mod soak;

use std::process::ExitCode;

use soak::{Plan, Sizes};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let grants = numbers.next().map_or(2_000_000, Result::unwrap);
    let live = numbers.next().map_or(grants.div_ceil(40), Result::unwrap);
    let plan = Plan { grants, live, talks: true };
    let directory = match std::env::var_os("BENCH_DIRECTORY") {
        Some(directory) => tempfile::tempdir_in(directory).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let report = runtime.block_on(soak::run(directory.path(), plan));
    let line = |what: &str, sizes: Sizes| {
        println!("| {what} | {} | {} | {} |", sizes.database, sizes.log, sizes.database + sizes.log);
    };
    println!(
        "\n{grants} grants, {live} alive at a time: {:.0} s, {} commits in {} transactions, {} rows swept\n",
        report.took.as_secs_f64(),
        report.commits,
        report.transactions,
        report.swept
    );
    println!("| bytes | database | log | together |\n|---|---|---|---|");
    line("before", report.baseline);
    line("all that live at a time are there", report.full);
    line("peak", report.peak);
    line("all expired and swept", report.end);
    line("closed", report.closed);
    println!(
        "\nAt the peak {} bytes of database for each live grant, with what had expired and not left.",
        report.peak.database.saturating_sub(report.baseline.database) / live.max(1)
    );
    match report.check(plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("soak: {why}");
            ExitCode::FAILURE
        }
    }
}
