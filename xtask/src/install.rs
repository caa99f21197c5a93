//! Other people's tools and libraries, fetched through their own clients into the ignored folder `.xtask`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Failure, exists, failed, output, root, run, tools_dir};

/// A program of the operating system that a step needs.
struct Program {
    name: &'static str,
    /// The argument with which it can be probed.
    probe: &'static str,
    /// Debian's package.
    package: &'static str,
}

const PYTHON: Program = Program { name: "python3", probe: "--version", package: "python3" };
const NODE: Program = Program { name: "node", probe: "--version", package: "nodejs" };
const CURL: Program = Program { name: "curl", probe: "--version", package: "curl" };
const STRACE: Program = Program { name: "strace", probe: "--version", package: "strace" };
const BTRFS: Program = Program { name: "mkfs.btrfs", probe: "--version", package: "btrfs-progs" };
const EXT4: Program = Program { name: "mkfs.ext4", probe: "-V", package: "e2fsprogs" };
const NPM: Program = Program { name: "npm", probe: "--version", package: "npm" };

/// The names under which a Chromium is installed, the package of Debian's first.
const CHROMIUM: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// The pinned libraries of the clients suite.
const REQUIREMENTS: &str = "xtask/clients/requirements.txt";

/// Installs Debian packages, as root or with sudo.
fn debian_packages(packages: &[&str]) -> Result<(), Failure> {
    if !exists("apt-get", "--version") {
        return failed(format!("please install {} (there is no apt-get here)", packages.join(", ")));
    }
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let apt = |words: &[&str]| {
        let mut command = match is_root {
            true => Command::new("apt-get"),
            false => {
                let mut command = Command::new("sudo");
                command.args(["-n", "apt-get"]);
                command
            }
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").args(words);
        run(&mut command)
    };
    let mut words = vec!["install", "--yes", "--no-install-recommends"];
    words.extend(packages);
    // The lists of a fresh machine may be empty or old: refresh them when the first try fails.
    apt(&words).or_else(|_| apt(&["update"]).and_then(|()| apt(&words)))
}

fn programs(programs: &[&Program]) -> Result<(), Failure> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|program| !exists(program.name, program.probe))
        .map(|program| program.package)
        .collect();
    if missing.is_empty() { Ok(()) } else { debian_packages(&missing) }
}

/// The folder of the Python environment.
fn environment() -> PathBuf {
    tools_dir().join("py")
}

/// Makes the Python environment if it is not there, and returns its interpreter.
pub(crate) fn python() -> Result<PathBuf, Failure> {
    let interpreter = environment().join("bin/python");
    let works = |path: &Path| {
        let mut command = Command::new(path);
        command.args(["-m", "pip", "--version"]);
        output(&mut command).is_ok()
    };
    if works(&interpreter) {
        return Ok(interpreter);
    }
    programs(&[&PYTHON])?;
    let make = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment()));
    // Debian ships the module that makes environments in a package of its own.
    make().or_else(|_| debian_packages(&["python3-venv"]).and_then(|()| make()))?;
    match works(&interpreter) {
        true => Ok(interpreter),
        false => failed("the Python environment has no pip"),
    }
}

/// Installs Python packages into the environment, unless exactly these were installed before.
pub(crate) fn python_packages(stamp: &str, arguments: &[&str], content: &str) -> Result<PathBuf, Failure> {
    let interpreter = python()?;
    let stamp = environment().join(format!("{stamp}.installed"));
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == content) {
        return Ok(interpreter);
    }
    let mut command = Command::new(&interpreter);
    command.current_dir(root()).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(command.args(arguments))?;
    match std::fs::write(&stamp, content) {
        Ok(()) => Ok(interpreter),
        Err(error) => failed(format!("{}: {error}", stamp.display())),
    }
}

/// PyJWT, Authlib and what they need, as pinned: returns the interpreter that has them.
pub(crate) fn python_clients() -> Result<PathBuf, Failure> {
    let pinned = text_of(&root().join(REQUIREMENTS))?;
    python_packages("clients", &["--requirement", REQUIREMENTS], &pinned)
}

