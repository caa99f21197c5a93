//! A PostgreSQL server of a scenario's own: Debian's programs, run by a user who may do nothing else.

use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::site::{free_port, make_directory};
use crate::process::{Failure, failed, output};

/// Debian's `nobody` and `nogroup`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster, running or not.
pub(crate) struct Cluster {
    directory: PathBuf,
    programs: PathBuf,
    /// Where it listens, on loopback.
    pub(crate) port: u16,
    process: Option<Child>,
}

impl Cluster {
    /// Makes one with an empty database `authd`, as durable as it comes, and starts it.
    pub(crate) fn start() -> Result<Self, Failure> {
        // Where any user may go, unlike the target directory of somebody's checkout.
        let directory = std::env::temp_dir().join(format!("authd-crash-{}", std::process::id()));
        make_directory(&directory)?;
        if is_root() {
            chown(&directory, Some(NOBODY), Some(NOBODY))
                .or_else(|error| failed(format!("{}: {error}", directory.display())))?;
        }
        let mut cluster = Self { directory, programs: programs()?, port: free_port()?, process: None };
        let words =
            ["--username=authd", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"];
        output(cluster.program("initdb").args(words).arg(cluster.data()))?;
        cluster.resume()?;
        cluster.sql("postgres", "CREATE DATABASE authd")?;
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.directory.join("cluster")
    }

    /// Starts it after a stop, and waits until it takes connections.
    pub(crate) fn resume(&mut self) -> Result<(), Failure> {
        let log = self.directory.join("log");
        let file =
            std::fs::File::create(&log).or_else(|error| failed(format!("{}: {error}", log.display())))?;
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(&self.directory);
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        match command.spawn() {
            Ok(child) => self.process = Some(child),
            Err(error) => return failed(format!("postgres could not start: {error}")),
        }
        let began = Instant::now();
        loop {
            let mut probe = self.program("pg_isready");
            probe.args(["-q", "-t", "1", "-U", "authd", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if probe.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return failed(format!("PostgreSQL did not start: {said}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a crash would: nothing is finished, and the log is read at the next start.
    pub(crate) fn crash(&mut self) -> Result<(), Failure> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let mut command = self.program("pg_ctl");
        let stopped = output(command.args(["stop", "-s", "-w", "-m", "immediate", "-D"]).arg(self.data()));
        if stopped.is_err() {
            let _it_may_have_ended = process.kill();
        }
        let _reaped = process.wait();
        stopped.map(drop)
    }

    /// Stands still (`STOP`) or goes on (`CONT`): all of its processes.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Failure> {
        let Some(process) = &self.process else { return failed("PostgreSQL does not run") };
        let id = process.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        // One of them may have ended meanwhile.
        let _ = Command::new("kill")
            .args([format!("-{name}"), id.to_string()])
            .args(children.split_whitespace())
            .stderr(Stdio::null())
            .status();
        Ok(())
    }

    /// What `psql` answers.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Result<String, Failure> {
        let mut command = self.program("psql");
        command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-U", "authd", "-d", database]);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-c", sql]);
        output(&mut command)
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

impl Drop for Cluster {
    fn drop(&mut self) {
        let _stands_still_no_more = self.signal("CONT");
        let _best_effort = self.crash();
        let _best_effort = std::fs::remove_dir_all(&self.directory);
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// The directory of PostgreSQL's programs: the one that `AUTHD_TEST_POSTGRES` names, or the newest of Debian's.
fn programs() -> Result<PathBuf, Failure> {
    if let Some(directory) = std::env::var_os("AUTHD_TEST_POSTGRES") {
        return Ok(directory.into());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions
        .filter_map(|entry| Some((number(&entry.path())?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").exists())
        .max();
    newest.map_or_else(|| failed("PostgreSQL is not installed"), |(_, programs)| Ok(programs))
}

/// The address of a database at a port of loopback.
pub(crate) fn address(port: u16) -> String {
    format!("postgres://authd@{}:{port}/authd?sslmode=disable", Ipv4Addr::LOCALHOST)
}
