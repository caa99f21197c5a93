//! The criterion benches.

use serde::Deserialize;

use crate::process::{Failure, cargo, failed, output, run as command};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Runs the benches of the named crates, or of all.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Metadata = match serde_json::from_str(&text) {
        Ok(metadata) => metadata,
        Err(error) => return failed(format!("cargo metadata: {error}")),
    };
    if let Some(unknown) = arguments.iter().find(|name| metadata.packages.iter().all(|p| p.name != **name)) {
        return Err(Failure::Usage(format!("there is no crate {unknown}")));
    }
    for package in metadata.packages.iter().filter(|p| arguments.is_empty() || arguments.contains(&p.name)) {
        for target in package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "bench")) {
            command(cargo().args(["bench", "-p", &package.name, "--bench", &target.name]))?;
        }
    }
    Ok(())
}
