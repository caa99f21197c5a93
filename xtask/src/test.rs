//! Everything a contributor must pass.

use crate::process::{Failure, cargo, run as command};
use crate::steps::Steps;
use crate::{browser, clients, crash, demo, install};

/// A library, tested alone: what it imports must be enough for it.
struct Library {
    name: &'static str,
    /// The arguments of each run: one per cryptographic backend, where it has one.
    runs: &'static [&'static [&'static str]],
}

const PLAIN: &[&[&str]] = &[&[]];
const BOTH_BACKENDS: &[&[&str]] = &[&[], &["--no-default-features", "--features", "aws-lc-rs"]];

const LIBRARIES: &[Library] = &[
    Library { name: "records", runs: PLAIN },
    Library { name: "policy", runs: PLAIN },
    Library {
        name: "jwt-core",
        runs: &[&[], &["--features", "simd-base64"], &["--no-default-features", "--features", "aws-lc-rs"]],
    },
    Library { name: "oauth-grants", runs: BOTH_BACKENDS },
    Library { name: "store", runs: BOTH_BACKENDS },
    Library { name: "store-sqlite", runs: BOTH_BACKENDS },
    // One backend: it hashes and seals nothing itself, and each run starts servers and kills them.
    Library { name: "store-postgres", runs: PLAIN },
    Library {
        name: "resource-server",
        runs: &[&[], &["--features", "http"], &["--no-default-features", "--features", "aws-lc-rs,http"]],
    },
    Library { name: "xtask", runs: PLAIN },
];

/// Runs every step; the first failure ends the run. The last step is the whole server's tests, so that the
/// output ends with cargo's own closing lines.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("takes no arguments".to_owned()));
    }
    let mut steps = Steps::of("test");
    steps.step("PostgreSQL is at hand", install::postgres)?;
    steps.step("PgBouncer is at hand", install::pgbouncer)?;
    for library in LIBRARIES {
        for features in library.runs {
            let name = format!("{} alone {}", library.name, features.join(" "));
            let words = ["test", "--quiet", "-p", library.name];
            steps.step(name.trim(), || command(cargo().args(words).args(*features)))?;
        }
    }
    steps.step("jwt-core can be packaged", || {
        // Without the verifying build: the same files were built and tested alone above.
        command(cargo().args(["package", "--quiet", "-p", "jwt-core", "--allow-dirty", "--no-verify"]))
    })?;
    steps.step("benches compile", || {
        // Checked, not built: a bench is linked with the slow settings of the release profile.
        command(cargo().args(["check", "--quiet", "--workspace", "--benches"]))
    })?;
    let smoke = ["--smoke".to_owned()];
    steps.step("other people's clients", || clients::run(&smoke))?;
    steps.step("pages in a browser", || browser::run(&smoke))?;
    steps.step("crashes of every kind", || crash::run(&smoke))?;
    steps.step("demo", || demo::run(&[]))?;
    // The summary comes first, so that cargo's closing lines end the output.
    println!("{}\n\n=== test: the whole server's tests", steps.summary());
    command(cargo().args(["test", "-p", "authd", "-p", "testkit"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_with_two_backends_is_tested_on_both() {
        for library in LIBRARIES {
            let manifest = crate::process::root().join("crates").join(library.name).join("Cargo.toml");
            let Ok(text) = std::fs::read_to_string(manifest) else {
                assert_eq!(library.name, "xtask");
                continue;
            };
            let chooses = text.contains("aws-lc-rs = [");
            let other = library.runs.iter().any(|run| run.join(" ").contains("--no-default-features"));
            assert!(chooses == other || library.name == "store-postgres", "{}", library.name);
        }
    }

    #[test]
    fn every_library_of_the_workspace_is_tested() {
        for entry in std::fs::read_dir(crate::process::root().join("crates")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let whole_server = matches!(name.as_str(), "authd" | "testkit");
            assert!(whole_server || LIBRARIES.iter().any(|library| library.name == name), "{name}");
        }
    }
}
