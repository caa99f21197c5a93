//! A data directory with a settings file, and the real `authd serve` on it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::wire::{Reply, Wire};
use crate::loopback::request;
use crate::process::{Failure, Running, Scratch, failed, output};
use crate::server::Authd;

/// How long a server may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everybody's password.
pub(crate) const PASSWORD: &str = "Correct-Horse-9";

/// Who is there: the tenant's host, its applications, its people.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    /// The host that the tenant answers at, whatever port the server listens on.
    pub(crate) host: String,
    /// What stands before `host` in its addresses.
    pub(crate) scheme: &'static str,
    /// A public application of people, whose refresh tokens rotate.
    pub(crate) app: String,
    /// The API that it asks tokens for.
    pub(crate) audience: String,
    /// A machine: client, secret and audience.
    pub(crate) machine: (String, String, String),
    /// E-mail addresses.
    pub(crate) people: Vec<String>,
}

/// Where a browser is sent with a code. Nobody goes there.
pub(crate) const CALLBACK: &str = "https://app.example/callback";

/// How many people there are.
const PEOPLE: usize = 8;

/// A finished data directory, from which each scenario has a copy.
#[derive(Debug)]
pub(crate) struct Template {
    binary: PathBuf,
    data: PathBuf,
    cast: Arc<Cast>,
}

impl Template {
    /// Makes one with `authd dev`, which seeds and ends in good order.
    pub(crate) fn make(binary: &Path, scratch: &Scratch) -> Result<Self, Failure> {
        let (data, seed) = (scratch.path("template"), scratch.path("seed.yaml"));
        let people: Vec<String> = (0..PEOPLE).map(|number| format!("crash-{number}@example.com")).collect();
        write(&seed, &seed_text(&people))?;
        let mut command = Command::new(binary);
        command.args(["dev", "--json", "--http-port", "0", "--https-port", "0", "--data"]).arg(&data);
        command.arg("--seed").arg(&seed);
        let authd = Authd::from_command(binary, &data, command, &scratch.path("template.log"))?;
        let host = authd.http_origin()?.trim_start_matches("http://").trim_end_matches('/').to_owned();
        // It says its line before it listens for signals, and answers after.
        request("GET", &format!("{}readyz", authd.http_origin()?), &[], None)?;
        let worker = "geocoding-worker";
        let secret = authd.secret_of(worker)?.to_owned();
        authd.stop()?;
        let machine = (worker.to_owned(), secret, "https://api.example.com/geocoding/v1/".to_owned());
        let (app, audience) = ("crash-app".to_owned(), "urn:crash".to_owned());
        let cast = Cast { host, scheme: "http", app, audience, machine, people };
        Ok(Self { binary: binary.to_path_buf(), data, cast: Arc::new(cast) })
    }

    /// A copy in this folder, which may be on another file system.
    pub(crate) fn copy_to(&self, directory: &Path) -> Result<Site, Failure> {
        copy_data(&self.data, &directory.join("data"))?;
        self.site_in(directory)
    }

    /// The site in a folder that has the data already.
    pub(crate) fn site_in(&self, directory: &Path) -> Result<Site, Failure> {
        Site::new(&self.binary, directory, Arc::clone(&self.cast), "directory = \"data\"", "http")
    }

    /// The same, whose files beside the data are in a folder of their own.
    pub(crate) fn site_on(&self, directory: &Path, data: &Path) -> Result<Site, Failure> {
        let store = format!("directory = \"{}\"", data.display());
        Site::new(&self.binary, directory, Arc::clone(&self.cast), &store, "http")
    }

    /// The server's program.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// The finished data.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }
}

fn seed_text(people: &[String]) -> String {
    let mut text = format!(
        "resourceServers:\n  - name: Crash\n    identifier: urn:crash\n    scopes: [{{value: read}}]\n    \
         allow_offline_access: true\nclients:\n  - name: Crash\n    client_id: crash-app\n    app_type: native\n    \
         token_endpoint_auth_method: none\n    callbacks: ['{CALLBACK}']\n    \
         allowed_logout_urls: ['{CALLBACK}']\n    grant_types: [authorization_code, refresh_token]\n    \
         refresh_token: {{rotation_type: rotating, leeway: 3600}}\nusers:\n"
    );
    for person in people {
        text.push_str(&format!("  - email: {person}\n    password: {PASSWORD}\n    email_verified: true\n"));
    }
    text
}

/// A settings file with its data.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    binary: PathBuf,
    directory: PathBuf,
    /// Where the server listens.
    pub(crate) port: u16,
    /// Who is there.
    pub(crate) cast: Arc<Cast>,
}

impl Site {
    /// Writes the settings file; `store` is what stands in its `[store]`.
    pub(crate) fn new(
        binary: &Path,
        directory: &Path,
        cast: Arc<Cast>,
        store: &str,
        scheme: &str,
    ) -> Result<Self, Failure> {
        let port = free_port()?;
        make_directory(directory)?;
        let text = format!(
            "[store]\n{store}\n[[listen]]\naddress = \"127.0.0.1:{port}\"\nscheme = \"{scheme}\"\npeers = \"proxy\"\n"
        );
        write(&directory.join("authd.toml"), &text)?;
        Ok(Self { binary: binary.to_path_buf(), directory: directory.to_path_buf(), port, cast })
    }

    /// The data directory, where it is beside the settings file.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Removes what is beside the settings file and it: a long run has many.
    pub(crate) fn remove(&self) {
        let _best_effort = std::fs::remove_dir_all(&self.directory);
    }

    /// A connection to the server.
    pub(crate) fn wire(&self) -> Wire {
        Wire::new(self.port, &self.cast.host)
    }

