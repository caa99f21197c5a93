//! A PostgreSQL server of a test's own, as durable as it comes.
//!
//! A new cluster in a temporary directory, on a socket in that directory, gone when it is dropped.
//!
//! It needs Debian's package `postgresql` (`cargo xtask test` installs it), or the directory of its programs in
//! `AUTHD_TEST_POSTGRES`. PostgreSQL refuses to run as root, so then its programs run as `nobody`.
#![allow(dead_code, reason = "each test that includes this uses a part of it")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test that fails stops")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    directory: tempfile::TempDir,
    programs: PathBuf,
    options: Vec<String>,
    port: u16,
    process: Option<Child>,
    made: AtomicUsize,
}

/// Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65_534;

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        Self::start_with(&["-c", "listen_addresses="])
    }

    /// The same with these arguments of `postgres`.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::start_on(5432, options)
    }

    /// The same; `port` is in the socket's name, and is what an address of the network would have.
    pub(crate) fn start_on(port: u16, options: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("pg-").tempdir().unwrap();
        let programs = programs();
        if is_root() {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let options = options.iter().map(ToString::to_string).collect();
        let mut server =
            Self { directory, programs, options, port, process: None, made: AtomicUsize::new(0) };
        let cluster = server.cluster();
        // As it is where people run it: texts are in another order than their bytes.
        let locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"];
        let arguments = ["--username=authd", "--auth=trust", "--encoding=UTF8", "--no-sync"];
        run(server.program("initdb").args(arguments).args(locale).arg("-D").arg(&cluster));
        server.resume();
        server
    }

    fn cluster(&self) -> PathBuf {
        self.directory.path().join("cluster")
    }

    /// The directory of the socket and of whatever a test puts beside it.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it, after a stop.
    pub(crate) fn resume(&mut self) {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.cluster()).arg("-k").arg(self.directory.path()).args(&self.options);
        command.args([
            "-c",
            "max_connections=200",
            "-c",
            "log_min_messages=fatal",
            "-c",
            "autovacuum_naptime=5s",
        ]);
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        self.process = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        for _ in 0..600 {
            let mut probe = self.program("pg_isready");
            let probe = probe.args(["-q", "-t", "1", "-U", "authd", "-p", &self.port.to_string(), "-h"]);
            let probe = probe.arg(self.directory.path()).status();
            if probe.unwrap().success() {
                return;
            }
            if let Some(ended) = self.process.as_mut().unwrap().try_wait().unwrap() {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("PostgreSQL ended ({ended}): {log}");
            }
            // Not a wait for something that may happen: the server says by itself when it is ready.
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("PostgreSQL did not become ready");
    }

    /// Ends it as a power failure of its process would: nothing is finished, connections are cut.
    pub(crate) fn crash(&mut self) {
        self.stop("immediate");
    }

    /// Cuts connections, and finishes what is to be finished.
    pub(crate) fn stop(&mut self, mode: &str) {
        let Some(mut process) = self.process.take() else { return };
        let mut command = self.program("pg_ctl");
        let command = command.args(["stop", "-s", "-w", "-m", mode, "-D"]).arg(self.cluster());
        let stopped = command.stdin(Stdio::null()).output().unwrap();
        if !stopped.status.success() {
            process.kill().unwrap();
        }
        process.wait().unwrap();
    }

    /// Stands still (`STOP`) or goes on (`CONT`): every process of the server.
    pub(crate) fn signal(&self, name: &str) {
        let server = self.process.as_ref().unwrap().id();
        let mut processes = vec![server];
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            let parent =
                stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
            if parent == Some(server) {
                processes.push(id);
            }
        }
        let arguments = processes.iter().map(ToString::to_string);
        run(Command::new("kill").arg(format!("-{name}")).args(arguments));
    }

    /// The address of a new and empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("authd{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// The address of a database.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("postgres://authd@/{name}?host={}&port={}", self.directory.path().display(), self.port)
    }

    /// What `psql` answers to this, without ornament.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let mut command = self.program("psql");
        let command =
            command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-U", "authd", "-d", database]);
        let command = command.args(["-p", &self.port.to_string()]);
        let output = run(command.arg("-h").arg(self.directory.path()).args(["-c", sql]));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            command.args([user.as_str(), group.as_str(), "--clear-groups", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        // Nothing of the caller's own PostgreSQL, and a directory that the user may be in.
        for name in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSSLMODE", "PGOPTIONS"] {
            command.env_remove(name);
        }
        command.current_dir("/");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Gives files, and the directory that they are in, to the user that the server runs as, for its eyes alone.
pub(crate) fn give(directory: &Path, files: &[&Path]) {
    for file in files {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    if is_root() {
        for path in files.iter().copied().chain([directory]) {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

/// Whether this runs as root, as which PostgreSQL and PgBouncer do not.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The directory of PostgreSQL's programs: the newest version's.
fn programs() -> PathBuf {
    if let Some(directory) = std::env::var_os("AUTHD_TEST_POSTGRES") {
        return directory.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").exists() && programs.join("postgres").exists())
        .collect();
    versions.sort();
    let newest = versions.pop();
    newest
        .expect(
            "PostgreSQL is not installed: `cargo xtask test` installs it, or `apt-get install postgresql`",
        )
        .1
}