/// What a folder's lock file names from npm: returns the folder, which then has `node_modules`.
///
/// The lock file has digests but no download addresses, so npm asks whichever registry it is set up for.
pub(crate) fn npm(folder: &str) -> Result<PathBuf, Failure> {
    programs(&[&NODE, &NPM])?;
    let folder = root().join(folder);
    let locked = text_of(&folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == locked) {
        return Ok(folder);
    }
    let mut command = Command::new("npm");
    command.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    run(&mut command)?;
    match std::fs::write(&stamp, locked) {
        Ok(()) => Ok(folder),
        Err(error) => failed(format!("{}: {error}", stamp.display())),
    }
}

/// The path of a Chromium: the one that `AUTHD_CHROMIUM` names, one that is installed, or Debian's.
pub(crate) fn chromium() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("AUTHD_CHROMIUM") {
        return Ok(PathBuf::from(path));
    }
    let installed = || CHROMIUM.iter().find_map(|name| on_path(name));
    if let Some(path) = installed() {
        return Ok(path);
    }
    let advice =
        "the pages are tried in Chromium: install it, or name one with AUTHD_CHROMIUM=/path/to/chromium";
    if let Err(why) = debian_packages(&["chromium"]) {
        return failed(format!("{advice} ({why})"));
    }
    installed().map_or_else(|| failed(advice), Ok)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Makes sure that PgBouncer can be started by tests, which start their own.
pub(crate) fn pgbouncer() -> Result<(), Failure> {
    if Path::new("/usr/sbin/pgbouncer").exists() { Ok(()) } else { debian_packages(&["pgbouncer"]) }
}

/// Makes sure that a PostgreSQL server can be started by tests, which start their own.
pub(crate) fn postgres() -> Result<(), Failure> {
    let is_there = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        versions.into_iter().any(|version| version.path().join("bin/initdb").exists())
    };
    if std::env::var_os("AUTHD_TEST_POSTGRES").is_some() || is_there() {
        return Ok(());
    }
    // Debian starts a cluster of its own with the package, unless this file, which the first package brings, says not to.
    debian_packages(&["postgresql-common"])?;
    let configuration = Path::new("/etc/postgresql-common/createcluster.conf");
    let said = std::fs::read_to_string(configuration).unwrap_or_default();
    if !said.lines().any(|line| line.trim_start().starts_with("create_main_cluster")) {
        // Without the right to, it starts, and is in nobody's way: tests use a socket of their own.
        let _ = std::fs::write(configuration, format!("{said}\ncreate_main_cluster = false\n"));
    }
    debian_packages(&["postgresql"])
}

/// Makes sure that what crashes are made with can be run: faults, disks in files, and SQLite's own check of a database.
pub(crate) fn crash_tools() -> Result<(), Failure> {
    programs(&[&STRACE, &PYTHON, &BTRFS, &EXT4])
}

/// Makes sure that `curl` can be run.
pub(crate) fn curl() -> Result<(), Failure> {
    programs(&[&CURL])
}

fn text_of(path: &Path) -> Result<String, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) => failed(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_library_is_pinned_to_one_version() {
        let text = text_of(&root().join(REQUIREMENTS)).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("==")), "{lines:?}");
    }

    #[test]
    fn every_npm_lock_has_digests_and_no_addresses() {
        for folder in ["browser", "clients"] {
            let text = text_of(&root().join("xtask").join(folder).join("package-lock.json")).unwrap();
            let lock: serde_json::Value = serde_json::from_str(&text).unwrap();
            for (name, package) in lock["packages"].as_object().unwrap() {
                assert!(package.get("resolved").is_none(), "{name}");
                assert!(
                    name.is_empty() || package["integrity"].as_str().unwrap().starts_with("sha512-"),
                    "{name}"
                );
            }
        }
    }
}