    /// A command of authd on these settings.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.directory).args(words).args(["--config", "authd.toml"]);
        command
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn start(&self) -> Result<Serving, Failure> {
        self.start_under(&[])
    }

    /// The same of one that may never be.
    pub(crate) fn start_within(&self, patience: Duration) -> Result<Serving, Failure> {
        self.wait_until_ready(&[], patience)
    }

    /// The same under a program that runs it, such as `strace`.
    pub(crate) fn start_under(&self, wrapper: &[String]) -> Result<Serving, Failure> {
        self.wait_until_ready(wrapper, PATIENCE)
    }

    fn wait_until_ready(&self, wrapper: &[String], patience: Duration) -> Result<Serving, Failure> {
        let (mut serving, began) = (self.spawn_under(wrapper)?, Instant::now());
        let mut wire = self.wire().with_patience(Duration::from_secs(2));
        loop {
            if wire.fetch("/readyz").status() == 200 {
                serving.ready = began.elapsed();
                break;
            }
            if serving.running.has_ended() {
                return failed(format!("authd ended before it was ready\n{}", serving.log_tail()));
            }
            if began.elapsed() > patience {
                return failed(format!("authd was not ready after {patience:?}\n{}", serving.log_tail()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if let (false, Some(child)) = (wrapper.is_empty(), child_of(serving.running.id())) {
            serving.pid = child;
        }
        Ok(serving)
    }

    /// Starts the server and waits for nothing.
    pub(crate) fn spawn_under(&self, wrapper: &[String]) -> Result<Serving, Failure> {
        let server = self.command(&["serve"]);
        let mut command = match wrapper.split_first() {
            None => server,
            Some((program, words)) => {
                let mut command = Command::new(program);
                command.current_dir(&self.directory).args(words);
                command.arg(server.get_program()).args(server.get_args());
                command
            }
        };
        command.env_remove("AUTHD_LOG");
        let log = self.log();
        // Each start has a log of its own: what a thousand starts write is of no use.
        let _there_may_be_none = std::fs::remove_file(&log);
        let running = Running::start("authd", &mut command, &log)?;
        Ok(Serving { pid: running.id(), running, ready: Duration::ZERO, log })
    }

    /// Where the server's log goes: beside the settings, never where the disk is full.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Serving {
    running: Running,
    /// The server's own process, also where another program runs it.
    pub(crate) pid: u32,
    /// From the start to the first time that it said it is ready.
    pub(crate) ready: Duration,
    log: PathBuf,
}

impl Serving {
    /// Kills it at once (SIGKILL).
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.kill_process()
    }

    fn kill_process(&mut self) -> Result<(), Failure> {
        if self.pid == self.running.id() || self.running.has_ended() {
            return self.running.kill_now();
        }
        signal(self.pid, "KILL")?;
        // The program that runs it ends with it.
        let began = Instant::now();
        while !self.running.has_ended() && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.running.kill_now()
    }

    /// Waits for it to end, after a signal.
    pub(crate) fn ended(mut self, patience: Duration) -> Result<ExitStatus, Failure> {
        self.running.wait_for_end(patience)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Failure> {
        signal(self.pid, name)
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        self.running.log_tail()
    }

    /// Whether its log has this word.
    pub(crate) fn logged(&self, word: &str) -> bool {
        // The log is written by a thread of its own.
        let began = Instant::now();
        loop {
            let text = std::fs::read(&self.log).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(word) {
                return true;
            }
            if began.elapsed() > Duration::from_secs(5) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.running.has_ended()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.pid != self.running.id() && !self.running.has_ended() {
            let _it_may_have_ended = signal(self.pid, "KILL");
        }
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, name: &str) -> Result<(), Failure> {
    output(Command::new("kill").args([&format!("-{name}"), &pid.to_string()])).map(drop)
}

fn child_of(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// A port that is free and that no connection is given: one of those could connect to itself while the server is away.
pub(crate) fn free_port() -> Result<u16, Failure> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(32_768);
    let mut dice = Dice::new(super::dice::stamp());
    for _ in 0..1000 {
        let port = 10_000 + dice.below(usize::from(u16::max(first, 11_000)) - 10_000);
        let port = u16::try_from(port).unwrap_or(10_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    failed("there is no free port")
}

/// Copies a data directory: its files and their modes.
pub(crate) fn copy_data(from: &Path, to: &Path) -> Result<(), Failure> {
    let copied = || -> std::io::Result<()> {
        let _left = std::fs::remove_dir_all(to);
        std::fs::create_dir_all(to)?;
        std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    };
    copied().or_else(|error| failed(format!("copying {}: {error}", from.display())))
}

/// SQLite's own check of the database in a data directory that nobody serves.
pub(crate) fn sound(data: &Path) -> Result<(), Failure> {
    const SCRIPT: &str = "import sqlite3, sys
for pragma in ('integrity_check', 'foreign_key_check'):
    for row in sqlite3.connect(sys.argv[1]).execute('PRAGMA ' + pragma):
        print(*row)";
    let database = data.join("authd.db");
    let said = output(Command::new("python3").args(["-c", SCRIPT]).arg(&database))?;
    if said.trim() == "ok" { Ok(()) } else { failed(format!("{} is not sound: {said}", database.display())) }
}

/// Makes a folder.
pub(crate) fn make_directory(directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).or_else(|error| failed(format!("{}: {error}", directory.display())))
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).or_else(|error| failed(format!("{}: {error}", path.display())))
}

/// A token for the machine: an answer that takes no write.
pub(crate) fn machine_token(wire: &mut Wire, cast: &Cast) -> Reply {
    let (id, secret, audience) = &cast.machine;
    wire.post(
        "/oauth/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
            ("audience", audience),
        ],
    )
}
